//! What is under way survives a crash; what ended leaves no trace; what holds is kept with its object.

use kleene_plan::{DatasetName, Op};
use kleene_store::{Applied, Direction, Object, StepState, Store};

use crate::fixtures::*;

fn dataset(number: u64) -> DatasetName {
    DatasetName::container(&id(number))
}

fn create(number: u64) -> Op {
    Op::CreateDataset(dataset(number))
}

fn destroy(number: u64) -> Op {
    Op::DestroyDataset(dataset(number))
}

fn object() -> Object {
    Object::Container(id(2))
}

#[test]
fn an_interrupted_transaction_is_found_by_the_next_daemon_as_far_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.sqlite");
    let crashing = Store::open(&path).unwrap();
    let transaction = crashing
        .begin("container create", &object(), Direction::Undo)
        .unwrap();
    crashing
        .intend(transaction, 0, &create(2), Some(&destroy(2)))
        .unwrap();
    crashing.done(transaction, 0).unwrap();
    crashing
        .intend(transaction, 1, &Op::MountDataset(dataset(2)), None)
        .unwrap();
    // A crash runs no destructors.
    std::mem::forget(crashing);

    let next = Store::open(&path).unwrap();
    let open = next.open_transactions().unwrap();
    let [found] = open.as_slice() else {
        panic!("{open:?}")
    };
    assert_eq!(
        (found.id, found.kind.as_str(), &found.object),
        (transaction, "container create", &object())
    );
    assert_eq!(found.direction, Direction::Undo);
    let steps: Vec<_> = found
        .steps
        .iter()
        .map(|step| (step.seq, &step.op, step.undo.as_ref(), step.state))
        .collect();
    assert_eq!(
        steps,
        [
            (0, &create(2), Some(&destroy(2)), StepState::Done),
            (1, &Op::MountDataset(dataset(2)), None, StepState::Intended)
        ]
    );
}

#[test]
fn a_transaction_ends_together_with_the_records_of_its_use_case() {
    let store = furnished();
    let transaction = store
        .begin("container create", &Object::Container(id(5)), Direction::Undo)
        .unwrap();
    store
        .intend(transaction, 0, &create(5), Some(&destroy(5)))
        .unwrap();
    // The name is taken: neither the record nor the end of the journal is kept.
    let twin = container(2);
    change(&store, |write| {
        write.finish(transaction)?;
        write.insert_container(&twin)
    })
    .unwrap_err();
    assert_eq!(store.open_transactions().unwrap().len(), 1);
    change(&store, |write| {
        write.insert_container(&container(5))?;
        write.finish(transaction)
    })
    .unwrap();
    assert_eq!(store.open_transactions().unwrap(), []);
}

#[test]
fn a_number_of_a_transaction_is_never_used_again() {
    let store = furnished();
    let first = store.begin("a", &object(), Direction::Undo).unwrap();
    change(&store, |write| write.finish(first)).unwrap();
    assert!(store.begin("b", &object(), Direction::Undo).unwrap() > first);
}

#[test]
fn steps_belong_to_open_transactions_and_are_intended_before_they_are_done() {
    let store = furnished();
    let transaction = store.begin("a", &object(), Direction::Undo).unwrap();
    assert_eq!(
        store.done(transaction, 0).unwrap_err().to_string(),
        "there is no step 0 of transaction 1"
    );
    store.intend(transaction, 0, &create(2), None).unwrap();
    assert!(
        store.intend(transaction, 0, &create(2), None).is_err(),
        "the same step twice"
    );
    change(&store, |write| write.finish(transaction)).unwrap();
    assert_eq!(
        store
            .intend(transaction, 1, &create(2), None)
            .unwrap_err()
            .to_string(),
        "there is no open transaction 1"
    );
}

#[test]
fn what_was_taken_back_is_not_taken_back_again() {
    let store = furnished();
    let transaction = store.begin("a", &object(), Direction::Redo).unwrap();
    store
        .intend(transaction, 0, &create(2), Some(&destroy(2)))
        .unwrap();
    store
        .intend(transaction, 1, &create(5), Some(&destroy(5)))
        .unwrap();
    change(&store, |write| {
        write.turn(transaction, Direction::Undo)?;
        write.undone(transaction, 1)
    })
    .unwrap();
    let open = store.open_transactions().unwrap();
    assert_eq!(
        (open[0].direction, open[0].steps.len(), &open[0].steps[0].op),
        (Direction::Undo, 1, &create(2))
    );
}

#[test]
fn what_holds_is_kept_with_its_object_in_order() {
    let store = furnished();
    for numbers in [[10, 11], [12, 13]] {
        let transaction = store
            .begin("container start", &object(), Direction::Undo)
            .unwrap();
        for (seq, number) in (0u32..).zip(numbers) {
            store
                .intend(transaction, seq, &create(number), Some(&destroy(number)))
                .unwrap();
            store.done(transaction, seq).unwrap();
        }
        change(&store, |write| {
            write.keep_as_applied(transaction, &object())?;
            write.finish(transaction)
        })
        .unwrap();
    }
    let kept = |seq, number| Applied {
        seq,
        op: create(number),
        undo: Some(destroy(number)),
    };
    let all = vec![kept(0, 10), kept(1, 11), kept(2, 12), kept(3, 13)];
    assert_eq!(look(&store, |read| read.applied(&object())), all);
    let network = Object::Network(id(3));
    change(&store, |write| write.add_applied(&network, &create(14), None)).unwrap();
    let other = Applied {
        seq: 0,
        op: create(14),
        undo: None,
    };
    assert_eq!(
        look(&store, |read| read.all_applied()),
        [(object(), all), (network.clone(), vec![other])]
    );
    change(&store, |write| {
        write.remove_applied(&object(), 1)?;
        write.clear_applied(&network)
    })
    .unwrap();
    assert_eq!(
        look(&store, |read| read.applied(&object())),
        [kept(0, 10), kept(2, 12), kept(3, 13)]
    );
    assert_eq!(look(&store, |read| read.applied(&network)), []);
}

#[test]
fn only_what_is_done_is_kept_as_applied() {
    let store = furnished();
    let transaction = store
        .begin("container start", &object(), Direction::Undo)
        .unwrap();
    store.intend(transaction, 0, &create(2), None).unwrap();
    assert_eq!(
        refusal(&store, |write| write.keep_as_applied(transaction, &object())),
        "step 0 of transaction 1 was not recorded as done"
    );
}

#[test]
fn what_could_not_be_taken_back_stays_until_it_is_gone() {
    let store = furnished();
    change(&store, |write| {
        write.add_leftover(&object(), &destroy(2), "busy")?;
        write.add_leftover(&object(), &destroy(2), "busy again")?;
        write.add_leftover(&Object::Volume("v".parse().unwrap()), &destroy(5), "gone mad")
    })
    .unwrap();
    let of_it = look(&store, |read| read.leftovers_of(&object()));
    let [leftover] = of_it.as_slice() else {
        panic!("{of_it:?}")
    };
    assert_eq!(
        (&leftover.op, leftover.reason.as_str()),
        (&destroy(2), "busy again")
    );
    change(&store, |write| write.remove_leftover(leftover.id)).unwrap();
    let rest = look(&store, |read| read.leftovers());
    assert_eq!(
        rest.iter()
            .map(|left| left.object.to_string())
            .collect::<Vec<_>>(),
        ["volume v"]
    );
}
