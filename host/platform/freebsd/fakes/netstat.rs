//! netstat(1), in JSON.

use serde_json::json;

use crate::state::State;
use crate::{Reply, no, say};

pub(crate) fn netstat(state: &State, words: &[&str]) -> Reply {
    let statistics = match words {
        ["--libxo", "json", "-inW"] => json!({"interface": addresses(state)}),
        ["--libxo", "json", "-rnW"] => json!({"route-information": {"route-table": {"rt-family": [
            {"address-family": "Internet", "rt-entry": [
                {"destination": "default", "gateway": "10.0.2.2", "flags": "UGS", "interface-name": "vtnet0"},
            ]},
        ]}}}),
        ["--libxo", "json", "-anW", "-f", "inet"] => json!({"socket": [
            {"protocol": "tcp4", "local": {"address": "*", "port": "22"}, "remote": {"address": "*", "port": "*"}, "tcp-state": "LISTEN     "},
        ]}),
        ["--libxo", "json", "-anW", "-f", "inet6"] => json!({"socket": []}),
        _ => return no("usage: netstat\n"),
    };
    say(format!("{}\n", json!({"statistics": statistics})))
}

fn addresses(state: &State) -> Vec<serde_json::Value> {
    let mut entries = Vec::new();
    for (name, interface) in state
        .interfaces
        .iter()
        .filter(|(_, interface)| interface.jail.is_none())
    {
        entries.push(json!({"name": name, "network": "<Link#1>", "address": interface.ether}));
        for address in &interface.addresses {
            let plain = address.split('/').next();
            entries.push(json!({"name": name, "network": address, "address": plain}));
        }
    }
    entries
}
