//! What an administrator sees: what the host lacks, and Kleene's objects by the host's own tools.

use crate::cases::{Case, case, needing};
use crate::host::{Need, Tool};
use crate::world::World;

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "host: init --dry-run says what it would do and does nothing",
            dry_init,
        ),
        case("host: the doctor looks at all that init looks at", doctor),
        needing(
            &[Need::FreeBsd],
            "host: a container is a jail and a dataset of its id",
            transparency,
        ),
        needing(
            &[Need::FreeBsd, Need::Networks],
            "host: a network is an interface in the group kleene, with its owner as its description",
            marked_interface,
        ),
        case(
            "host: repair finds nothing to do where nobody did anything",
            repair,
        ),
    ]
}

fn dry_init(world: &mut World) {
    let outcome = world.daemon.kleened("init --dry-run");
    assert!(outcome.stdout.contains("running as root: OK\n"), "{outcome}");
    assert!(
        outcome.stdout.lines().all(|line| line.contains(": ")),
        "a line is no answer: {outcome}"
    );
    assert_eq!(
        outcome.succeeded(),
        !outcome.stdout.contains(": MISSING"),
        "{outcome}"
    );
}

fn doctor(world: &mut World) {
    let init = world.daemon.kleened("init --dry-run");
    let told = world.klee("system doctor --format json");
    for line in init.stdout.lines() {
        let what = line.split(": ").next().unwrap_or_default();
        assert!(told.stdout.contains(what), "'{what}' is not among: {told}");
    }
}

fn transparency(world: &mut World) {
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    let id = world.id_of("sleeper");
    let jails = world.host.run(Tool::Jls, &["--libxo", "json", "-v"]);
    let dataset = format!("{}/container/{id}", world.root());
    match jails {
        Ok(jails) => assert!(jails.contains(&format!("\"{id}\"")), "no jail '{id}' in {jails}"),
        Err(error) => panic!("{error:#}"),
    }
    let list = ["list", "-Hp", "-o", "name", "-t", "filesystem", &dataset];
    assert!(
        world.host.succeeds(Tool::Zfs, &list),
        "there is no dataset {dataset}"
    );
}

fn marked_interface(world: &mut World) {
    let id = world
        .klee("network create -t bridge --subnet 10.213.37.0/24 e2e")
        .last_line();
    let interfaces = world.host.run(Tool::Ifconfig, &["-a"]).unwrap_or_default();
    assert!(
        interfaces.contains(&format!("description: kleene:network:{id}")),
        "no interface of network {id} in:\n{interfaces}"
    );
    let in_group = interfaces
        .lines()
        .any(|line| line.contains("groups:") && line.split(' ').any(|word| word == "kleene"));
    assert!(in_group, "no interface in the group kleene in:\n{interfaces}");
}

fn repair(world: &mut World) {
    world.klee("create --name idle minimal /bin/sleep 1").ok();
    world.klee("system repair").ok();
    assert!(!world.runs("idle"));
}
