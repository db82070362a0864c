//! Verdicts of the policy, as rules in the host's words.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kleene_sdk::policy::{Connection, Subject, Verdict};
use kleene_sdk::{Endpoint, Network, Op, Plan, Subnet, settings};
use policy_egress::{Settings, judge};

const SITE: &str = r#"{
    "default": "allow",
    "networks": [
        {"name": "build-*", "allow": [
            {"to": "192.0.2.0/24", "protocol": "tcp", "ports": [443, "8000:8010"]},
            {"to": "fd01::/64"},
            {"to": "any", "ports": 53},
            {"to": "198.51.100.7", "protocol": "icmp"}
        ]},
        {"name": "sealed", "allow": [], "refuse": "drop"}
    ]
}"#;

fn site(json: &str) -> Settings {
    settings::parse(json).unwrap()
}

fn network(name: &str, kind: &str) -> Network {
    let subnet = |net: &str| Subnet {
        net: net.parse().unwrap(),
        gateway: None,
        host_is_gateway: false,
    };
    Network {
        id: "bbbbbbbbbbbb".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        on_interface: if kind == "custom" { "em0" } else { "kleene1" }.to_owned(),
        subnets: vec![subnet("10.0.2.0/24"), subnet("fd00::/64")],
        nat: Some("em0".to_owned()),
        icc: true,
        internal: false,
        host_gateway: Some("em0".to_owned()),
    }
}

fn connection(network: Network, vnet: bool) -> Subject {
    let endpoint = Endpoint {
        id: "0a1b2c3d4e5f".to_owned(),
        container: "cccccccccccc".to_owned(),
        container_name: Some("web".to_owned()),
        labels: vec![],
        vnet,
        addresses: vec!["10.0.2.2/24".parse().unwrap(), "fd00::2/64".parse().unwrap()],
        default_routes: vec![],
        host_interface: "kv0a1b2c3d4e".to_owned(),
        jail_interface: "kj0a1b2c3d4e".to_owned(),
        mac: "0a:1b:2c:3d:4e:5f".to_owned(),
        ports: vec![],
    };
    Subject::Connection(Connection { network, endpoint })
}

fn printed(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Deny(reason) => format!("deny: {reason}"),
        Verdict::Add(rules) => Plan {
            ops: vec![Op::SetRules(rules)],
            jail: vec![],
        }
        .print("it"),
    }
}

#[test]
fn what_arrives_from_a_network_with_a_list() {
    insta::assert_snapshot!(printed(judge(
        &site(SITE),
        &Subject::Network(network("build-1", "bridge"))
    )));
}

#[test]
fn what_a_container_with_addresses_of_the_host_sends() {
    let subject = connection(network("build-1", "loopback"), false);
    insta::assert_snapshot!(printed(judge(&site(SITE), &subject)));
}

#[test]
fn a_custom_network_itself_is_left_alone_and_its_containers_do_not_reach_their_neighbours() {
    let custom = || network("build-1", "custom");
    assert_eq!(printed(judge(&site(SITE), &Subject::Network(custom()))), "allow");
    insta::assert_snapshot!(printed(judge(&site(SITE), &connection(custom(), false))));
}

#[test]
fn a_container_with_its_own_network_stack_is_guarded_at_its_network() {
    let subject = connection(network("build-1", "bridge"), true);
    assert_eq!(printed(judge(&site(SITE), &subject)), "allow");
}

#[test]
fn a_network_without_a_list_is_as_the_default_says() {
    let other = || Subject::Network(network("other", "bridge"));
    assert_eq!(printed(judge(&site(SITE), &other())), "allow");
    let strict = site(r#"{"default": "block"}"#);
    assert_eq!(
        printed(judge(&strict, &other())),
        "rules of it\n    guard in on kleene1\n        admit to 10.0.2.0/24\n        admit to fd00::/64\n        \
         block return log to any\n"
    );
}

#[test]
fn a_list_that_is_empty_lets_nothing_out() {
    assert_eq!(
        printed(judge(&site(SITE), &Subject::Network(network("sealed", "bridge")))),
        "rules of it\n    guard in on kleene1\n        admit to 10.0.2.0/24\n        admit to fd00::/64\n        \
         block log to any\n"
    );
}

#[test]
fn a_wrong_configuration_is_told_with_its_key() {
    let mistake = |json: &str| {
        let mistake = settings::parse::<Settings>(json).unwrap_err();
        format!("{}: {}", mistake.key, mistake.message)
    };
    let list = |allow: &str| format!(r#"{{"networks": [{{"name": "n", "allow": [{allow}]}}]}}"#);
    let told = [
        mistake(r#"{"defaults": "block"}"#),
        mistake(r#"{"default": "deny"}"#),
        mistake(r#"{"networks": [{"name": "n"}]}"#),
        mistake(&list(r#"{"to": "example.org"}"#)),
        mistake(&list(r#"{"to": "192.0.2.1/24"}"#)),
        mistake(&list(r#"{"to": "any", "port": 1}"#)),
        mistake(&list(r#"{"to": "any", "ports": 70000}"#)),
        mistake(&list(r#"{"to": "any"}, {"to": "any", "protocol": "sctp"}"#)),
        mistake(&list(r#"{"to": "any", "protocol": "icmp", "ports": 1}"#)),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
