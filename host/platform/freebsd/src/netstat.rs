//! netstat(1), which prints JSON: addresses of interfaces, default routes, and sockets that wait for others. Without `-W`
//! it cuts names and addresses to the width of its columns, in JSON as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_plan::{InterfaceName, Protocol};
use kleene_platform::{Gateways, Listener};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::command::{Command, Parsed, Program};

const NETSTAT: Program = Program("/usr/bin/netstat");

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceAddress {
    pub(crate) interface: String,
    pub(crate) address: IpNet,
}

pub(crate) fn addresses() -> Command {
    Command::new(NETSTAT).args(["--libxo", "json", "-inW"])
}

pub(crate) fn routes() -> Command {
    Command::new(NETSTAT).args(["--libxo", "json", "-rnW"])
}

/// The sockets of one family, `inet` or `inet6`.
pub(crate) fn sockets(family: &str) -> Command {
    Command::new(NETSTAT).args(["--libxo", "json", "-anW", "-f", family])
}

#[derive(Deserialize)]
struct Document<T> {
    statistics: T,
}

fn document<T: DeserializeOwned>(printed: &str) -> Parsed<T> {
    let document: Document<T> = serde_json::from_str(printed).map_err(|error| error.to_string())?;
    Ok(document.statistics)
}

/// Reads [`addresses`]. Link-local addresses, which every interface has of its own, and what is no IP address are left
/// out.
pub(crate) fn parse_addresses(printed: &str) -> Parsed<Vec<InterfaceAddress>> {
    #[derive(Deserialize)]
    struct Interfaces {
        #[serde(default)]
        interface: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        name: String,
        #[serde(default)]
        network: String,
        #[serde(default)]
        address: String,
    }
    let interfaces: Interfaces = document(printed)?;
    let entries = interfaces.interface.into_iter().filter_map(|entry| {
        let address: IpAddr = entry.address.parse().ok()?;
        let prefix = match entry.network.split_once('/') {
            Some((_, prefix)) => prefix.parse().ok()?,
            // A network of one address is printed without its length.
            None => {
                if address.is_ipv4() {
                    32
                } else {
                    128
                }
            }
        };
        let address = IpNet::new(address, prefix).ok()?;
        // An interface that is down has a star behind its name.
        let interface = entry.name.trim_end_matches('*').to_owned();
        Some(InterfaceAddress { interface, address })
    });
    Ok(entries.collect())
}

/// The routes of one family, as [`routes`] prints them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RouteFamily {
    address_family: String,
    #[serde(default)]
    rt_entry: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Route {
    destination: String,
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    flags: String,
    #[serde(default)]
    interface_name: String,
}

fn parse_routes(printed: &str) -> Parsed<Vec<RouteFamily>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Routes {
        route_information: Information,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Information {
        route_table: Table,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Table {
        #[serde(default)]
        rt_family: Vec<RouteFamily>,
    }
    let routes: Routes = document(printed)?;
    Ok(routes.route_information.route_table.rt_family)
}

/// Reads [`routes`]: the interfaces of the default routes.
pub(crate) fn parse_gateways(printed: &str) -> Parsed<Gateways> {
    let families = parse_routes(printed)?;
    let default_of = |name: &str| -> Option<InterfaceName> {
        let family = families.iter().find(|family| family.address_family == name)?;
        let route = family
            .rt_entry
            .iter()
            .find(|route| route.destination == "default")?;
        route.interface_name.parse().ok()
    };
    Ok(Gateways {
        inet: default_of("Internet"),
        inet6: default_of("Internet6"),
    })
}

/// Reads [`routes`]: the addresses of the routers. Without the flag `G` what is printed for one is the interface.
pub(crate) fn parse_next_hops(printed: &str) -> Parsed<Vec<IpAddr>> {
    let routes = parse_routes(printed)?
        .into_iter()
        .flat_map(|family| family.rt_entry);
    Ok(routes
        .filter(|route| route.flags.contains('G'))
        // The scope of a link-local address.
        .filter_map(|route| route.gateway.split('%').next()?.parse().ok())
        .collect())
}

/// Reads [`sockets`]: those of TCP that listen and those of UDP that are not connected.
pub(crate) fn parse_listeners(printed: &str) -> Parsed<Vec<Listener>> {
    #[derive(Deserialize)]
    struct Sockets {
        #[serde(default)]
        socket: Vec<Socket>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Socket {
        protocol: String,
        local: Option<End>,
        remote: Option<End>,
        #[serde(default)]
        tcp_state: String,
    }
    #[derive(Deserialize)]
    struct End {
        address: String,
        port: String,
    }
    let sockets: Sockets = document(printed)?;
    let listener = |socket: Socket| {
        let local = socket.local?;
        let protocol = if socket.protocol.starts_with("tcp") && socket.tcp_state.trim() == "LISTEN" {
            Protocol::Tcp
        } else if socket.protocol.starts_with("udp") && socket.remote.is_none_or(|end| end.port == "*") {
            Protocol::Udp
        } else {
            return None;
        };
        let address = match local.address.as_str() {
            "*" if socket.protocol.ends_with("46") || socket.protocol.ends_with('6') => {
                Ipv6Addr::UNSPECIFIED.into()
            }
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            // The scope of a link-local address.
            address => address.split('%').next()?.parse().ok()?,
        };
        Some(Listener {
            protocol,
            address,
            port: local.port.parse().ok()?,
        })
    };
    Ok(sockets.socket.into_iter().filter_map(listener).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorded::{every_output, recorded};

    #[test]
    fn recorded_addresses_have_their_prefixes() {
        let addresses = parse_addresses(&recorded("netstat --libxo json -i").printed).unwrap();
        let text: Vec<_> = addresses
            .iter()
            .map(|found| format!("{} {}", found.interface, found.address))
            .collect();
        assert_eq!(
            text,
            [
                "vtnet0 10.0.2.15/24",
                "kleene0 10.13.37.1/24",
                "kleene0 2001:db8::1/64"
            ]
        );
    }

    #[test]
    fn a_network_of_one_address_needs_no_length() {
        let entry = |name, network, address| {
            format!(
                r#"{{"name":"{name}","flags":"0x8049","network":"{network}","address":"{address}","sent-packets":0}}"#
            )
        };
        let printed = format!(
            r#"{{"statistics": {{"interface": [{}, {}, {}]}}}}"#,
            entry("kleene1", "10.9.0.5/32", "10.9.0.5"),
            entry("kleene1", "10.9.0.6", "10.9.0.6"),
            entry("kleene2*", "fd00::7/128", "fd00::7"),
        );
        let addresses = parse_addresses(&printed).unwrap();
        let text: Vec<_> = addresses
            .iter()
            .map(|found| format!("{} {}", found.interface, found.address))
            .collect();
        assert_eq!(
            text,
            [
                "kleene1 10.9.0.5/32",
                "kleene1 10.9.0.6/32",
                "kleene2 fd00::7/128"
            ]
        );
    }

    #[test]
    fn the_recorded_default_route_is_found() {
        for command in ["netstat --libxo json -rn", "netstat --libxo json -rn -f inet"] {
            let gateways = parse_gateways(&recorded(command).printed).unwrap();
            assert_eq!(gateways.inet, Some("vtnet0".parse().unwrap()), "{command}");
            assert_eq!(gateways.inet6, None, "{command}");
        }
    }

    #[test]
    fn recorded_next_hops_are_addresses_of_routers() {
        let hops = parse_next_hops(&recorded("netstat --libxo json -rn").printed).unwrap();
        assert_eq!(hops, ["10.0.2.2".parse::<IpAddr>().unwrap()]);
        let routed = r#"{"statistics": {"route-information": {"route-table": {"rt-family": [{"address-family": "Internet6",
            "rt-entry": [{"destination": "2001:db8:1::/48", "gateway": "fe80::1%em0", "flags": "UGS"}]}]}}}}"#;
        assert_eq!(
            parse_next_hops(routed).unwrap(),
            ["fe80::1".parse::<IpAddr>().unwrap()]
        );
    }

    #[test]
    fn a_recorded_socket_that_listens_is_told_from_one_that_is_connected() {
        let recording = recorded("sockstat -4l; netstat --libxo json -an -f inet | head -c 600");
        let json = recording.printed.lines().last().unwrap().to_owned();
        let listeners = parse_listeners(&json).unwrap();
        let sshd = Listener {
            protocol: Protocol::Tcp,
            address: Ipv4Addr::UNSPECIFIED.into(),
            port: 22,
        };
        assert_eq!(listeners, [sshd]);
    }

    #[test]
    fn sockets_of_udp_wait_unless_they_are_connected() {
        let socket = |protocol, local, port| {
            format!(
                r#"{{"protocol":"{protocol}","local":{{"address":"{local}","port":"53"}},"remote":{{"address":"*","port":"{port}"}}}}"#
            )
        };
        let printed = format!(
            r#"{{"statistics": {{"socket": [{}, {}, {}]}}}}"#,
            socket("udp4", "10.0.0.1", "*"),
            socket("udp46", "*", "*"),
            socket("udp6", "fe80::1%lo0", "9000"),
        );
        let addresses: Vec<_> = parse_listeners(&printed)
            .unwrap()
            .into_iter()
            .map(|listener| listener.address.to_string())
            .collect();
        assert_eq!(addresses, ["10.0.0.1", "::"]);
    }

    #[test]
    fn no_output_of_any_tool_makes_it_panic() {
        for output in every_output() {
            let _ = (
                parse_addresses(&output),
                parse_gateways(&output),
                parse_next_hops(&output),
                parse_listeners(&output),
            );
        }
    }

    proptest! {
        #[test]
        fn a_document_that_is_cut_off_is_an_error(at in 0usize..2000) {
            let whole = recorded("netstat --libxo json -rn").printed;
            let cut: String = whole.chars().take(at).collect();
            prop_assert!(parse_gateways(&cut).is_err());
        }
    }
}
