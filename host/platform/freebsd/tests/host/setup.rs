//! Making a host ready.

use kleene_freebsd::{Check, check_host};

use crate::world::World;

const ROOT: &str = "tank/new/kleene";

fn checks(world: &World, root: &str) -> Vec<Check> {
    check_host(&world.tools(), root).collect()
}

/// A host whose kernel has nothing but what it was built with.
fn new_host() -> World {
    let world = World::new();
    world.tool("kldunload pf");
    world.forget_transcript();
    world
}

fn report(checks: &[Check]) -> String {
    let line = |check: &Check| match &check.problem {
        None => format!("{}: OK", check.what),
        Some(problem) => format!("{}: {} -> {}", check.what, problem.reason, problem.advice),
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_new_host_is_told_everything_it_lacks() {
    let world = new_host();
    insta::assert_snapshot!(report(&checks(&world, ROOT)));
    assert_eq!(world.transcript(), "", "looking changes nothing");
}

#[test]
fn what_is_mended_is_fine_for_what_comes_next() {
    let world = new_host();
    for problem in check_host(&world.tools(), ROOT).filter_map(|check| check.problem) {
        assert!(problem.can_be_mended(), "{problem:?}");
        problem.mend(&world.tools()).unwrap();
    }
    let checks = checks(&world, ROOT);
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
    let found = |what: &str| {
        let check = checks(&world, "tank/kleene")
            .into_iter()
            .find(|check| check.what.contains(what));
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
        "sysctl net.link.bridge.pfil_member=1\ntee -a /boot/loader.conf\n    \n    net.link.bridge.pfil_member=1\n"
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
    let checks = checks(&world, "tank/kleene");
    let about = checks
        .iter()
        .filter_map(|check| check.problem.as_ref())
        .find(|problem| problem.is_about_the_ruleset());
    let problem = about.unwrap();
    assert_eq!(problem.advice, "add to /etc/pf.conf: rdr-anchor \"kleene/*\"");
    assert!(!problem.can_be_mended());
}

#[test]
fn a_loopback_that_is_skipped_is_told() {
    let world = World::new();
    let file = world.path("state.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = "\"main_ruleset\": [\n    \"set skip on lo0\",";
    std::fs::write(&file, text.replace("\"main_ruleset\": [", lines)).unwrap();
    let checks = checks(&world, "tank/kleene");
    let check = checks.iter().find(|check| check.what.ends_with("on loopback"));
    let problem = check.unwrap().problem.as_ref().unwrap();
    assert!(problem.advice.contains("`set skip on lo0`"), "{problem:?}");
    assert!(!problem.can_be_mended(), "the ruleset is the administrator's");
}

#[test]
fn an_old_release_is_named() {
    let world = World::new();
    world.set_release("12.4-RELEASE");
    let checks = checks(&world, "tank/kleene");
    assert_eq!(
        checks[0].problem.as_ref().unwrap().reason,
        "FreeBSD 12.4-RELEASE is too old"
    );
}
