//! Several threads at once.

use std::sync::mpsc;
use std::thread;

use kleene_store::{Container, Store, StoreError};

use crate::fixtures::*;

#[test]
fn readers_see_the_last_commit_while_a_writer_is_at_work() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("metadata.sqlite")).unwrap();
    let (inserted, wait_for_insert) = mpsc::channel();
    let (looked, wait_for_look) = mpsc::channel::<()>();
    let writer = &store;
    thread::scope(|scope| {
        scope.spawn(move || {
            change(writer, |write| {
                write.insert_image(&image(1))?;
                inserted.send(()).unwrap();
                wait_for_look.recv().unwrap();
                Ok(())
            })
            .unwrap();
        });
        wait_for_insert.recv().unwrap();
        assert_eq!(look(&store, |read| read.images()), []);
        looked.send(()).unwrap();
    });
    assert_eq!(look(&store, |read| read.images()), [image(1)]);
}

#[test]
fn of_many_who_want_a_name_one_gets_it() {
    let store = furnished();
    let got: usize = thread::scope(|scope| {
        let threads: Vec<_> = (10..18)
            .map(|number| {
                let store = &store;
                scope.spawn(move || {
                    let web = Container {
                        name: Some("web".parse().unwrap()),
                        ..container(number)
                    };
                    usize::from(change(store, |write| write.insert_container(&web)).is_ok())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(got, 1);
}

#[test]
fn a_thread_that_panics_in_a_change_leaves_a_store_that_works() {
    let store = furnished();
    thread::scope(|scope| {
        let panicking = scope.spawn(|| {
            store.write::<(), StoreError>(|write| {
                write.insert_network(&network(5))?;
                panic!("on purpose")
            })
        });
        assert!(panicking.join().is_err());
    });
    assert_eq!(look(&store, |read| read.networks()), [network(3)]);
    change(&store, |write| write.insert_network(&network(5))).unwrap();
}
