//! Policies as components: what they make of a plan, with what a site configured, and what becomes of a plan when one
//! cannot be asked.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use kleene_plan::{EndpointFacts, Plan, Protocol};
use kleene_plugins::{PluginError, Plugins, PluginsConfig, Subject};
use serde_json::{Value, json};
use support::{Home, bridge_network, component, endpoint, port, published, volume, with_manifest};

const ALL: [&str; 3] = ["network-bridge", "policy-egress", "policy-ports"];

fn configured(home: &Home, settings: &[(&str, Value)]) -> Result<Plugins, PluginError> {
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Plugins::open(PluginsConfig {
        settings: settings.collect(),
        ..home.config()
    })
}

fn site(home: &Home) -> Plugins {
    let egress = json!({
        "networks": [{"name": "b", "allow": [{"to": "192.0.2.0/24", "protocol": "tcp", "ports": 443}]}]
    });
    let ports = json!({
        "rules": [
            {"name": "no-mail", "action": "deny", "ports": 25, "reason": "mail goes through mx"},
            {"action": "allow", "labels": {"team": "core"}}
        ]
    });
    configured(home, &[("policy-egress", egress), ("policy-ports", ports)]).unwrap()
}

fn of_network(plugins: &Plugins) -> Result<Plan, PluginError> {
    let network = bridge_network();
    let plan = plugins.network_driver("bridge")?.plan_network(&network)?;
    plugins.review(Subject::Network(&network), plan)
}

fn of_endpoint(plugins: &Plugins, endpoint: &EndpointFacts) -> Result<Plan, PluginError> {
    let network = bridge_network();
    let plan = plugins
        .network_driver("bridge")?
        .plan_endpoint(&network, endpoint)?;
    plugins.review(Subject::Endpoint(&network, endpoint), plan)
}

fn labelled(vnet: bool, team: &str) -> EndpointFacts {
    let mut endpoint = endpoint(vnet, published());
    endpoint.labels.insert("team".to_owned(), team.to_owned());
    endpoint
}

#[test]
fn a_restricted_network_has_the_guard_before_its_own_rules() {
    insta::assert_snapshot!(of_network(&site(&Home::with(&ALL))).unwrap());
}

#[test]
fn a_restricted_container_without_its_own_stack_has_a_guard_per_address() {
    insta::assert_snapshot!(of_endpoint(&site(&Home::with(&ALL)), &labelled(false, "core")).unwrap());
}

#[test]
fn a_container_with_its_own_stack_is_planned_as_without_policies() {
    let home = Home::with(&ALL);
    let with = of_endpoint(&site(&home), &labelled(true, "core")).unwrap();
    let without = of_endpoint(&home.open(), &labelled(true, "core")).unwrap();
    assert_eq!(with.to_string(), without.to_string());
}

#[test]
fn what_may_not_be_published_is_refused_in_the_words_of_the_site() {
    let plugins = site(&Home::with(&ALL));
    let guest = of_endpoint(&plugins, &labelled(true, "guest")).unwrap_err();
    assert_eq!(
        guest.to_string(),
        "policy 'policy-ports' refuses: container 'web' in network 'b' may not publish port 8080:8090/tcp of the host \
         on interface em0: no rule of this site allows it"
    );
    let mail = EndpointFacts {
        ports: vec![port(Protocol::Tcp, &["em0"], "25", "25")],
        ..labelled(true, "core")
    };
    assert_eq!(
        of_endpoint(&plugins, &mail).unwrap_err().to_string(),
        "policy 'policy-ports' refuses: container 'web' in network 'b' may not publish port 25/tcp of the host on \
         interface em0: rule 'no-mail' of this site: mail goes through mx"
    );
}

#[test]
fn without_configuration_policies_change_nothing() {
    let with = of_network(&Home::with(&ALL).open()).unwrap();
    let without = of_network(&Home::with(&["network-bridge"]).open()).unwrap();
    assert_eq!(with, without);
    of_endpoint(&Home::with(&ALL).open(), &labelled(true, "guest")).unwrap();
}

#[test]
fn volumes_are_no_matter_of_theirs() {
    let plugins = site(&Home::with(&["volume-zfs", "policy-egress", "policy-ports"]));
    let plan = plugins
        .volume_driver("zfs")
        .unwrap()
        .plan_volume(&volume())
        .unwrap();
    assert_eq!(
        plugins.review(Subject::Volume(&volume()), plan.clone()).unwrap(),
        plan
    );
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_with_plugin_and_key() {
    let home = Home::with(&ALL);
    let refusal = |plugin: &str, settings: Value| {
        let error = configured(&home, &[(plugin, settings)]).err().unwrap();
        error
            .to_string()
            .replace(&home.plugins().display().to_string(), "<plugins>")
    };
    let refusals = [
        refusal(
            "policy-egress",
            json!({"networks": [{"name": "b", "allow": [{"to": "nowhere"}]}]}),
        ),
        refusal("policy-egress", json!({"default": "block", "nets": []})),
        refusal("policy-ports", json!({"default": 1})),
        refusal("policy-prots", json!({})),
        refusal("network-bridge", json!({})),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_guard_is_beyond_a_grant_without_it() {
    let home = Home::with(&ALL);
    let egress = json!({"default": "block"});
    let config = PluginsConfig {
        settings: [("policy-egress".to_owned(), egress)].into(),
        allow: [("policy-egress".to_owned(), [].into())].into(),
        ..home.config()
    };
    let error = of_network(&Plugins::open(config).unwrap())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "plugin 'policy-egress' planned in review what it may not: 'rules of network-bbbbbbbbbbbb' needs the capability \
         'guard', which is not granted"
    );
}

#[test]
fn a_policy_that_cannot_be_asked_refuses_unless_its_manifest_says_otherwise() {
    let network = kleene_plan::NetworkFacts {
        name: "broken".parse().unwrap(),
        ..bridge_network()
    };
    let manifest = "name='site-policy'\nversion='0.2.0'\nkind='policy'\ngrant=['filter']\n";
    for (on_failure, is_applied) in [
        ("", false),
        ("on-failure='refuse'\n", false),
        ("on-failure='allow'\n", true),
    ] {
        let home = Home::with(&["network-bridge"]);
        let policy = with_manifest(&component("site-policy"), &format!("{manifest}{on_failure}"));
        home.put("site-policy.wasm", &policy);
        let plugins = home.open();
        let plan = plugins
            .network_driver("bridge")
            .unwrap()
            .plan_network(&network)
            .unwrap();
        let reviewed = plugins.review(Subject::Network(&network), plan.clone());
        assert_eq!(reviewed.ok(), is_applied.then_some(plan), "{on_failure:?}");
    }
}

#[test]
fn a_policy_that_says_no_is_obeyed_whatever_its_manifest_says_of_failures() {
    let home = Home::with(&["network-bridge"]);
    let manifest =
        "name='site-policy'\nversion='0.2.0'\nkind='policy'\ngrant=['filter']\non-failure='allow'\n";
    home.put(
        "site-policy.wasm",
        &with_manifest(&component("site-policy"), manifest),
    );
    let network = kleene_plan::NetworkFacts {
        name: "forbidden".parse().unwrap(),
        ..bridge_network()
    };
    let plugins = home.open();
    let plan = plugins
        .network_driver("bridge")
        .unwrap()
        .plan_network(&network)
        .unwrap();
    assert!(matches!(
        plugins.review(Subject::Network(&network), plan),
        Err(PluginError::Vetoed { .. })
    ));
}
