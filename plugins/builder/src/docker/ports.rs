//! Ports of EXPOSE.

/// Ports of one word of EXPOSE, each with its protocol: `80` is `80/tcp`, a range is all of its ports.
///
/// # Errors
/// What is right.
pub(super) fn exposed(word: &str) -> Result<Vec<String>, &'static str> {
    let (ports, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err("the protocol of a port is tcp, udp or sctp");
    }
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => {
            Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
        }
        _ => Err("a port is a number from 1 to 65535, or a range such as 8000-8010"),
    }
}

#[cfg(test)]
mod tests {
    use super::exposed;

    #[test]
    fn ports_have_protocols_and_ranges() {
        assert_eq!(exposed("80").unwrap(), ["80/tcp"]);
        assert_eq!(exposed("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(exposed("1-3/sctp").unwrap(), ["1/sctp", "2/sctp", "3/sctp"]);
        for wrong in [
            "", "0", "65536", "3-1", "80/icmp", "80/", "a", "+80", "1-2-3", "8080:80",
        ] {
            assert!(exposed(wrong).is_err(), "{wrong}");
        }
    }
}
