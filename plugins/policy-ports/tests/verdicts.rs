//! Verdicts of the policy, in the words that users read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kleene_sdk::policy::{Connection, Subject, Verdict};
use kleene_sdk::{Endpoint, Label, Network, PortRange, Protocol, PublishedPort, settings};
use policy_ports::{Settings, judge};

const SITE: &str = r#"{
    "rules": [
        {"name": "no-smtp", "action": "deny", "ports": 25, "reason": "mail goes through mx.example.org"},
        {"name": "web", "action": "allow", "containers": "web-*", "interfaces": ["em0"], "protocol": "tcp",
         "ports": [80, 443, "8000:8999"]},
        {"action": "deny", "networks": "lab*", "interfaces": ["em1"]},
        {"name": "trusted", "action": "allow", "labels": {"team": "core*"}}
    ]
}"#;

/// Asks whether a container may publish this port (of TCP, on these interfaces).
#[derive(Clone)]
struct Question {
    container: &'static str,
    network: &'static str,
    team: Option<&'static str>,
    protocol: Protocol,
    interfaces: &'static [&'static str],
    ports: &'static str,
}

const WEB: Question = Question {
    container: "web-1",
    network: "lan",
    team: None,
    protocol: Protocol::Tcp,
    interfaces: &["em0", "lo"],
    ports: "8080",
};

fn ask_at(site: &str, question: Question) -> String {
    let settings: Settings = settings::parse(site).unwrap();
    let ports = question.ports.parse::<PortRange>().unwrap();
    let label = |value: &str| Label {
        key: "team".to_owned(),
        value: value.to_owned(),
    };
    let endpoint = Endpoint {
        id: "0a1b2c3d4e5f".to_owned(),
        container: "cccccccccccc".to_owned(),
        container_name: Some(question.container.to_owned()),
        labels: question.team.map(label).into_iter().collect(),
        vnet: true,
        addresses: vec!["10.0.2.2/24".parse().unwrap()],
        default_routes: vec![],
        host_interface: "kv0a1b2c3d4e".to_owned(),
        jail_interface: "kj0a1b2c3d4e".to_owned(),
        mac: "0a:1b:2c:3d:4e:5f".to_owned(),
        ports: vec![PublishedPort {
            protocol: question.protocol,
            interfaces: question
                .interfaces
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            host_ports: ports,
            container_ports: ports,
            targets: vec!["10.0.2.2".parse().unwrap()],
        }],
    };
    let network = Network {
        id: "bbbbbbbbbbbb".to_owned(),
        name: question.network.to_owned(),
        kind: "bridge".to_owned(),
        on_interface: "kleene1".to_owned(),
        subnets: vec![],
        nat: None,
        icc: true,
        internal: false,
        host_gateway: None,
    };
    match judge(&settings, &Subject::Connection(Connection { network, endpoint })) {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Deny(reason) => reason,
        Verdict::Add(rules) => format!("adds {rules:?}"),
    }
}

fn ask(question: Question) -> String {
    ask_at(SITE, question)
}

#[test]
fn what_a_rule_allows_may_be_published() {
    assert_eq!(ask(WEB), "allow");
    assert_eq!(
        ask(Question {
            ports: "8000:8999",
            ..WEB
        }),
        "allow"
    );
}

#[test]
fn what_no_rule_decides_is_refused_unless_the_default_is_to_allow() {
    let unknown = Question {
        container: "db",
        ..WEB
    };
    assert_eq!(
        ask(unknown.clone()),
        "container 'db' in network 'lan' may not publish port 8080/tcp of the host on interface em0: no rule of this \
         site allows it"
    );
    assert_eq!(ask_at(r#"{"default": "allow"}"#, unknown), "allow");
}

#[test]
fn a_refusal_names_the_rule_and_its_reason() {
    assert_eq!(
        ask(Question { ports: "25", ..WEB }),
        "container 'web-1' in network 'lan' may not publish port 25/tcp of the host on interface em0: rule 'no-smtp' \
         of this site: mail goes through mx.example.org"
    );
    assert_eq!(
        ask(Question {
            container: "x",
            network: "lab1",
            interfaces: &["em1"],
            team: Some("core"),
            ..WEB
        }),
        "container 'x' in network 'lab1' may not publish port 8080/tcp of the host on interface em1: rule 3 of this \
         site denies it"
    );
}

#[test]
fn every_port_of_a_range_must_be_allowed() {
    let refusal = ask(Question {
        ports: "7990:8010",
        ..WEB
    });
    assert!(refusal.contains("port 7990:7999/tcp"), "{refusal}");
    let refusal = ask(Question {
        ports: "20:30",
        team: Some("core"),
        ..WEB
    });
    assert!(
        refusal.contains("port 25/tcp") && refusal.contains("no-smtp"),
        "{refusal}"
    );
}

#[test]
fn labels_tell_who_may() {
    let core = Question {
        container: "x",
        team: Some("core-net"),
        ..WEB
    };
    assert_eq!(ask(core.clone()), "allow");
    assert_ne!(
        ask(Question {
            team: Some("guest"),
            ..core
        }),
        "allow"
    );
}

#[test]
fn all_interfaces_are_more_than_those_allowed_and_hold_those_denied() {
    assert!(
        ask(Question {
            interfaces: &[],
            ..WEB
        })
        .contains("on all interfaces")
    );
    let lab = Question {
        network: "lab",
        interfaces: &[],
        team: Some("core"),
        ..WEB
    };
    assert!(ask(lab).contains("rule 3 of this site denies it"));
}

#[test]
fn another_protocol_is_another_port() {
    assert!(
        ask(Question {
            protocol: Protocol::Udp,
            ..WEB
        })
        .contains("8080/udp")
    );
}

#[test]
fn a_loopback_interface_counts_where_it_is_all_there_is() {
    assert!(
        ask(Question {
            interfaces: &["lo"],
            ..WEB
        })
        .contains("on interface lo")
    );
}

#[test]
fn a_wrong_configuration_is_told_with_its_key() {
    let mistake = |json: &str| {
        let mistake = settings::parse::<Settings>(json).unwrap_err();
        format!("{}: {}", mistake.key, mistake.message)
    };
    let told = [
        mistake(r#"{"rule": []}"#),
        mistake(r#"{"default": "block"}"#),
        mistake(r#"{"rules": [{"ports": 80}]}"#),
        mistake(r#"{"rules": [{"action": "deny", "ports": "80-90"}]}"#),
        mistake(r#"{"rules": [{"action": "deny"}, {"action": "allow", "protocol": "icmp"}]}"#),
        mistake(r#"{"rules": [{"action": "deny", "interfaces": []}]}"#),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
