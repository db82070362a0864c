//! The layer store on a real file system, in a mount namespace of its own.

mod common;

use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Fixture, dataset, read, snapshot};
use kleene_linux::LayerStore;
use kleene_platform::PlatformError;
use rustix::mount::{MountFlags, mount, mount_bind};

#[test]
fn a_new_dataset_is_a_plain_directory() {
    let f = Fixture::new();
    f.store.create(&dataset("volumes/data")).unwrap();
    fs::write(f.path("volumes/data/x"), "1").unwrap();
    assert!(f.store.is_mounted(&dataset("volumes/data")).unwrap());
    f.store.create(&dataset("volumes/data")).unwrap();
    assert_eq!(read(f.path("volumes/data/x")), "1");
}

#[test]
fn files_that_are_not_kleenes_are_a_conflict() {
    let f = Fixture::new();
    fs::create_dir_all(f.path("volumes/data")).unwrap();
    fs::write(f.path("volumes/data/x"), "a stranger's").unwrap();
    let error = f.store.create(&dataset("volumes/data")).unwrap_err();
    assert!(matches!(error, PlatformError::Conflict { .. }), "{error}");
    assert_eq!(read(f.path("volumes/data/x")), "a stranger's");
}

#[test]
fn a_directory_on_an_overlay_is_refused() {
    let f = Fixture::new();
    let part = |name: &str| {
        fs::create_dir(f.path(name)).unwrap();
        f.path(name).display().to_string()
    };
    let (lower, upper, work, root) = (part("lower"), part("upper"), part("work"), part("root"));
    let options = CString::new(format!("lowerdir={lower},upperdir={upper},workdir={work}")).unwrap();
    mount(
        "overlay",
        &root,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )
    .unwrap();
    let error = LayerStore::open(Path::new(&root)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("choose a directory on another file system"),
        "{error}"
    );
}

#[test]
fn the_stores_own_directory_is_no_dataset() {
    let f = Fixture::new();
    let error = f.store.create(&dataset(".store/layers/x")).unwrap_err();
    assert!(matches!(error, PlatformError::Conflict { .. }), "{error}");
}

#[test]
fn a_clone_shows_the_snapshot_and_keeps_its_own_changes() {
    let f = Fixture::new().with_container();
    assert_eq!(read(f.path("container/a/motd")), "base");
    fs::write(f.path("container/a/motd"), "changed").unwrap();
    f.store
        .clone_snapshot(&snapshot("image/base@image"), &dataset("container/b"))
        .unwrap();
    f.store.mount(&dataset("container/b")).unwrap();
    assert_eq!(read(f.path("container/b/motd")), "base");
}

#[test]
fn changes_survive_unmounting_and_a_restart() {
    let f = Fixture::new().with_container();
    fs::write(f.path("container/a/new"), "1").unwrap();
    f.store.unmount(&dataset("container/a")).unwrap();
    assert_eq!(fs::read_dir(f.path("container/a")).unwrap().count(), 0);
    let f = f.reopened();
    assert!(!f.store.is_mounted(&dataset("container/a")).unwrap());
    f.store.mount(&dataset("container/a")).unwrap();
    assert_eq!(read(f.path("container/a/new")), "1");
}

#[test]
fn a_root_directory_keeps_its_mode_and_owner() {
    let f = Fixture::new();
    f.store.create(&dataset("image/base")).unwrap();
    fs::set_permissions(f.path("image/base"), fs::Permissions::from_mode(0o751)).unwrap();
    std::os::unix::fs::chown(f.path("image/base"), Some(7), Some(8)).unwrap();
    f.store.snapshot(&snapshot("image/base@image")).unwrap();
    f.store
        .clone_snapshot(&snapshot("image/base@image"), &dataset("container/a"))
        .unwrap();
    f.store.mount(&dataset("container/a")).unwrap();
    let root = fs::metadata(f.path("container/a")).unwrap();
    assert_eq!((root.mode() & 0o7777, root.uid(), root.gid()), (0o751, 7, 8));
}

#[test]
fn a_snapshot_of_an_unmounted_clone_copies_nothing() {
    let f = Fixture::new().with_container();
    fs::write(f.path("container/a/big"), "x").unwrap();
    let inode = fs::metadata(f.path("container/a/big")).unwrap().ino();
    f.store.unmount(&dataset("container/a")).unwrap();
    f.store.snapshot(&snapshot("container/a@s")).unwrap();
    f.store.mount(&dataset("container/a")).unwrap();
    assert_eq!(fs::metadata(f.path("container/a/big")).unwrap().ino(), inode);
}

#[test]
fn a_snapshot_without_changes_needs_no_layer() {
    let f = Fixture::new().with_container();
    let before = f.layers();
    f.store.snapshot(&snapshot("container/a@s")).unwrap();
    f.store.unmount(&dataset("container/a")).unwrap();
    f.store.snapshot(&snapshot("container/a@t")).unwrap();
    assert_eq!(f.layers(), before);
}

#[test]
fn a_snapshot_of_a_mounted_dataset_keeps_that_moment() {
    let f = Fixture::new().with_container();
    let root = f.path("container/a");
    fs::create_dir(root.join("dir")).unwrap();
    fs::write(root.join("dir/file"), "then").unwrap();
    fs::set_permissions(root.join("dir/file"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("link")).unwrap();
    std::os::unix::fs::symlink("dir/file", root.join("symlink")).unwrap();
    fs::remove_file(root.join("motd")).unwrap();
    let mut open = fs::File::options()
        .append(true)
        .open(root.join("dir/file"))
        .unwrap();

    f.store.snapshot(&snapshot("container/a@s")).unwrap();
    open.write_all(b" and now").unwrap();
    assert_eq!(read(root.join("dir/file")), "then and now");

    f.store
        .clone_snapshot(&snapshot("container/a@s"), &dataset("container/b"))
        .unwrap();
    f.store.mount(&dataset("container/b")).unwrap();
    let clone = f.path("container/b");
    assert_eq!(read(clone.join("symlink")), "then");
    assert!(!clone.join("motd").exists(), "what was deleted stays deleted");
    let file = fs::metadata(clone.join("dir/file")).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o4711);
    assert_eq!(file.ino(), fs::metadata(clone.join("link")).unwrap().ino());
}

#[test]
fn a_replaced_directory_hides_the_old_one_in_a_snapshot() {
    let f = Fixture::new();
    f.store.create(&dataset("image/base")).unwrap();
    fs::create_dir(f.path("image/base/etc")).unwrap();
    fs::write(f.path("image/base/etc/old"), "").unwrap();
    let f = f.with_image().with_container();
    fs::remove_dir_all(f.path("container/a/etc")).unwrap();
    fs::create_dir(f.path("container/a/etc")).unwrap();
    f.store.snapshot(&snapshot("container/a@s")).unwrap();
    f.store
        .clone_snapshot(&snapshot("container/a@s"), &dataset("container/b"))
        .unwrap();
    f.store.mount(&dataset("container/b")).unwrap();
    assert_eq!(fs::read_dir(f.path("container/b/etc")).unwrap().count(), 0);
}

#[test]
fn a_layer_that_a_jail_still_sees_is_copied() {
    let f = Fixture::new().with_container();
    fs::write(f.path("container/a/early"), "").unwrap();
    // A process with a mount namespace of its own, as a jail has.
    let mut jail = Command::new("unshare")
        .args(["--mount", "sh", "-c", "cd $0; echo; read line; echo 1 >late"])
        .arg(f.path("container/a"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    jail.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    f.store.unmount(&dataset("container/a")).unwrap();
    f.store.snapshot(&snapshot("container/a@s")).unwrap();
    jail.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(jail.wait().unwrap().success());
    f.store
        .clone_snapshot(&snapshot("container/a@s"), &dataset("container/b"))
        .unwrap();
    f.store.mount(&dataset("container/b")).unwrap();
    assert!(
        !f.path("container/b/late").exists(),
        "a snapshot is never written to"
    );
    assert!(f.path("container/b/early").exists());
}

#[test]
fn a_snapshot_of_a_volume_in_use_leaves_it_where_it_is() {
    let f = Fixture::new();
    f.store.create(&dataset("volumes/v")).unwrap();
    fs::write(f.path("volumes/v/x"), "1").unwrap();
    fs::create_dir(f.path("jail")).unwrap();
    mount_bind(f.path("volumes/v"), f.path("jail")).unwrap();
    f.store.snapshot(&snapshot("volumes/v@s")).unwrap();
    fs::write(f.path("jail/x"), "2").unwrap();
    assert_eq!(read(f.path("volumes/v/x")), "2");
    f.store
        .clone_snapshot(&snapshot("volumes/v@s"), &dataset("volumes/w"))
        .unwrap();
    f.store.mount(&dataset("volumes/w")).unwrap();
    assert_eq!(read(f.path("volumes/w/x")), "1");
}

#[test]
fn a_rollback_gives_the_old_content_back() {
    let f = Fixture::new().with_container();
    fs::write(f.path("container/a/x"), "good").unwrap();
    f.store.unmount(&dataset("container/a")).unwrap();
    f.store.snapshot(&snapshot("container/a@good")).unwrap();
    f.store.mount(&dataset("container/a")).unwrap();
    fs::write(f.path("container/a/x"), "bad").unwrap();
    let error = f.store.rollback(&snapshot("container/a@good")).unwrap_err();
    assert!(matches!(error, PlatformError::Busy { .. }), "{error}");
    f.store.unmount(&dataset("container/a")).unwrap();
    f.store.rollback(&snapshot("container/a@good")).unwrap();
    f.store.mount(&dataset("container/a")).unwrap();
    assert_eq!(read(f.path("container/a/x")), "good");
}

#[test]
fn a_dataset_with_clones_cannot_be_destroyed() {
    let f = Fixture::new().with_container();
    let error = f.store.destroy(&dataset("image/base")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dataset image/base has dependents: container/a"
    );
    let error = f
        .store
        .destroy_snapshot(&snapshot("image/base@image"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "snapshot image/base@image has dependents: container/a"
    );
    assert_eq!(
        f.store.dependents(&dataset("image/base")).unwrap(),
        [dataset("container/a")]
    );
}

#[test]
fn a_renamed_parent_keeps_its_clones() {
    let f = Fixture::new().with_container();
    f.store
        .rename(&dataset("image/base"), &dataset("image/other"))
        .unwrap();
    f.store
        .rename(&dataset("image/base"), &dataset("image/other"))
        .unwrap();
    assert_eq!(
        f.store.dependents(&dataset("image/other")).unwrap(),
        [dataset("container/a")]
    );
    f.store.unmount(&dataset("container/a")).unwrap();
    f.store.mount(&dataset("container/a")).unwrap();
    assert_eq!(read(f.path("container/a/motd")), "base");
    let f = f.reopened();
    let origins: Vec<_> = f
        .store
        .list()
        .unwrap()
        .into_iter()
        .filter_map(|info| info.origin)
        .collect();
    assert_eq!(origins, [snapshot("image/other@image")]);
}

#[test]
fn a_promoted_clone_and_what_it_was_made_from_change_places() {
    let f = Fixture::new().with_container();
    fs::write(f.path("container/a/motd"), "changed").unwrap();
    f.store.snapshot(&snapshot("container/a@image")).unwrap();
    f.store
        .clone_snapshot(&snapshot("container/a@image"), &dataset("image/b"))
        .unwrap();
    f.store
        .clone_snapshot(&snapshot("container/a@image"), &dataset("container/sibling"))
        .unwrap();
    let (image, container) = (dataset("image/b"), dataset("container/a"));
    assert!(f.store.would_promote(&image, &container).unwrap());
    f.store.promote(&image, &container).unwrap();
    assert!(!f.store.would_promote(&image, &container).unwrap());
    f.store.promote(&image, &container).unwrap();
    let f = f.reopened();
    let origin = |name: &str| f.store.origin(&dataset(name)).unwrap();
    assert_eq!(origin("image/b"), Some(snapshot("image/base@image")));
    assert_eq!(origin("container/a"), Some(snapshot("image/b@image")));
    assert_eq!(origin("container/sibling"), Some(snapshot("image/b@image")));
    assert_eq!(
        f.store.dependents(&image).unwrap(),
        [dataset("container/a"), dataset("container/sibling")]
    );
    // The other way round, as an undo does.
    f.store.promote(&container, &image).unwrap();
    let origin = |name: &str| f.store.origin(&dataset(name)).unwrap();
    assert_eq!(origin("container/a"), Some(snapshot("image/base@image")));
    assert_eq!(origin("image/b"), Some(snapshot("container/a@image")));
    f.store.mount(&image).unwrap();
    assert_eq!(read(f.path("image/b/motd")), "changed");
    f.store.unmount(&image).unwrap();
    assert!(matches!(
        f.store.promote(&image, &dataset("image/base")),
        Err(PlatformError::Conflict { .. })
    ));
}

#[test]
fn an_interrupted_promotion_is_finished() {
    let f = Fixture::new().with_container();
    f.store.snapshot(&snapshot("container/a@image")).unwrap();
    f.store
        .clone_snapshot(&snapshot("container/a@image"), &dataset("image/b"))
        .unwrap();
    let record = |name: &str| f.path(&format!(".store/datasets/{name}.json"));
    let of_container = fs::read(record("container+a"));
    f.store
        .promote(&dataset("image/b"), &dataset("container/a"))
        .unwrap();
    // As if only the first of the records had been written.
    let (path, before) = (record("container+a"), of_container.unwrap());
    let parent: serde_json::Value = serde_json::from_slice(&before).unwrap();
    let mut promoted: serde_json::Value =
        serde_json::from_slice(&fs::read(record("image+b")).unwrap()).unwrap();
    promoted["promoting"] = parent["uid"].clone();
    fs::write(record("image+b"), serde_json::to_vec(&promoted).unwrap()).unwrap();
    fs::write(path, before).unwrap();
    let f = f.reopened();
    let origin = |name: &str| f.store.origin(&dataset(name)).unwrap();
    assert_eq!(origin("container/a"), Some(snapshot("image/b@image")));
    assert_eq!(origin("image/b"), Some(snapshot("image/base@image")));
    f.store.destroy_snapshot(&snapshot("container/a@image")).unwrap();
    assert!(f.store.has_snapshot(&snapshot("image/b@image")));
}

#[test]
fn a_renamed_volume_takes_its_files_along() {
    let f = Fixture::new();
    f.store.create(&dataset("volumes/a")).unwrap();
    fs::write(f.path("volumes/a/x"), "1").unwrap();
    f.store
        .rename(&dataset("volumes/a"), &dataset("others/b"))
        .unwrap();
    assert_eq!(read(f.path("others/b/x")), "1");
    assert!(!f.path("volumes/a").exists());
}

#[test]
fn a_mounted_dataset_cannot_be_destroyed_or_renamed() {
    let f = Fixture::new().with_container();
    for error in [
        f.store.destroy(&dataset("container/a")).unwrap_err(),
        f.store
            .rename(&dataset("container/a"), &dataset("container/b"))
            .unwrap_err(),
    ] {
        assert!(matches!(error, PlatformError::Busy { .. }), "{error}");
    }
    assert_eq!(read(f.path("container/a/motd")), "base");
}

#[test]
fn a_volume_with_something_mounted_in_it_is_not_destroyed() {
    let f = Fixture::new();
    f.store.create(&dataset("volumes/v")).unwrap();
    fs::create_dir(f.path("volumes/v/sub")).unwrap();
    mount(
        "precious",
        f.path("volumes/v/sub"),
        "tmpfs",
        MountFlags::empty(),
        None,
    )
    .unwrap();
    fs::write(f.path("volumes/v/sub/x"), "1").unwrap();
    let error = f.store.destroy(&dataset("volumes/v")).unwrap_err();
    assert!(matches!(error, PlatformError::Busy { .. }), "{error}");
    assert_eq!(read(f.path("volumes/v/sub/x")), "1");
}

#[test]
fn a_dataset_in_use_cannot_be_unmounted() {
    let f = Fixture::new().with_container();
    let open = fs::File::open(f.path("container/a/motd")).unwrap();
    let error = f.store.unmount(&dataset("container/a")).unwrap_err();
    assert!(matches!(error, PlatformError::Busy { .. }), "{error}");
    drop(open);
    f.store.unmount(&dataset("container/a")).unwrap();
}

#[test]
fn destruction_leaves_nothing() {
    let f = Fixture::new().with_container();
    f.store.unmount(&dataset("container/a")).unwrap();
    for name in ["container/a", "container/a", "image/base"] {
        f.store.destroy(&dataset(name)).unwrap();
    }
    assert_eq!(f.layers(), 0);
    assert_eq!(f.store.list().unwrap(), []);
    assert!(!f.path("container/a").exists());
    let trash = f.path(".store/trash");
    for _ in 0..100 {
        if fs::read_dir(&trash).unwrap().count() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the trash is not emptied");
}

#[test]
fn a_dataset_with_datasets_below_it_stays() {
    let f = Fixture::new();
    for name in ["a", "a.b", "a/b"] {
        f.store.create(&dataset(name)).unwrap();
    }
    let error = f.store.destroy(&dataset("a")).unwrap_err();
    assert_eq!(error.to_string(), "dataset a has dependents: a/b");
}

#[test]
fn a_layer_that_a_crash_left_is_collected() {
    let f = Fixture::new().with_container();
    let layers = f.layers();
    fs::create_dir_all(f.path(".store/layers/0a1b2c3d4e5f/files")).unwrap();
    let f = f.reopened();
    assert_eq!(f.layers(), layers);
    assert_eq!(read(f.path("container/a/motd")), "base");
}

#[test]
fn a_damaged_record_stops_the_collection() {
    let f = Fixture::new().with_container();
    let layers = f.layers();
    fs::write(f.path(".store/datasets/container+a.json"), "{").unwrap();
    let f = f.reopened();
    assert_eq!(f.layers(), layers);
}

#[test]
fn an_interrupted_move_is_taken_back() {
    let f = Fixture::new();
    f.store.create(&dataset("volumes/a")).unwrap();
    fs::write(f.path("volumes/a/x"), "1").unwrap();
    // As rename() leaves it when the daemon dies between its two steps.
    let record = f.path(".store/datasets/volumes+a.json");
    let text = read(&record).replacen('{', r#"{"moving_to":{"mountpoint":"volumes/b"},"#, 1);
    fs::write(record, text).unwrap();
    fs::rename(f.path("volumes/a"), f.path("volumes/b")).unwrap();
    let f = f.reopened();
    assert_eq!(read(f.path("volumes/a/x")), "1");
}

#[test]
fn an_interrupted_snapshot_is_taken_back() {
    let f = Fixture::new();
    f.store.create(&dataset("image/a")).unwrap();
    fs::write(f.path("image/a/x"), "1").unwrap();
    // As snapshot() leaves it when the daemon dies after the move and before the record is written.
    let record = f.path(".store/datasets/image+a.json");
    let text = read(&record).replacen('{', r#"{"moving_to":{"layer":"0a1b2c3d4e5f"},"#, 1);
    fs::write(record, text).unwrap();
    fs::create_dir(f.path(".store/layers/0a1b2c3d4e5f")).unwrap();
    fs::rename(f.path("image/a"), f.path(".store/layers/0a1b2c3d4e5f/files")).unwrap();
    let f = f.reopened();
    assert_eq!(read(f.path("image/a/x")), "1");
    assert_eq!(f.layers(), 0);
}

#[test]
fn usage_tells_own_from_inherited() {
    let f = Fixture::new();
    f.store.create(&dataset("image/base")).unwrap();
    fs::write(f.path("image/base/big"), vec![1; 1 << 20]).unwrap();
    let f = f.with_image().with_container();
    fs::write(f.path("container/a/small"), vec![1; 1 << 16]).unwrap();
    for _ in 0..2 {
        let usage = f.store.usage(&dataset("container/a")).unwrap();
        assert!((1 << 16..1 << 18).contains(&usage.used), "{usage:?}");
        assert!((1 << 20..1 << 21).contains(&usage.referenced), "{usage:?}");
        f.store.unmount(&dataset("container/a")).unwrap();
    }
    let usage = f.store.usage(&dataset("image/base")).unwrap();
    assert!(usage.used < 1 << 16, "{usage:?}");
}

#[test]
fn a_hundred_layers_are_no_problem() {
    let mut f = Fixture::new().with_container();
    for generation in 0..100 {
        fs::write(f.path(&format!("container/a/{generation}")), "").unwrap();
        f.store.unmount(&dataset("container/a")).unwrap();
        f.store
            .snapshot(&snapshot(&format!("container/a@{generation}")))
            .unwrap();
        f.store.mount(&dataset("container/a")).unwrap();
    }
    f = f.reopened();
    assert_eq!(fs::read_dir(f.path("container/a")).unwrap().count(), 101);
}

#[test]
fn one_store_has_one_user() {
    let f = Fixture::new();
    let error = LayerStore::open(f.directory.path()).unwrap_err();
    assert!(error.to_string().contains("another daemon uses it"), "{error}");
}
