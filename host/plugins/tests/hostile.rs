//! What a plugin may not do, and what happens when it does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kleene_plan::{Capability, NetworkFacts, NetworkKind, Plan};
use kleene_plugins::{PluginError, PluginState, Plugins, PluginsConfig, Subject};
use support::{Home, bridge_network, component, endpoint, with_manifest};

fn network(name: &str) -> NetworkFacts {
    NetworkFacts {
        name: name.parse().unwrap(),
        kind: NetworkKind("hostile".parse().unwrap()),
        ..bridge_network()
    }
}

fn ask(plugins: &Plugins, what: &str) -> Result<Plan, PluginError> {
    plugins
        .network_driver("hostile")
        .unwrap()
        .plan_network(&network(what))
}

fn message(what: &str) -> String {
    ask(&Home::with(&["hostile-network"]).open(), what)
        .unwrap_err()
        .to_string()
}

#[test]
fn the_fixture_can_behave() {
    let plan = ask(&Home::with(&["hostile-network"]).open(), "well-behaved").unwrap();
    assert_eq!(plan.to_string(), "bridge kleene1\n");
}

#[test]
fn a_trap_is_told() {
    assert_eq!(
        message("traps"),
        "plugin 'hostile-network' trapped in plan-network: wasm trap: wasm `unreachable` instruction executed"
    );
}

#[test]
fn endless_recursion_is_a_trap() {
    // Either the host's stack or the guest's own ends first.
    let trapped = "plugin 'hostile-network' trapped in plan-network: wasm trap: ";
    assert!(message("recurses").starts_with(trapped));
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let home = Home::with(&["hostile-network"]);
    let mut config = home.config();
    config.limits.deadline = Duration::from_millis(50);
    let plugins = Plugins::open(config).unwrap();
    let begin = Instant::now();
    assert_eq!(
        ask(&plugins, "loops").unwrap_err().to_string(),
        "plugin 'hostile-network' exceeded its deadline of 50 ms in plan-network"
    );
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(50), "{took:?}");
}

#[test]
fn memory_has_a_limit() {
    assert_eq!(
        message("eats-memory"),
        "plugin 'hostile-network' exceeded its memory limit of 16 MiB in plan-network"
    );
}

#[test]
fn a_plan_has_a_length_limit() {
    let expected = |count: usize| {
        format!(
            "plugin 'hostile-network' planned {count} operations in plan-network, more than the 4096 it may"
        )
    };
    assert_eq!(message("plans-too-much"), expected(10_000));
    assert_eq!(message("plans-too-many-rules"), expected(10_001));
}

#[test]
fn a_flood_of_log_lines_does_no_harm() {
    let plan = ask(&Home::with(&["hostile-network"]).open(), "floods-the-log").unwrap();
    assert_eq!(plan.to_string(), "bridge kleene1\n");
}

#[test]
fn names_that_are_none_are_refused() {
    assert!(
        message("bad-name")
            .contains("gave an invalid answer in plan-network: 'em0; rm -rf /' is not a valid")
    );
    assert!(message("bad-prefix").contains("10.0.0.1/64 has no such prefix length"));
    assert!(message("names-the-same-again").contains("gave an invalid answer"));
}

#[test]
fn what_was_not_granted_is_refused() {
    let refused = |what: &str| {
        message(what).replace(
            "plugin 'hostile-network' planned in plan-network what it may not: ",
            "",
        )
    };
    assert_eq!(
        refused("was-not-granted-alias"),
        "'address 10.0.0.1/24 on kleene1' needs the capability 'alias', which is not granted"
    );
    assert_eq!(
        refused("was-not-granted-filter"),
        "'rules of network-bbbbbbbbbbbb' needs the capability 'filter', which is not granted"
    );
    assert_eq!(
        refused("touches-a-dataset"),
        "'lift the limit of dataset image/aaaaaaaaaaaa' needs the capability 'dataset', which is not granted"
    );
}

#[test]
fn what_is_another_s_is_refused_although_the_kind_is_granted() {
    assert_eq!(
        message("takes-another-s-interface"),
        "plugin 'hostile-network' planned in plan-network what it may not: \
         'bridge em0' touches 'em0', which is not part of this request"
    );
}

#[test]
fn a_jail_cannot_take_an_interface_of_the_host() {
    let home = Home::with(&[]);
    let greedy = "name='hostile-network'\nversion='0.2.0'\nkind='network'\nserves=['hostile','loopback']\ngrant=['pair']";
    home.put("x.wasm", &with_manifest(&component("hostile-network"), greedy));
    let driver = home.open().network_driver("hostile").unwrap();
    let error = driver
        .plan_endpoint(&network("any"), &endpoint(true, vec![]))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("touches 'em0', which is not part of this request"),
        "{error}"
    );
}

#[test]
fn a_jail_cannot_have_an_address_of_the_host() {
    let home = Home::with(&[]);
    let greedy = "name='hostile-network'\nversion='0.2.0'\nkind='network'\nserves=['hostile','loopback']\ngrant=['alias']";
    home.put("x.wasm", &with_manifest(&component("hostile-network"), greedy));
    let driver = home.open().network_driver("hostile").unwrap();
    let network = network("takes-the-host-s-address");
    let error = driver
        .plan_endpoint(&network, &endpoint(false, vec![]))
        .unwrap_err();
    let expected = "touches '192.168.0.1', which is not part of this request";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn the_operator_can_take_back_what_a_manifest_asks_for() {
    let home = Home::with(&["hostile-network"]);
    let config = PluginsConfig {
        allow: BTreeMap::from([("hostile-network".to_owned(), BTreeSet::from([Capability::Filter]))]),
        ..home.config()
    };
    let plugins = Plugins::open(config).unwrap();
    assert_eq!(plugins.list()[0].grant, []);
    let error = ask(&plugins, "well-behaved").unwrap_err().to_string();
    assert!(error.contains("'bridge', which is not granted"), "{error}");
}

#[test]
fn a_refusal_is_passed_on_in_the_plugin_s_words() {
    let plugins = Home::with(&["hostile-network"]).open();
    let driver = plugins.network_driver("hostile").unwrap();
    let error = driver.validate_network(&network("distasteful")).unwrap_err();
    assert_eq!(error.to_string(), "network 'distasteful' is not to my taste");
    assert_eq!(error.hint(), Some("try another"));
}

#[test]
fn three_failures_in_a_row_send_a_plugin_to_rest() {
    let plugins = Home::with(&["hostile-network"]).open();
    for _ in 0..2 {
        ask(&plugins, "traps").unwrap_err();
    }
    ask(&plugins, "well-behaved").unwrap();
    for _ in 0..3 {
        ask(&plugins, "traps").unwrap_err();
    }
    let error = ask(&plugins, "well-behaved").unwrap_err();
    assert!(
        matches!(error, PluginError::Quarantined { failures: 3, .. }),
        "{error}"
    );
    assert!(matches!(plugins.list()[0].state, PluginState::Resting(_)));
}

#[test]
fn refusals_and_overreaching_do_not_send_a_plugin_to_rest() {
    let plugins = Home::with(&["hostile-network"]).open();
    for what in ["unknown", "was-not-granted-alias", "bad-name", "unknown"] {
        ask(&plugins, what).unwrap_err();
    }
    ask(&plugins, "well-behaved").unwrap();
}

#[test]
fn a_damaged_plugin_is_told_and_the_others_work() {
    let home = Home::with(&["network-bridge"]);
    let good = component("volume-zfs");
    let manifest = "name='volume-zfs'\nversion='0.2.0'\nkind='volume'\nserves=['zfs']\n";
    let files: [(&str, Vec<u8>, &str); 6] = [
        (
            "1-text.wasm",
            b"hello".to_vec(),
            "it is not a WebAssembly component",
        ),
        (
            "2-cut.wasm",
            good[..good.len() / 2].to_vec(),
            "the file is cut off",
        ),
        (
            "3-manifest.wasm",
            with_manifest(&good, "name = 1"),
            "its manifest is wrong: ",
        ),
        (
            "4-world.wasm",
            with_manifest(
                &good,
                &manifest
                    .replace("'volume'", "'network'")
                    .replace("volume-zfs", "x"),
            ),
            "it is not a network plugin of kleene:plugin@0.1.0",
        ),
        (
            "5-liar.wasm",
            with_manifest(
                &good,
                &manifest.replace("volume-zfs", "other").replace("'zfs'", "'nfs'"),
            ),
            "its manifest does not fit its code, which says it is 'volume-zfs' 0.2.0, serving zfs",
        ),
        (
            "6-twin.wasm",
            with_manifest(
                &component("network-bridge"),
                "name='y'\nversion='1'\nkind='network'\nserves=['bridge']",
            ),
            "",
        ),
    ];
    for (file, content, _) in &files {
        home.put(file, content);
    }
    let plugins = home.open();
    let listed = plugins.list();
    for (file, _, expected) in &files[..5] {
        let plugin = listed.iter().find(|plugin| plugin.file.ends_with(file)).unwrap();
        match &plugin.state {
            PluginState::Broken(reason) => assert!(reason.starts_with(expected), "{file}: {reason}"),
            state => panic!("{file}: {state:?}"),
        }
    }
    // Of two that serve the same, the first by file name has it, if it works; here its manifest lies.
    assert!(plugins.network_driver("bridge").is_err());
}

#[test]
fn of_two_plugins_that_serve_the_same_the_first_has_it() {
    let home = Home::with(&["network-bridge"]);
    let rival = "name='rival'\nversion='0.2.0'\nkind='network'\nserves=['bridge']\n";
    home.put("rival.wasm", &with_manifest(&component("network-bridge"), rival));
    let plugins = home.open();
    assert_eq!(
        plugins.network_driver("bridge").unwrap().plugin(),
        "network-bridge"
    );
    match &plugins.list()[1].state {
        PluginState::Broken(reason) => assert!(
            reason.starts_with("what it serves, 'bridge', is taken by"),
            "{reason}"
        ),
        state => panic!("{state:?}"),
    }
}

#[test]
fn a_policy_allows_refuses_and_adds() {
    let plugins = Home::with(&["network-bridge", "site-policy"]).open();
    let driver = plugins.network_driver("bridge").unwrap();
    let review = |name: &str| {
        let facts = NetworkFacts {
            name: name.parse().unwrap(),
            ..bridge_network()
        };
        let plan = driver.plan_network(&facts).unwrap();
        let reviewed = plugins.review(Subject::Network(&facts), plan.clone());
        reviewed
            .map(|reviewed| (plan.to_string(), reviewed.to_string()))
            .map_err(|error| error.to_string())
    };
    let (before, after) = review("plain").unwrap();
    assert_eq!(before, after);
    let (before, after) = review("watched").unwrap();
    let rules = "rules of network-bbbbbbbbbbbb\n";
    let added = format!("{rules}    block out quick from any to any\n");
    assert_eq!(after, before.replace(rules, &added));
    assert_eq!(
        review("forbidden"),
        Err("policy 'site-policy' refuses: 'forbidden' is not wanted here (4 operations)".to_owned())
    );
    let overreached = review("overreached").unwrap_err();
    assert!(overreached.contains("touches 'wg0'"), "{overreached}");
    let broken = review("broken").unwrap_err();
    assert!(
        broken.starts_with("plugin 'site-policy' trapped in review"),
        "{broken}"
    );
}
