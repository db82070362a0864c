//! What would be done is shown, and nothing is done.

use kleene_tests::Host;
use serde_json::Value;

use crate::web::{PAGE, build_site, fetch};

fn json(host: &Host, line: &str) -> Value {
    serde_json::from_str(&host.klee(&format!("{line} --dry-run --format json")).ok()).unwrap()
}

/// The first line of each operation.
fn steps(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["operation"].as_str().unwrap().lines().next().unwrap())
        .collect()
}

#[test]
fn a_network_is_planned_with_its_commands_and_rules_and_not_made() {
    let host = Host::start();
    let before = host.state();
    let create = "network create -t bridge --subnet 10.1.0.0/24 lan";
    let text = host.klee(&format!("{create} --dry-run")).ok();
    for expected in [
        "bridge kleene0 10.1.0.1/24",
        "ip address add 10.1.0.1/24 dev kleene0",
        "block in log from any to 10.1.0.0/24",
        "nft -f - <<'END'",
        "masquerade",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let plan = json(&host, create);
    assert!(steps(&plan).contains(&"bridge kleene0 10.1.0.1/24"), "{plan}");
    assert_eq!(host.state(), before);
    host.klee(create).ok();
    let refusal = host.klee(&format!("{create} --dry-run")).refused();
    assert!(refusal.contains("network name is already taken"), "{refusal}");
}

#[test]
fn a_connection_is_planned_with_the_address_it_would_have_and_the_address_stays_free() {
    let host = Host::with_minimal_image();
    host.klee("network create -t loopback --subnet 10.1.0.0/24 local")
        .ok();
    host.klee("create --name box -l ipnet minimal /bin/busybox sleep 1000")
        .ok();
    let connect = "network connect local box";
    let before = host.state();
    let stopped = json(&host, connect);
    assert_eq!(steps(&stopped), ["address 10.1.0.1/32 on kleene0"]);
    assert_eq!(stopped["steps"][0]["when"], "start");
    assert_eq!(stopped["jail"][0], "jail: address 10.1.0.1");
    assert_eq!(host.state(), before);
    host.klee("start -d box").ok();
    let before = host.state();
    let running = json(&host, connect);
    assert_eq!(running["steps"][0]["when"], "now");
    assert!(steps(&running)[1].starts_with("allow jail "), "{running}");
    assert_eq!(host.state(), before);
    host.klee(connect).ok();
    let refusal = host.klee(&format!("{connect} --dry-run")).refused();
    assert!(
        refusal.contains("container already connected to the network"),
        "{refusal}"
    );
}

#[test]
fn a_run_is_planned_from_the_clone_to_the_published_port_and_leaves_nothing() {
    let host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    let before = host.state();
    let options = "-l vnet -n lan -p 8080:80 -m data:/data";
    let plan: Value = serde_json::from_str(
        &host
            .klee(&format!("run --dry-run --format json {options} site"))
            .ok(),
    )
    .unwrap();
    let operations = steps(&plan).join("\n");
    for expected in [
        "clone ",
        "volumes/data",
        "mount dataset container/",
        "pair ",
        "rules of endpoint-",
    ] {
        assert!(operations.contains(expected), "{expected} in {operations}");
    }
    assert!(plan.to_string().contains("8080"), "{plan}");
    assert_eq!(host.state(), before);

    host.klee(&format!("run -d --name web {options} site")).ok();
    assert_eq!(fetch(&host, "http://127.0.0.1:8080/"), PAGE);
    let refusal = host.klee(&format!("run --dry-run {options} site")).refused();
    assert!(refusal.contains("8080"), "{refusal}");
    let refusal = host.klee("create --dry-run --name web site").refused();
    assert!(refusal.contains("already taken"), "{refusal}");
}
