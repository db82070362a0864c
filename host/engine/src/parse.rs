//! Texts of requests made into types, with the messages that users of 0.1.1 know.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kleene_plan::{Family, NameError, ObjectName, StopSignal};
use kleene_store::Gateway;

use crate::error::{EngineError, Result};

/// Checks that each entry is `NAME=value`.
pub(crate) fn env(entries: &[String]) -> Result<()> {
    match entries
        .iter()
        .find(|entry| entry.split_once('=').is_none_or(|(name, _)| name.is_empty()))
    {
        Some(entry) => Err(EngineError::invalid(format!(
            "'{entry}' is not an environment variable: write NAME=value"
        ))),
        None => Ok(()),
    }
}

/// `over` laid over `under`, per variable; sorted by name.
pub(crate) fn merge_env(under: &[String], over: &[String]) -> Vec<String> {
    let entries = under.iter().chain(over).filter_map(|entry| entry.split_once('='));
    let merged: BTreeMap<&str, &str> = entries.collect();
    merged
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// The name of a container. A leading `/` is accepted, as Docker's API does, and dropped: it could not be addressed
/// in a URL.
pub(crate) fn container_name(text: &str) -> Result<ObjectName> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let wrong = || EngineError::invalid(format!("{text} does not match /?[a-zA-Z0-9][a-zA-Z0-9_.-]+$"));
    if name.len() < 2 {
        return Err(wrong());
    }
    name.parse().map_err(|_| wrong())
}

/// The signal that asks a container to end, by its full name.
pub(crate) fn stop_signal(text: &str) -> Result<String> {
    let signal: StopSignal = text
        .parse()
        .map_err(|error: NameError| EngineError::invalid(error.to_string()))?;
    Ok(signal.to_string())
}

/// `name[:tag]`; the tag is `latest` unless given. An empty text: no name at all.
pub(crate) fn nametag(text: &str) -> Result<(String, String)> {
    if text.is_empty() {
        return Ok((String::new(), String::new()));
    }
    let (name, tag) = text.split_once(':').unwrap_or((text, "latest"));
    let is_word = |part: &str| part.parse::<ObjectName>().is_ok();
    if is_word(name) && is_word(tag) {
        Ok((name.to_owned(), tag.to_owned()))
    } else {
        Err(EngineError::invalid(format!(
            "invalid image name '{text}': write name[:tag], of letters, digits, '_', '.', '-'"
        )))
    }
}

/// A reference to an image and perhaps one of its snapshots: `image[@snapshot]`.
pub(crate) fn image_reference(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((image, snapshot)) => (image, Some(snapshot)),
        None => (text, None),
    }
}

/// A subnet field: empty, or a network with zero host bits, or a bare address.
pub(crate) fn subnet4(field: &str, text: &str) -> Result<Option<Ipv4Net>> {
    match cidr(field, text, Family::Inet)? {
        Some(IpNet::V4(net)) => Ok(Some(net)),
        _ => Ok(None),
    }
}

/// As [`subnet4`].
pub(crate) fn subnet6(field: &str, text: &str) -> Result<Option<Ipv6Net>> {
    match cidr(field, text, Family::Inet6)? {
        Some(IpNet::V6(net)) => Ok(Some(net)),
        _ => Ok(None),
    }
}

/// A gateway field: empty, `<auto>`, or an address, perhaps with a prefix length that says nothing.
pub(crate) fn gateway(field: &str, text: &str, family: Family) -> Result<Gateway> {
    if text == kleene_api::AUTO {
        return Ok(Gateway::Auto);
    }
    Ok(cidr(field, text, family)?.map_or(Gateway::None, |net| Gateway::Address(net.addr())))
}

fn cidr(field: &str, text: &str, family: Family) -> Result<Option<IpNet>> {
    if text.is_empty() {
        return Ok(None);
    }
    let unreadable = || {
        EngineError::invalid(format!(
            "invalid {field}: could not parse cidr block: \"{}\"",
            text.escape_debug()
        ))
    };
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| unreadable())?,
    };
    if net.trunc() != net {
        return Err(unreadable());
    }
    if Family::of(net.addr()) != family {
        return Err(EngineError::invalid(format!(
            "invalid {field}: wrong IP protocol"
        )));
    }
    Ok(Some(net))
}

/// An explicit IPv4 address of an endpoint.
pub(crate) fn address4(text: &str) -> Result<Ipv4Addr> {
    text.parse()
        .map_err(|_| EngineError::invalid(format!("could not parse inet address {text}: einval")))
}

/// An explicit IPv6 address of an endpoint.
pub(crate) fn address6(text: &str) -> Result<Ipv6Addr> {
    text.parse()
        .map_err(|_| EngineError::invalid(format!("could not parse inet6 address {text}: einval")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn subnets_are_networks_or_bare_addresses() {
        assert_eq!(subnet4("subnet", "").unwrap(), None);
        assert_eq!(
            subnet4("subnet", "10.0.1.0/24").unwrap(),
            Some("10.0.1.0/24".parse().unwrap())
        );
        assert_eq!(
            subnet4("subnet", "10.0.1.7").unwrap(),
            Some("10.0.1.7/32".parse().unwrap())
        );
        assert_eq!(
            text(subnet4("subnet", "172.18.0.0-16")),
            "invalid subnet: could not parse cidr block: \"172.18.0.0-16\""
        );
        assert_eq!(
            text(subnet4("subnet", "10.0.1.1/24")),
            "invalid subnet: could not parse cidr block: \"10.0.1.1/24\""
        );
        assert_eq!(
            text(subnet6("subnet6", "10.0.1.1/24")),
            "invalid subnet6: could not parse cidr block: \"10.0.1.1/24\""
        );
        assert_eq!(
            text(subnet4("subnet", "fd00::/64")),
            "invalid subnet: wrong IP protocol"
        );
        assert_eq!(
            text(subnet6("subnet6", "10.0.0.0/8")),
            "invalid subnet6: wrong IP protocol"
        );
    }

    #[test]
    fn gateways_pass_when_empty_or_automatic() {
        for good in ["", "<auto>", "10.0.0.1", "10.0.0.1/32"] {
            gateway("gateway", good, Family::Inet).unwrap();
        }
        assert_eq!(
            text(gateway("gateway6", "10.0.0.1", Family::Inet6)),
            "invalid gateway6: wrong IP protocol"
        );
    }

    #[test]
    fn names_of_containers() {
        assert_eq!(container_name("/web-1").unwrap().as_str(), "web-1");
        for bad in ["", "a", "/", "-x", "a b", "web\n", "a/b"] {
            assert_eq!(
                text(container_name(bad)),
                format!("{bad} does not match /?[a-zA-Z0-9][a-zA-Z0-9_.-]+$")
            );
        }
    }

    #[test]
    fn names_of_images() {
        assert_eq!(nametag("base").unwrap(), ("base".into(), "latest".into()));
        assert_eq!(nametag("base:1.0").unwrap(), ("base".into(), "1.0".into()));
        assert_eq!(nametag("").unwrap(), (String::new(), String::new()));
        for bad in ["a:b:c", ":x", "a:", "a b", "a/b"] {
            assert!(nametag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_without_a_name_or_an_equals_sign_is_refused() {
        assert!(env(&["A=".into(), "B=1=2".into()]).is_ok());
        assert_eq!(
            text(env(&["A=1".into(), "B".into()])),
            "'B' is not an environment variable: write NAME=value"
        );
        assert!(env(&["=x".into()]).is_err());
    }

    /// Whether the rest of an address is zero, by arithmetic of our own.
    fn has_host_bits(bits: u128, prefix: u32, width: u32) -> bool {
        let host = width - prefix;
        host > 0 && bits & (u128::MAX >> (128 - host)) != 0
    }

    proptest! {
        #[test]
        fn a_subnet_is_taken_exactly_if_its_host_bits_are_zero(bits: u32, prefix in 0_u32..=32, cut in 0_u32..=32) {
            let bits = bits.checked_shr(cut).unwrap_or(0).checked_shl(cut).unwrap_or(0);
            let text = format!("{}/{prefix}", Ipv4Addr::from_bits(bits));
            let net = subnet4("subnet", &text);
            if has_host_bits(bits.into(), prefix, 32) {
                let message = format!("invalid subnet: could not parse cidr block: \"{text}\"");
                prop_assert_eq!(net.unwrap_err().to_string(), message);
            } else {
                prop_assert_eq!(net.unwrap().unwrap().to_string(), text);
            }
        }

        #[test]
        fn so_is_an_ipv6_subnet(bits: u128, prefix in 0_u32..=128, cut in 0_u32..=128) {
            let bits = bits.checked_shr(cut).unwrap_or(0).checked_shl(cut).unwrap_or(0);
            let address = Ipv6Addr::from_bits(bits);
            let net = subnet6("subnet6", &format!("{address}/{prefix}"));
            prop_assert_eq!(net.is_err(), has_host_bits(bits, prefix, 128));
            if let Ok(net) = net {
                prop_assert_eq!(net.unwrap().to_string(), format!("{address}/{prefix}"));
            }
        }

        #[test]
        fn a_bare_address_is_a_subnet_of_one_a_gateway_and_an_address(bits: u32, bits6: u128) {
            let (v4, v6) = (Ipv4Addr::from_bits(bits), Ipv6Addr::from_bits(bits6));
            prop_assert_eq!(subnet4("subnet", &v4.to_string()).unwrap(), Some(v4.into()));
            prop_assert_eq!(subnet6("subnet6", &v6.to_string()).unwrap(), Some(v6.into()));
            prop_assert_eq!(gateway("gateway", &v4.to_string(), Family::Inet).unwrap(), Gateway::Address(v4.into()));
            prop_assert_eq!(address4(&v4.to_string()).unwrap(), v4);
            prop_assert_eq!(address6(&v6.to_string()).unwrap(), v6);
        }

        #[test]
        fn the_other_family_is_always_refused(bits: u32, bits6: u128) {
            let (v4, v6) = (Ipv4Addr::from_bits(bits).to_string(), Ipv6Addr::from_bits(bits6).to_string());
            prop_assert_eq!(text(subnet4("subnet", &v6)), "invalid subnet: wrong IP protocol");
            prop_assert_eq!(text(subnet6("subnet6", &v4)), "invalid subnet6: wrong IP protocol");
            prop_assert_eq!(text(address4(&v6)), format!("could not parse inet address {v6}: einval"));
            prop_assert_eq!(text(address6(&v4)), format!("could not parse inet6 address {v4}: einval"));
        }

        #[test]
        fn text_that_is_nearly_an_address_is_refused_and_never_a_panic(wrong in "[0-9a-f.:/ %-]{0,24}|\\PC{0,24}") {
            // What passes is what the standard library reads as an address or a network in full.
            let is_good = |text: &str| text.is_empty() || text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok();
            if !is_good(&wrong) {
                for result in [subnet4("subnet", &wrong).map(drop), subnet6("subnet", &wrong).map(drop)] {
                    let message = text(result);
                    prop_assert!(message.starts_with("invalid subnet: could not parse cidr block: \""), "{}", message);
                }
            }
        }

        #[test]
        fn merging_an_environment_with_itself_or_with_nothing_only_sorts(
            entries in prop::collection::btree_map("[A-Z]{1,3}", "[a-z=]{0,4}", 0..8),
        ) {
            let sorted: Vec<String> = entries.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let reversed: Vec<String> = sorted.iter().rev().cloned().collect();
            prop_assert_eq!(&merge_env(&reversed, &[]), &sorted);
            prop_assert_eq!(&merge_env(&[], &reversed), &sorted);
            prop_assert_eq!(&merge_env(&reversed, &sorted), &sorted);
        }

        #[test]
        fn the_later_value_of_a_variable_wins_and_names_are_sorted(
            under in prop::collection::vec("[A-C]=[a-z]{0,3}", 0..6),
            over in prop::collection::vec("[A-C]=[a-z]{0,3}", 0..6),
        ) {
            let merged = merge_env(&under, &over);
            let names: Vec<_> = merged.iter().map(|entry| &entry[..1]).collect();
            prop_assert!(names.is_sorted_by(|a, b| a < b));
            for entry in &merged {
                let last = under.iter().chain(&over).rfind(|other| other[..1] == entry[..1]);
                prop_assert_eq!(Some(entry), last);
            }
        }
    }
}
