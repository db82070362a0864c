//! The sets and maps of the table: each holds rules of one form, of all owners, as elements, and has a rule or two in
//! the chains that looks packets up in it.

use std::fmt;

use kleene_plan::{Action, Family};

use super::field::{Field, Way, concatenated, digit, header};

/// A set or map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set {
    /// Interfaces of Kleene's networks, those of the host's that they use, and the loopback interface.
    Networks,
    /// Interfaces that Kleene made for networks: behind them are containers and nobody else.
    Bridges,
    /// Pairs of the same interface: where packets go back the way they came.
    Hairpins,
    /// Filter rules of one form. The order of the chain is the order of these.
    Filter(Shape),
    /// Source translation.
    Masquerade(Vec<Field>),
    /// Addresses of containers among those of the host, from which nothing is redirected.
    Closed(Family),
    /// Destination translation.
    Redirect(Arrival, Family),
}

/// What filter rules have in common that are kept in one set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) way: Way,
    pub(crate) phase: Phase,
    /// How many times the verdict changed before, among the rules of its owner in this phase.
    pub(crate) level: usize,
    pub(crate) verdict: Verdict,
    /// Only on Kleene's networks.
    pub(crate) on_networks: bool,
    pub(crate) fields: Vec<Field>,
}

/// When a rule is judged: earlier ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Guard(Place),
    NetworkQuick,
    EndpointQuick,
    Endpoint,
    Network,
}

impl Phase {
    /// Its part of a set's name.
    fn name(self) -> String {
        match self {
            Self::Guard(place) => format!("{}_", place.name()),
            Self::NetworkQuick => "1".to_owned(),
            Self::EndpointQuick => "2".to_owned(),
            Self::Endpoint => "3".to_owned(),
            Self::Network => "4".to_owned(),
        }
    }
}

/// Where a guard is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) of_networks: bool,
    pub(crate) side: Side,
    /// How many guards of the same packets come before.
    pub(crate) number: usize,
}

/// What tells whose packets a guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Arriving,
    From,
    To,
}

impl Place {
    fn name(self) -> String {
        let owners = if self.of_networks { "networks" } else { "endpoints" };
        let side = match self.side {
            Side::Arriving => "arriving",
            Side::From => "from",
            Side::To => "to",
        };
        format!("{owners}_{side}{}", self.number)
    }
}

/// What happens to a packet. Of two owners' verdicts at the same place the stricter wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Verdict {
    kind: Kind,
    log: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Block,
    Reject,
    Pass,
}

impl Verdict {
    pub(crate) fn new(action: Action, log: bool) -> Self {
        let kind = match action {
            Action::Block => Kind::Block,
            Action::Reject => Kind::Reject,
            Action::Pass => Kind::Pass,
        };
        Self { kind, log }
    }

    /// To be judged by other rules no more (this way), or to end in one of the chains for that.
    fn statement(self) -> String {
        match (self.kind, self.log) {
            (Kind::Pass, false) => "return".to_owned(),
            _ => format!("goto {self}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Block => "block",
            Kind::Reject => "refuse",
            Kind::Pass => "pass",
        })?;
        f.write_str(if self.log { "_log" } else { "" })
    }
}

/// Which packets a redirection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// To any address of the host.
    Anywhere,
    /// To any address of the host, through a network of Kleene's.
    Networks,
    /// Through one interface, to an address it has at that moment.
    On,
    /// From the host itself and from containers, to an address of the host.
    At,
}

/// A chain whose rules depend on which sets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chain {
    /// A guard: who returns from it was admitted, or met no objection. Made when the first of its kind is.
    Guard(Way, Place),
    In,
    Out,
    Prerouting,
    RedirectOwn,
    Postrouting,
}

impl Chain {
    /// Those of every table.
    pub(crate) const ALL: [Self; 5] = [
        Self::In,
        Self::Out,
        Self::Prerouting,
        Self::RedirectOwn,
        Self::Postrouting,
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Guard(way, place) => format!("guard_{}_{}", place.name(), way.name()),
            Self::In => "in".to_owned(),
            Self::Out => "out".to_owned(),
            Self::Prerouting => "published".to_owned(),
            Self::RedirectOwn => "published_own".to_owned(),
            Self::Postrouting => "translated".to_owned(),
        }
    }

    /// Whether it has to be made before it is used.
    pub(crate) fn is_made_on_demand(self) -> bool {
        matches!(self, Self::Guard(..))
    }
}

impl Set {
    /// Whether it is there even when it is empty.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::Networks | Self::Bridges | Self::Hairpins)
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self, Self::Redirect(..))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Networks => "networks".to_owned(),
            Self::Bridges => "bridges".to_owned(),
            Self::Hairpins => "hairpins".to_owned(),
            Self::Filter(Shape {
                way,
                phase,
                level,
                verdict,
                on_networks,
                fields,
            }) => {
                let way = way.name();
                let networks = if *on_networks { "_networks" } else { "" };
                format!(
                    "{way}_{}{level}_{verdict}{networks}{}",
                    phase.name(),
                    names(fields)
                )
            }
            Self::Masquerade(fields) => format!("masquerade{}", names(fields)),
            Self::Closed(family) => format!("closed{}", digit(*family)),
            Self::Redirect(arrival, family) => {
                let arrival = match arrival {
                    Arrival::Anywhere => "",
                    Arrival::Networks => "_networks",
                    Arrival::On => "_on",
                    Arrival::At => "_at",
                };
                format!("redirect{}{arrival}", digit(*family))
            }
        }
    }

    /// The type of its elements, as `add set` wants it.
    pub(crate) fn data_type(&self) -> String {
        match self {
            Self::Networks | Self::Bridges => "ifname".to_owned(),
            Self::Hairpins => "ifname . ifname".to_owned(),
            Self::Filter(Shape { fields, .. }) | Self::Masquerade(fields) => {
                concatenated(fields, |field| field.data_type().to_owned())
            }
            Self::Closed(family) => Field::Destination(*family, 0).data_type().to_owned(),
            Self::Redirect(arrival, family) => {
                let address = Field::Destination(*family, 0).data_type();
                let key = match arrival {
                    Arrival::Anywhere | Arrival::Networks => String::new(),
                    Arrival::On => "ifname . ".to_owned(),
                    Arrival::At => format!("{address} . "),
                };
                format!("{key}inet_proto . inet_service : {address} . inet_service")
            }
        }
    }

    /// Its rules, by chain.
    pub(crate) fn rules(&self) -> Vec<(Chain, String)> {
        let name = self.name();
        match self {
            Self::Networks | Self::Bridges | Self::Hairpins => Vec::new(),
            Self::Filter(shape) => {
                let chain = match shape.way {
                    Way::In => Chain::In,
                    Way::Out => Chain::Out,
                };
                let networks = match shape.on_networks {
                    true => format!("{} @networks ", shape.way.interface()),
                    false => String::new(),
                };
                let key = concatenated(&shape.fields, |field| field.expression(shape.way));
                let rule = format!("{networks}{key} @{name} {}", shape.verdict.statement());
                match shape.phase {
                    Phase::Guard(place) => {
                        let guard = Chain::Guard(shape.way, place);
                        vec![(guard, rule), (chain, format!("jump {}", guard.name()))]
                    }
                    _ => vec![(chain, rule)],
                }
            }
            Self::Masquerade(fields) => {
                let key = concatenated(fields, |field| field.expression(Way::Out));
                vec![(Chain::Postrouting, format!("{key} @{name} masquerade"))]
            }
            Self::Closed(family) => {
                let rule = format!("{} daddr @{name} return", header(*family));
                vec![(Chain::Prerouting, rule.clone()), (Chain::RedirectOwn, rule)]
            }
            Self::Redirect(arrival, family) => {
                let header = header(*family);
                let dnat = |key: &str| format!("dnat {header} to {key}meta l4proto . th dport map @{name}");
                match arrival {
                    Arrival::Anywhere => {
                        let rule = format!("fib daddr type local {}", dnat(""));
                        vec![(Chain::Prerouting, rule.clone()), (Chain::RedirectOwn, rule)]
                    }
                    Arrival::Networks => {
                        vec![(
                            Chain::Prerouting,
                            format!("iifname @networks fib daddr type local {}", dnat("")),
                        )]
                    }
                    Arrival::On => {
                        vec![(
                            Chain::Prerouting,
                            format!("fib daddr . iif type local {}", dnat("iifname . ")),
                        )]
                    }
                    Arrival::At => {
                        let rule = dnat(&format!("{header} daddr . "));
                        vec![
                            (Chain::Prerouting, format!("iifname @bridges {rule}")),
                            (Chain::RedirectOwn, rule),
                        ]
                    }
                }
            }
        }
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("_{}", field.name())).collect()
}

/// A rule of an owner, or a part of one: an element of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    pub(crate) set: Set,
    pub(crate) key: String,
    /// What a map maps the key to.
    pub(crate) value: Option<String>,
}
