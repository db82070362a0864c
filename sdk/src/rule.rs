//! Filter rules said as in pf.conf(5): `FilterRule::block(In).log().to(subnet)`.

use crate::{Action, AddressMatch, Direction, FilterRule, InterfaceMatch, IpNet, PortRange, Protocol, Rule};

impl FilterRule {
    /// Lets packets through.
    #[must_use]
    pub fn pass(direction: Direction) -> Self {
        Self::new(Action::Pass, direction)
    }

    /// Drops packets.
    #[must_use]
    pub fn block(direction: Direction) -> Self {
        Self::new(Action::Block, direction)
    }

    fn new(action: Action, direction: Direction) -> Self {
        Self {
            action,
            direction,
            quick: false,
            log: false,
            on_interface: InterfaceMatch::Any,
            protocol: None,
            source: AddressMatch::Any,
            destination: AddressMatch::Any,
            ports: None,
        }
    }

    /// A match ends the evaluation.
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    /// A match is logged.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// Only through this interface.
    #[must_use]
    pub fn on(mut self, interface: InterfaceMatch) -> Self {
        self.on_interface = interface;
        self
    }

    /// Only from these addresses.
    #[must_use]
    pub fn from(mut self, source: IpNet) -> Self {
        self.source = AddressMatch::Net(source);
        self
    }

    /// Only to these addresses.
    #[must_use]
    pub fn to(mut self, destination: IpNet) -> Self {
        self.destination = AddressMatch::Net(destination);
        self
    }

    /// Only to these ports.
    #[must_use]
    pub fn port(mut self, protocol: Protocol, ports: PortRange) -> Self {
        self.protocol = Some(protocol);
        self.ports = Some(ports);
        self
    }
}

impl From<FilterRule> for Rule {
    fn from(rule: FilterRule) -> Self {
        Self::Filter(rule)
    }
}
