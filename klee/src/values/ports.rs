//! Published ports: `-p`.

use std::net::IpAddr;

use kleene_api::{Protocol, PublishedPortConfig};

use super::invalid_container_value;
use crate::failure::Failure;

/// Reads `HOST[:CONTAINER][/PROTO]` or `IFACE:HOST:CONTAINER[/PROTO]`, where HOST and CONTAINER are ports or ranges of as
/// many, `FIRST-LAST`.
pub fn published_port(text: &str) -> Result<PublishedPortConfig, Failure> {
    let (ports, protocol) = match text.split('/').collect::<Vec<_>>()[..] {
        [ports] => (ports, Protocol::Tcp),
        [ports, word] => (
            ports,
            word.parse()
                .map_err(|_| invalid_container_value(word, "PublishedPortConfigProtocol", Protocol::WORDS))?,
        ),
        _ => return Err(undecodable(text, "")),
    };
    let parts: Vec<&str> = ports.split(':').collect();
    if ports.starts_with('[') || parts[0].parse::<IpAddr>().is_ok() {
        return Err(undecodable(
            ports,
            "\nPorts are published on interfaces and not at addresses: name an interface, as in 'lo0:8080:80' \
             (on Linux 'lo:8080:80'), or none for the one with the default route.",
        ));
    }
    let (interface, host, container) = match parts[..] {
        [port] => (None, port, port),
        [host, container] => (None, host, container),
        [interface, host, container] => (Some(interface), host, container),
        _ => return Err(undecodable(ports, "")),
    };
    let (host_port, container_port) = in_the_apis_form(ports, host, container)?;
    Ok(PublishedPortConfig {
        container_port,
        host_port,
        interfaces: interface.map(str::to_owned).into_iter().collect(),
        protocol,
    })
}

fn undecodable(what: &str, hint: &str) -> Failure {
    Failure::BadValue(format!("could not decode port to publish: {what}{hint}"))
}

/// The ports of host and container of `text`, where ranges are `FIRST:LAST`. Other numbers are the daemon's to check.
fn in_the_apis_form(text: &str, host: &str, container: &str) -> Result<(String, String), Failure> {
    if [host, container].iter().any(|port| port.parse() == Ok(0)) {
        return Err(undecodable(
            text,
            "\nThere is no port 0: choose one, as in '8080:80'.",
        ));
    }
    if !host.contains('-') && !container.contains('-') {
        return Ok((host.to_owned(), container.to_owned()));
    }
    let range = |ports| Range::read(ports).ok_or_else(|| undecodable(text, ""));
    let (host, container) = (range(host)?, range(container)?);
    if host.count() != container.count() {
        return Err(undecodable(
            text,
            &format!(
                "\n{} of the host cannot lead to {} of the container: both ranges must be of the same length.",
                host.count_in_words(),
                container.count_in_words()
            ),
        ));
    }
    Ok((host.in_the_apis_form(), container.in_the_apis_form()))
}

/// Ports from the first to the last.
#[derive(Clone, Copy)]
struct Range {
    first: u16,
    last: u16,
}

impl Range {
    /// Reads `FIRST-LAST`, or a single port.
    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        };
        (0 < range.first && range.first <= range.last).then_some(range)
    }

    fn count(self) -> u16 {
        self.last - self.first + 1
    }

    fn count_in_words(self) -> String {
        match self.count() {
            1 => "1 port".to_owned(),
            count => format!("{count} ports"),
        }
    }

    fn in_the_apis_form(self) -> String {
        match self.count() {
            1 => self.first.to_string(),
            _ => format!("{}:{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        published_port(text).unwrap_err().to_string()
    }

    #[test]
    fn a_single_port_is_the_same_on_both_sides() {
        let port = published_port("80").unwrap();
        assert_eq!(
            (port.host_port.as_str(), port.container_port.as_str()),
            ("80", "80")
        );
        assert_eq!((port.protocol, port.interfaces.len()), (Protocol::Tcp, 0));
    }

    #[test]
    fn a_port_can_name_interface_and_protocol() {
        let port = published_port("em0:81:82/udp").unwrap();
        assert_eq!(port.interfaces, ["em0"]);
        assert_eq!(
            (port.host_port.as_str(), port.container_port.as_str()),
            ("81", "82")
        );
        assert_eq!(port.protocol, Protocol::Udp);
    }

    #[test]
    fn ports_that_cannot_be_read_are_refused_in_the_contracts_words() {
        assert_eq!(
            message("a:b:c:d/udp"),
            "could not decode port to publish: a:b:c:d"
        );
        assert_eq!(
            message("80/tcp/udp"),
            "could not decode port to publish: 80/tcp/udp"
        );
        assert!(message("80/sctp").starts_with(
            "Error! Could not validate container configuration: 'sctp' is not a valid PublishedPortConfigProtocol"
        ));
    }

    #[test]
    fn ranges_are_sent_in_the_apis_form() {
        for (text, host, container) in [
            ("9000-9002:80-82", "9000:9002", "80:82"),
            ("9000-9002", "9000:9002", "9000:9002"),
            ("em0:9000-9002:80-82/udp", "9000:9002", "80:82"),
            ("9000-9000:80", "9000", "80"),
            ("1-65535", "1:65535", "1:65535"),
        ] {
            let port = published_port(text).unwrap();
            assert_eq!(
                (port.host_port.as_str(), port.container_port.as_str()),
                (host, container),
                "{text}"
            );
        }
    }

    #[test]
    fn ranges_that_cannot_be_meant_are_refused() {
        for text in ["9002-9000", "1-", "-1", "1-2-3", "1-65536", "a-b", "0-5:0-5"] {
            assert_eq!(message(text), format!("could not decode port to publish: {text}"));
        }
        assert_eq!(
            message("9000-9002:80/udp"),
            "could not decode port to publish: 9000-9002:80\n\
             3 ports of the host cannot lead to 1 port of the container: both ranges must be of the same length."
        );
        for text in ["0:80", "0", "lo0:80:0"] {
            assert_eq!(
                message(text),
                format!(
                    "could not decode port to publish: {text}\nThere is no port 0: choose one, as in '8080:80'."
                )
            );
        }
    }

    #[test]
    fn an_address_is_no_interface() {
        for text in [
            "127.0.0.1:9000:80",
            "0.0.0.0:9000:80",
            "127.0.0.1:80",
            "[::1]:80",
            "[::]:9000:80",
        ] {
            assert_eq!(
                message(text),
                format!(
                    "could not decode port to publish: {text}\n\
                     Ports are published on interfaces and not at addresses: name an interface, as in 'lo0:8080:80' \
                     (on Linux 'lo:8080:80'), or none for the one with the default route."
                )
            );
        }
    }

    fn written_port(port: &PublishedPortConfig) -> String {
        let interface: String = port.interfaces.iter().map(|name| format!("{name}:")).collect();
        format!(
            "{interface}{}:{}/{}",
            port.host_port, port.container_port, port.protocol
        )
    }

    proptest! {
        #[test]
        fn a_port_means_the_same_when_it_is_written_again(text in "[a-z0-9]{0,3}(:[0-9]{0,3}){0,3}(/(tcp|udp|x))?(/)?") {
            if let Ok(read) = published_port(&text) {
                let again = published_port(&written_port(&read)).map_err(|failure| failure.to_string());
                prop_assert_eq!(again, Ok(read));
            }
        }

        #[test]
        fn no_text_makes_a_port_panic(text in "\\PC{0,16}|[0-9:/-]{0,16}") {
            let _ = published_port(&text);
        }
    }
}
