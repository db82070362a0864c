//! Guards. pf has no rule that says *this one may be judged by the others*: a line that admits tags the packet, and a
//! line that refuses takes packets without that tag. A tag stays with the packet though a later rule decides
//! (pf.conf(5), `tag`), so the first line that matches is the one that counts, and each guard has tags of its own.
//!
//! pf translates before it filters: behind `nat` a packet no longer has the address that a guard knows it by. Where a
//! set of rules has both, the translation tags the packet, and each line of the guard has a companion for that tag.

use ipnet::IpNet;
use kleene_plan::{Action, Direction, Family, FilterRule, Guard, Guarded, NatRule, Owner, Rule};
use kleene_platform::Result;

use super::compile::{DISCOVERY, af, filter, impossible, line_of, nat};
use super::interface::literal;

/// The text of the anchor that holds guards. pf wants translations before filter rules.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Those that guards know packets by.
    pub(super) translations: String,
    pub(super) filters: String,
}

impl Text {
    /// # Errors
    /// For a rule that cannot be.
    pub(super) fn new(owner: &Owner, rules: &[Rule]) -> Result<Self> {
        let hidden = |(number, rule)| Hidden { owner, number, rule };
        let hidden: Vec<_> = rules.iter().filter_map(nat_of).enumerate().map(hidden).collect();
        let translations: Result<String> = hidden
            .iter()
            .map(|hidden| nat(hidden.rule, Some(&hidden.tag(0))))
            .collect();
        Ok(Self {
            translations: translations?,
            filters: filters(owner, rules, &hidden)?,
        })
    }
}

fn filters(owner: &Owner, rules: &[Rule], hidden: &[Hidden<'_>]) -> Result<String> {
    let mut text = String::new();
    let mut asked = vec![0; hidden.len()];
    let guards = rules.iter().filter_map(|rule| match rule {
        Rule::Guard(guard) => Some(guard),
        _ => None,
    });
    for (number, guard) in guards.enumerate() {
        discovery(guard, &mut text)?;
        lines(owner, number, guard, &mut text)?;
        if let Guarded::From(net) = &guard.guarded {
            for (hidden, asked) in hidden.iter().zip(&mut asked) {
                if hidden.is(net, guard)? {
                    hidden.lines(*asked, guard, &mut text)?;
                    *asked += 1;
                }
            }
        }
    }
    Ok(text)
}

fn nat_of(rule: &Rule) -> Option<&NatRule> {
    match rule {
        Rule::Nat(rule) => Some(rule),
        _ => None,
    }
}

/// Hosts find their neighbours whatever a guard says.
fn discovery(guard: &Guard, text: &mut String) -> Result<()> {
    let packets = match &guard.guarded {
        Guarded::Arriving(name) => format!(
            "in quick on {} inet6 proto ipv6-icmp from any to any",
            literal(name)?
        ),
        Guarded::From(net) if net.addr().is_ipv6() => {
            format!("quick inet6 proto ipv6-icmp from {} to any", net.trunc())
        }
        Guarded::To(net) if net.addr().is_ipv6() => {
            format!("quick inet6 proto ipv6-icmp from any to {}", net.trunc())
        }
        Guarded::From(_) | Guarded::To(_) => return Ok(()),
    };
    line_of(text, format_args!("pass {packets} {DISCOVERY}"));
    Ok(())
}

fn lines(owner: &Owner, number: usize, guard: &Guard, text: &mut String) -> Result<()> {
    let id = id(owner);
    for rule in guard.as_filters() {
        let ways: &[Direction] = match rule.direction {
            Direction::Both => &[Direction::In, Direction::Out],
            Direction::In => &[Direction::In],
            Direction::Out => &[Direction::Out],
        };
        for way in ways {
            // A forwarded packet keeps its tags between its way in and its way out.
            let side = if *way == Direction::In { "in" } else { "out" };
            let tag = format!("kleene_{id}_{number}_{side}");
            let judged = judged(&rule, *way);
            for line in filter(&judged)? {
                match rule.action {
                    Action::Pass => line_of(text, format_args!("{line} tag {tag}")),
                    Action::Block | Action::Reject => line_of(text, format_args!("{line} ! tagged {tag}")),
                }
            }
        }
    }
    Ok(())
}

/// To admit is not to decide: only a refusal is quick.
fn judged(rule: &FilterRule, way: Direction) -> FilterRule {
    FilterRule {
        direction: way,
        quick: rule.action != Action::Pass,
        ..rule.clone()
    }
}

/// Packets that a translation has hidden by the time they are filtered.
struct Hidden<'a> {
    owner: &'a Owner,
    number: usize,
    rule: &'a NatRule,
}

impl Hidden<'_> {
    /// What a packet is tagged with after so many guards admitted it.
    fn tag(&self, guards: usize) -> String {
        format!("kleene_{}_nat{}_{guards}", id(self.owner), self.number)
    }

    /// Whether these are the packets from those addresses.
    ///
    /// # Errors
    /// If some of them are: a tag cannot tell which.
    fn is(&self, net: &IpNet, guard: &Guard) -> Result<bool> {
        let (hidden, net) = (self.rule.from.trunc(), net.trunc());
        if hidden == net {
            return Ok(true);
        }
        if hidden.contains(&net) || net.contains(&hidden) {
            return Err(impossible(
                guard,
                "pf can guard what it hides only by the same subnet or address",
            ));
        }
        Ok(false)
    }

    fn lines(&self, asked: usize, guard: &Guard, text: &mut String) -> Result<()> {
        let (before, after) = (self.tag(asked), self.tag(asked + 1));
        let mut any = None;
        for rule in guard.as_filters() {
            let judged = FilterRule {
                from: kleene_plan::Address::Any,
                ..judged(&rule, Direction::Out)
            };
            let of_family = format!(" {} ", af(Family::of(self.rule.from.addr())));
            for line in filter(&judged)?.iter().filter(|line| line.contains(&of_family)) {
                match rule.action {
                    Action::Pass => line_of(text, format_args!("{line} tagged {before} tag {after}")),
                    Action::Block | Action::Reject => line_of(text, format_args!("{line} tagged {before}")),
                }
            }
            any = Some(of_family);
        }
        if let Some(of_family) = any {
            line_of(
                text,
                format_args!("pass out{of_family}from any to any tagged {before} tag {after}"),
            );
        }
        Ok(())
    }
}

fn id(owner: &Owner) -> &str {
    match owner {
        Owner::Network(id) | Owner::Endpoint(id) => id.as_str(),
    }
}
