//! Faults on order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kleene_platform::Platform;
use kleene_sim::{DaemonDied, Fault, When};

use crate::fixtures::*;

#[test]
fn the_nth_change_fails_and_the_others_do_not() {
    let sim = after(&[]);
    sim.fail_nth(2, Fault::Fail(When::Before));
    sim.apply(&create("volumes/a")).unwrap();
    assert_eq!(
        refusal(&sim, &create("volumes/b")),
        "could not create dataset volumes/b: the host refused (simulated)"
    );
    sim.apply(&create("volumes/b")).unwrap();
    assert_eq!(sim.operations(), [create("volumes/a"), create("volumes/b")]);
}

#[test]
fn a_change_may_take_place_and_be_answered_by_an_error() {
    let sim = after(&[]);
    sim.fail_nth(1, Fault::Fail(When::After));
    assert!(sim.apply(&create("volumes/a")).is_err());
    assert!(sim.files_of(&dataset("volumes/a")).is_some());
    assert_eq!(sim.operations(), [create("volumes/a")]);
}

#[test]
fn a_daemon_that_loses_the_host_gets_errors_until_the_next_one_begins() {
    for (when, left) in [(When::Before, ""), (When::After, "+ dataset volumes/a")] {
        let sim = after(&[]);
        let before = sim.inventory();
        sim.fail_nth(1, Fault::LoseHost(when));
        assert!(sim.apply(&create("volumes/a")).is_err());
        assert_eq!(
            sim.datasets().unwrap_err().to_string(),
            "could not reach the host: it does not answer (simulated)"
        );
        assert!(sim.apply(&create("volumes/b")).is_err());
        assert_eq!(sim.inventory().since(&before), left);
        sim.reboot_daemon();
        sim.apply(&create("volumes/b")).unwrap();
    }
}

#[test]
fn a_daemon_that_dies_runs_no_code_of_its_own_any_more() {
    for (when, left) in [(When::Before, ""), (When::After, "+ dataset volumes/a")] {
        let sim = after(&[]);
        let before = sim.inventory();
        sim.fail_nth(1, Fault::Die(when));
        let mut undone = false;
        let death = catch_unwind(AssertUnwindSafe(|| {
            let result = sim.apply(&create("volumes/a"));
            undone = true;
            result
        }));
        assert_eq!(death.unwrap_err().downcast_ref(), Some(&DaemonDied));
        assert!(!undone);
        assert!(
            catch_unwind(AssertUnwindSafe(|| sim.interfaces())).is_err(),
            "other threads die as well"
        );
        assert_eq!(sim.inventory().since(&before), left);
        sim.reboot_daemon();
        assert!(sim.interfaces().is_ok());
    }
}

#[test]
fn starting_and_stopping_jails_are_changes_that_can_fail() {
    let sim = after(&[create("container/c"), mount("container/c")]);
    let root = sim.mountpoint(&dataset("container/c")).unwrap();
    let run = root.parent().unwrap().with_file_name("run");
    let sleep = launch(&root, &["sleep"]);
    sim.fail_nth(1, Fault::Fail(When::Before));
    assert!(sim.launch(&run.join("1"), &sleep).is_err());
    assert_eq!(sim.jails().unwrap(), []);
    sim.fail_nth(1, Fault::Fail(When::After));
    assert!(sim.launch(&run.join("2"), &sleep).is_err());
    assert_eq!(sim.jails().unwrap().len(), 1);
    sim.fail_nth(1, Fault::Fail(When::After));
    assert!(
        sim.stop_jail(&sleep.jail.id, None, std::time::Duration::ZERO)
            .is_err()
    );
    assert_eq!(sim.jails().unwrap(), []);
}
