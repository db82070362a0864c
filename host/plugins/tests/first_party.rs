//! The first-party plugins as components: the same questions as in their own tests, and the same text in answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use kleene_plan::{EndpointFacts, NetworkFacts, Plan, PublishedPort};
use kleene_plugins::{
    BuildAction, BuildState, Dialect, EngineKind, PluginState, Plugins, PluginsConfig, Process, Variable,
};
use support::{Home, bridge_network, endpoint, ipnet_network, published, volume};

const ALL: [&str; 7] = [
    "builder",
    "network-bridge",
    "network-loopback",
    "policy-egress",
    "policy-ports",
    "step-pkg",
    "volume-zfs",
];

/// Compares with the golden text of the plugin's own tests.
fn check(plugin: &str, name: &str, plan: &Plan) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path(format!("../../../plugins/{plugin}/tests/snapshots"));
    settings.bind(|| insta::assert_snapshot!(name, plan.to_string()));
}

fn check_bridge(plugins: &Plugins) {
    let driver = plugins.network_driver("bridge").unwrap();
    let network = |name: &str, facts: NetworkFacts| {
        driver.validate_network(&facts).unwrap();
        check("network-bridge", name, &driver.plan_network(&facts).unwrap());
    };
    let internal = NetworkFacts {
        internal: true,
        ..bridge_network()
    };
    let closed = NetworkFacts {
        icc: false,
        ..bridge_network()
    };
    network("network_open", bridge_network());
    network("network_without_icc", closed.clone());
    network("network_internal", internal.clone());
    let unknown_way_out = NetworkFacts {
        nat: None,
        host_gateway: None,
        ..internal.clone()
    };
    network("network_internal_on_a_host_without_gateway", unknown_way_out);
    let nat = Some("em1".parse().unwrap());
    network(
        "network_internal_with_nat",
        NetworkFacts {
            icc: false,
            nat,
            ..internal
        },
    );

    let connection = |name: &str, network: &NetworkFacts, endpoint: &EndpointFacts| {
        check(
            "network-bridge",
            name,
            &driver.plan_endpoint(network, endpoint).unwrap(),
        );
    };
    connection("endpoint_vnet", &bridge_network(), &endpoint(true, published()));
    connection("endpoint_vnet_isolated", &closed, &endpoint(true, vec![]));
    connection("endpoint_ipnet", &bridge_network(), &endpoint(false, published()));
}

#[test]
fn bridge_networks_are_planned_as_natively() {
    check_bridge(&Home::with(&ALL).open());
}

#[test]
fn the_interpreter_gives_the_same_plans() {
    let home = Home::with(&["network-bridge"]);
    let config = PluginsConfig {
        engine: EngineKind::Pulley,
        ..home.config()
    };
    check_bridge(&Plugins::open(config).unwrap());
}

#[test]
fn loopback_and_custom_networks_are_planned_as_natively() {
    let home = Home::with(&["network-loopback"]);
    let plugins = home.open();
    let one_port = PublishedPort {
        targets: vec!["10.0.1.1".parse().unwrap()],
        ..published().remove(0)
    };
    let connection = EndpointFacts {
        addresses: vec!["10.0.1.1/24".parse().unwrap()],
        default_routes: vec![],
        ..endpoint(false, vec![one_port])
    };
    for (kind, interface) in [("loopback", "kleene0"), ("custom", "em0")] {
        let driver = plugins.network_driver(kind).unwrap();
        let network = ipnet_network(kind, interface);
        check(
            "network-loopback",
            &format!("network_{kind}"),
            &driver.plan_network(&network).unwrap(),
        );
    }
    let driver = plugins.network_driver("loopback").unwrap();
    let network = ipnet_network("loopback", "kleene0");
    check(
        "network-loopback",
        "endpoint_ipnet",
        &driver.plan_endpoint(&network, &connection).unwrap(),
    );
    let vnet = EndpointFacts {
        vnet: true,
        ..connection
    };
    assert_eq!(
        driver.plan_endpoint(&network, &vnet).unwrap_err().to_string(),
        "containers using the 'vnet' network-driver can't connect to loopback networks"
    );
}

#[test]
fn a_volume_is_a_dataset() {
    let plan = Home::with(&["volume-zfs"])
        .open()
        .volume_driver("zfs")
        .unwrap()
        .plan_volume(&volume());
    assert_eq!(plan.unwrap().to_string(), "create dataset volumes/v\n");
}

#[test]
fn a_dockerfile_is_read_and_its_steps_expanded() {
    let builder = Home::with(&["builder"]).open().builder().unwrap();
    let dockerfile = "FROM base\nENV PORT=${P:-80}\nRUN serve \\\n $PORT\n";
    let parsed = builder.parse(dockerfile, &[]).unwrap().unwrap();
    assert_eq!(parsed.dialect, Dialect::Classic);
    let instructions = parsed.instructions;
    let lines: Vec<_> = instructions
        .iter()
        .map(|step| (step.line, step.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (1, "FROM base"),
            (2, "ENV PORT=${P:-80}"),
            (3, "RUN serve  $PORT")
        ]
    );

    let port = Variable {
        name: "PORT".to_owned(),
        value: "80".to_owned(),
    };
    let mut state = BuildState {
        user: "root".to_owned(),
        ..BuildState::default()
    };
    assert_eq!(
        builder.expand(&instructions[1], &state).unwrap(),
        [BuildAction::SetEnv(port.clone())]
    );
    state.env.push(port.clone());
    let run = BuildAction::Run(Process {
        argv: ["/bin/sh", "-c", "serve  $PORT"].map(str::to_owned).to_vec(),
        env: vec![port],
        user: "root".to_owned(),
        directory: None,
    });
    assert_eq!(builder.expand(&instructions[2], &state).unwrap(), [run]);
}

#[test]
fn what_cannot_be_replaced_is_told_as_the_contract_says() {
    let builder = Home::with(&["builder"]).open().builder().unwrap();
    let error = builder.expand_variables("USER \"x", "\"x", &[]).unwrap_err();
    assert_eq!(error.to_string(), "failed environment substition of: USER \"x");
    assert_eq!(error.hint(), Some("a \" is not closed"));
}

#[test]
fn every_plugin_is_listed_and_ready() {
    let listed = Home::with(&ALL).open().list();
    let names: Vec<_> = listed
        .iter()
        .map(|plugin| {
            (
                plugin.manifest.as_ref().unwrap().name.to_string(),
                plugin.state.clone(),
            )
        })
        .collect();
    assert_eq!(names, ALL.map(|name| (name.to_owned(), PluginState::Ready)));
}

#[test]
fn what_no_plugin_serves_is_told_with_what_they_do() {
    let plugins = Home::with(&["network-bridge", "network-loopback"]).open();
    assert_eq!(
        plugins.network_driver("mesh").err().unwrap().to_string(),
        "no plugin serves networks of type 'mesh'; there are: bridge, custom, loopback"
    );
    assert_eq!(
        plugins.volume_driver("zfs").err().unwrap().to_string(),
        "no plugin serves the volume driver 'zfs'; there are: none"
    );
    assert!(plugins.builder().is_err());
}
