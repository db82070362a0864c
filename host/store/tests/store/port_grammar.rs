//! The grammar of published ports: of the host `P` or `P:P`, of the container also `P:*`, `P` from 0 to 65535.

use kleene_plan::{ParsePortRangeError, PortRange};
use kleene_store::ContainerPorts;
use proptest::prelude::*;

/// What a text means, read by hand: the first port and the last, where there is one.
fn model(text: &str) -> Result<(u16, Option<u16>), ParsePortRangeError> {
    let port = |part: &str| match part.parse::<u32>() {
        Ok(port @ 0..=65535) if part.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port as u16),
        _ => Err(ParsePortRangeError::Value),
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [one] => Ok((port(one)?, Some(port(one)?))),
        [first, "*"] => Ok((port(first)?, None)),
        [first, last] => match (port(first)?, port(last)?) {
            (first, last) if first <= last => Ok((first, Some(last))),
            _ => Err(ParsePortRangeError::Form),
        },
        _ => Err(ParsePortRangeError::Form),
    }
}

proptest! {
    #[test]
    fn every_port_and_range_is_read_and_written_again(a: u16, b: u16) {
        let (first, last) = (a.min(b), a.max(b));
        let range: PortRange = format!("{first}:{last}").parse().unwrap();
        prop_assert_eq!((range.first(), range.last()), (first, last));
        prop_assert_eq!(first.to_string().parse(), Ok(PortRange::single(first)));
        for text in [format!("{first}"), format!("{first}:{last}"), format!("{first}:*")] {
            prop_assert_eq!(text.parse::<ContainerPorts>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn whatever_is_written_is_read_as_the_grammar_says(text in "[0-9]{0,6}(:([0-9]{1,6}|\\*)){0,3}|[0-9:*+ -]{0,9}") {
        let expected = model(&text);
        let host = text.parse::<PortRange>();
        match expected {
            Ok((first, Some(last))) => prop_assert_eq!(host, PortRange::new(first, last)),
            // The host's side has no `*`.
            Ok((_, None)) => prop_assert_eq!(host, Err(ParsePortRangeError::Value)),
            Err(_) => prop_assert!(host.is_err()),
        }
        prop_assert_eq!(text.parse::<ContainerPorts>().is_ok(), expected.is_ok());
    }

    #[test]
    fn an_open_range_is_as_long_as_the_hosts(start: u16, a: u16, b: u16) {
        let host = PortRange::new(a.min(b), a.max(b)).unwrap();
        let ports: ContainerPorts = format!("{start}:*").parse().unwrap();
        match ports.opposite(host) {
            Ok(range) => prop_assert_eq!((range.first(), range.count()), (start, host.count())),
            Err(error) => {
                prop_assert_eq!(error, ParsePortRangeError::Value);
                prop_assert!(u32::from(start) + host.count() > 65536);
            }
        }
    }
}
