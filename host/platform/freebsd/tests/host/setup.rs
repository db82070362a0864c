//! Making a host ready.

use kleene_freebsd::{Check, check_host};

use crate::world::World;

const ROOT: &str = "tank/new/kleene";

fn report(checks: &[Check]) -> String {
    let line = |check: &Check| match &check.problem {
        None => format!("{}: OK", check.what),
        Some(problem) => format!("{}: {} -> {}", check.what, problem.reason, problem.advice),
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_new_host_is_told_everything_it_lacks() {
    let world = World::new();
    world.forget_transcript();
    insta::assert_snapshot!(report(&check_host(&world.tools(), ROOT)));
    assert_eq!(world.transcript(), "", "looking changes nothing");
}

#[test]
fn what_was_mended_is_fine() {
    let world = World::new();
    for problem in check_host(&world.tools(), ROOT)
        .iter()
        .filter_map(|check| check.problem.as_ref())
    {
        assert!(problem.can_be_mended(), "{problem:?}");
        problem.mend(&world.tools()).unwrap();
    }
    let checks = check_host(&world.tools(), ROOT);
    assert!(
        checks.iter().all(|check| check.problem.is_none()),
        "{}",
        report(&checks)
    );
}

#[test]
fn what_the_next_boot_needs_is_written_down() {
    let world = World::new();
    for (name, value) in [("net.link.bridge.pfil_member", "0"), ("kern.racct.enable", "0")] {
        world.tool(&format!("sysctl {name}={value}"));
    }
    let checks = || check_host(&world.tools(), "tank/kleene");
    let found = |what: &str| {
        let checks = checks();
        let check = checks.into_iter().find(|check| check.what.contains(what));
        check.unwrap().problem
    };
    let limits = found("RACCT").unwrap();
    assert_eq!(
        limits.advice,
        "echo 'kern.racct.enable=1' >> /boot/loader.conf, then reboot"
    );
    assert!(!limits.can_be_mended(), "a reboot is the administrator's");
    world.tool("sysctl kern.racct.enable=1");
    assert!(found("RACCT").is_none());
    // Switched on and without the tool is as good as off.
    std::fs::remove_file(world.path("bin/rctl")).unwrap();
    assert!(found("RACCT").unwrap().reason.contains("rctl"));
    let bridges = found("on bridges").unwrap();
    assert_eq!(
        bridges.advice,
        "sysctl net.link.bridge.pfil_member=1 && echo 'net.link.bridge.pfil_member=1' >> /boot/loader.conf"
    );
    world.forget_transcript();
    bridges.mend(&world.tools()).unwrap();
    assert_eq!(
        world.transcript(),
        "sysctl net.link.bridge.pfil_member=1\ntee -a /boot/loader.conf\n    net.link.bridge.pfil_member=1\n"
    );
    assert!(found("on bridges").is_none());
}

#[test]
fn missing_anchor_lines_are_for_the_administrator_to_agree_to() {
    let world = World::new();
    let file = world.path("state.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(
            "rdr-anchor \\\"kleene/*\\\" all",
            "rdr-anchor \\\"other/*\\\" all",
        ),
    )
    .unwrap();
    let checks = check_host(&world.tools(), "tank/kleene");
    let about = checks
        .iter()
        .filter_map(|check| check.problem.as_ref())
        .find(|problem| problem.is_about_the_ruleset());
    let problem = about.unwrap();
    assert_eq!(problem.advice, "add to /etc/pf.conf: rdr-anchor \"kleene/*\"");
    assert!(!problem.can_be_mended());
}

#[test]
fn an_old_release_is_named() {
    let world = World::new();
    world.set_release("12.4-RELEASE");
    let checks = check_host(&world.tools(), "tank/kleene");
    assert_eq!(
        checks[0].problem.as_ref().unwrap().reason,
        "FreeBSD 12.4-RELEASE is too old"
    );
}
