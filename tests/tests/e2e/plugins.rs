//! Plugins that misbehave: the request they spoil fails with their name, and nothing else suffers.

use std::fs;
use std::path::Path;

use kleene_tests::{Host, Programs};
use tempfile::TempDir;

/// Programs with a plugin directory of their own: loopback networks are planned by a driver that does what it must not,
/// and a policy watches over all networks.
struct Hostile {
    programs: Programs,
    /// Removed at the end, with the compiled plugins that the daemon puts beside them.
    _directory: TempDir,
}

impl Hostile {
    fn new() -> Self {
        let good = Programs::of_this_build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let plugins = directory.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        for plugin in ["builder.wasm", "network-bridge.wasm", "volume-zfs.wasm"] {
            copy(&good.plugins.join(plugin), &plugins);
        }
        let fixtures = good.plugins.with_file_name("plugin-fixtures");
        for plugin in ["hostile-network.wasm", "site-policy.wasm"] {
            copy(&fixtures.join(plugin), &plugins);
        }
        let programs = Programs::at(good.klee.parent().unwrap(), &plugins).unwrap();
        Self {
            programs,
            _directory: directory,
        }
    }

    fn host(&self) -> Host {
        Host::start_with(self.programs.clone())
    }
}

#[track_caller]
fn copy(plugin: &Path, directory: &Path) {
    let name = plugin.file_name().unwrap();
    fs::copy(plugin, directory.join(name)).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: run `cargo xtask plugins --fixtures`",
            plugin.display()
        )
    });
}

#[test]
fn a_plugin_that_traps_loops_or_oversteps_is_named_and_nothing_changes() {
    let hostile = Hostile::new();
    for (network, message) in [
        ("traps", "plugin 'hostile-network' trapped in plan-network"),
        (
            "loops",
            "plugin 'hostile-network' exceeded its deadline of 250 ms in plan-network",
        ),
        (
            "eats-memory",
            "plugin 'hostile-network' exceeded its memory limit of 16 MiB in plan-network",
        ),
        (
            "plans-too-much",
            "plugin 'hostile-network' planned 10000 operations in plan-network, more than the 4096 it may",
        ),
        (
            "was-not-granted-alias",
            "needs the capability 'alias', which is not granted",
        ),
        (
            "takes-another-s-interface",
            "touches 'em0', which is not part of this request",
        ),
        (
            "distasteful",
            "network 'distasteful' is not to my taste; try another",
        ),
    ] {
        let host = hostile.host();
        let before = host.state();
        let refusal = host
            .klee(&format!("network create --subnet 10.1.0.0/24 {network}"))
            .refused();
        assert!(
            refusal.contains(message),
            "{network}: no '{message}' in: {refusal}"
        );
        assert_eq!(host.state(), before, "{network}");
    }
}

#[test]
fn a_misbehaving_plugin_does_not_keep_others_from_working() {
    let hostile = Hostile::new();
    let host = hostile.host();
    host.klee("network create --subnet 10.1.0.0/24 traps").refused();
    host.klee("network create -t bridge --subnet 10.2.0.0/24 lan")
        .ok();
    host.klee("rmn lan").ok();
}

#[test]
fn a_policy_refuses_with_its_reason_and_nothing_changes() {
    let hostile = Hostile::new();
    let host = hostile.host();
    let before = host.state();
    let refusal = host
        .klee("network create -t bridge --subnet 10.1.0.0/24 forbidden")
        .refused();
    assert!(
        refusal.contains("policy 'site-policy' refuses: 'forbidden' is not wanted here"),
        "{refusal}"
    );
    assert_eq!(host.state(), before);
}
