//! The table's content in memory, and the nft(8) text that loads it or changes it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use kleene_plan::{InterfaceName, Owner};
use kleene_platform::PlatformError;

use super::field::quoted;
use super::set::{Chain, Element, Set};

/// On whose behalf elements are in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// An interface of one of Kleene's networks.
    Interface(InterfaceName),
    /// A network that uses an interface of the host's.
    Use(Owner, InterfaceName),
    /// An owner of rules.
    Owner(Owner),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => name.fmt(f),
            Self::Use(owner, name) => write!(f, "{owner} on {name}"),
            Self::Owner(owner) => owner.fmt(f),
        }
    }
}

/// What the table holds.
#[derive(Debug, Default)]
pub(crate) struct Ruleset {
    holders: BTreeMap<Holder, BTreeSet<Element>>,
    sets: BTreeMap<Set, BTreeMap<String, Held>>,
}

/// An element as the kernel has it: once, for one holder or several.
#[derive(Debug)]
struct Held {
    value: Option<String>,
    holders: BTreeSet<Holder>,
}

/// What one holder's new elements change.
#[derive(Debug)]
pub(crate) struct Change {
    holder: Holder,
    /// `None`: it holds nothing any more.
    after: Option<BTreeSet<Element>>,
    /// Elements that nobody else holds.
    gone: Vec<Element>,
    new: Vec<Element>,
    sets_gone: BTreeSet<Set>,
    sets_new: BTreeSet<Set>,
}

/// The elements by which an interface of the host's is known as one that a network uses.
pub(crate) fn use_elements(name: &InterfaceName) -> BTreeSet<Element> {
    BTreeSet::from([Element {
        set: Set::Networks,
        key: quoted(name),
        value: None,
    }])
}

/// The elements by which a network's interface is known.
pub(crate) fn interface_elements(name: &InterfaceName) -> BTreeSet<Element> {
    let name = quoted(name);
    let element = |set, key| Element {
        set,
        key,
        value: None,
    };
    BTreeSet::from([
        element(Set::Networks, name.clone()),
        element(Set::Bridges, name.clone()),
        element(Set::Hairpins, format!("{name} . {name}")),
    ])
}

impl Ruleset {
    pub(crate) fn held_by(&self, holder: &Holder) -> Option<&BTreeSet<Element>> {
        self.holders.get(holder)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.holders.values().all(BTreeSet::is_empty)
    }

    /// What it takes that a holder holds exactly these elements.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] with a redirection of the same port for somebody else.
    pub(crate) fn plan(
        &self,
        holder: Holder,
        after: Option<BTreeSet<Element>>,
    ) -> Result<Change, PlatformError> {
        let nothing = BTreeSet::new();
        let old = self.holders.get(&holder).unwrap_or(&nothing);
        let wanted = after.as_ref().unwrap_or(&nothing);
        let gone: Vec<_> = old
            .difference(wanted)
            .filter(|element| self.others(element, &holder) == 0)
            .cloned()
            .collect();
        let mut new = Vec::new();
        for element in wanted.difference(old) {
            match self.held(element) {
                Some(held) if held.value == element.value => {}
                Some(held) if held.holders.iter().any(|other| *other != holder) => {
                    let others: Vec<_> = held.holders.iter().map(ToString::to_string).collect();
                    let object = format!("redirection of port {} for {}", element.key, others.join(", "));
                    return Err(PlatformError::Conflict { object });
                }
                _ => new.push(element.clone()),
            }
        }
        let mut sizes: BTreeMap<&Set, isize> = BTreeMap::new();
        for (elements, step) in [(&gone, -1), (&new, 1)] {
            for element in elements.iter().filter(|element| !element.set.is_permanent()) {
                *sizes.entry(&element.set).or_default() += step;
            }
        }
        let (mut sets_gone, mut sets_new) = (BTreeSet::new(), BTreeSet::new());
        for (set, growth) in sizes {
            let size = self.sets.get(set).map_or(0, BTreeMap::len);
            if size == 0 {
                sets_new.insert(set.clone());
            } else if size.checked_add_signed(growth) == Some(0) {
                sets_gone.insert(set.clone());
            }
        }
        Ok(Change {
            holder,
            after,
            gone,
            new,
            sets_gone,
            sets_new,
        })
    }

    fn held(&self, element: &Element) -> Option<&Held> {
        self.sets.get(&element.set)?.get(&element.key)
    }

    fn others(&self, element: &Element, holder: &Holder) -> usize {
        self.held(element).map_or(0, |held| {
            held.holders.iter().filter(|other| *other != holder).count()
        })
    }

    /// Makes a change in memory.
    pub(crate) fn commit(&mut self, change: Change) {
        let Change { holder, after, .. } = change;
        for element in self.holders.remove(&holder).unwrap_or_default() {
            let Some(set) = self.sets.get_mut(&element.set) else {
                continue;
            };
            if let Some(held) = set.get_mut(&element.key) {
                held.holders.remove(&holder);
                if held.holders.is_empty() {
                    set.remove(&element.key);
                }
            }
            if set.is_empty() {
                self.sets.remove(&element.set);
            }
        }
        let Some(after) = after else { return };
        for element in &after {
            self.sets
                .entry(element.set.clone())
                .or_default()
                .entry(element.key.clone())
                .or_insert_with(|| Held {
                    value: element.value.clone(),
                    holders: BTreeSet::new(),
                })
                .holders
                .insert(holder.clone());
        }
        self.holders.insert(holder, after);
    }

    /// The text of a change. It loads only where the table holds the token, so that no change is made to a table that
    /// somebody emptied or replaced.
    pub(crate) fn text_of(&self, change: &Change, token: Token) -> String {
        let mut text = token.renew();
        for set in &change.sets_new {
            declare(&mut text, set);
        }
        for element in &change.gone {
            if !change.sets_gone.contains(&element.set) {
                line(
                    &mut text,
                    format_args!(
                        "delete element inet kleene {} {{ {} }}",
                        element.set.name(),
                        element.key
                    ),
                );
            }
        }
        for element in &change.new {
            add(
                &mut text,
                &element.set,
                &element.key,
                element.value.as_deref(),
                &change.holder,
            );
        }
        let changed: BTreeSet<Chain> = change
            .sets_new
            .iter()
            .chain(&change.sets_gone)
            .flat_map(Set::rules)
            .map(|(chain, _)| chain)
            .collect();
        let mut sets: BTreeSet<&Set> = self.sets.keys().chain(&change.sets_new).collect();
        sets.retain(|set| !change.sets_gone.contains(set));
        for chain in changed {
            if chain.is_made_on_demand() {
                line(&mut text, format_args!("add chain inet kleene {}", chain.name()));
            }
            line(
                &mut text,
                format_args!("flush chain inet kleene {}", chain.name()),
            );
            fill_static(&mut text, chain);
            fill(&mut text, chain, &sets);
        }
        for set in &change.sets_gone {
            let kind = if set.is_map() { "map" } else { "set" };
            line(
                &mut text,
                format_args!("delete {kind} inet kleene {}", set.name()),
            );
        }
        text
    }

    /// The text that puts this table in the place of whatever there is. Nothing to hold: no table.
    pub(crate) fn text(&self, token: Token) -> String {
        let mut text = String::from("add table inet kleene\ndelete table inet kleene\n");
        if self.is_empty() {
            return text;
        }
        text.push_str(BASE);
        text.push_str(&token.add());
        for chain in Chain::ALL {
            fill_static(&mut text, chain);
        }
        text + &self.rules_text()
    }

    /// The part of the text that is the owners'.
    pub(crate) fn rules_text(&self) -> String {
        let mut text = String::new();
        for set in self.sets.keys().filter(|set| !set.is_permanent()) {
            declare(&mut text, set);
        }
        let sets: BTreeSet<&Set> = self.sets.keys().collect();
        let on_demand: BTreeSet<Chain> = sets
            .iter()
            .flat_map(|set| set.rules())
            .filter_map(|(chain, _)| chain.is_made_on_demand().then_some(chain))
            .collect();
        for chain in &on_demand {
            line(&mut text, format_args!("add chain inet kleene {}", chain.name()));
        }
        for chain in on_demand.into_iter().chain(Chain::ALL) {
            fill(&mut text, chain, &sets);
        }
        for (set, elements) in &self.sets {
            for (key, held) in elements {
                if let Some(holder) = held.holders.first() {
                    add(&mut text, set, key, held.value.as_deref(), holder);
                }
            }
        }
        text
    }
}

/// A number that the table holds as long as it is the one we loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u32);

impl Token {
    fn add(self) -> String {
        format!("add element inet kleene loaded {{ {:#010x} }}\n", self.0)
    }

    /// Fails to load where the token is not in the table; else changes nothing.
    pub(crate) fn renew(self) -> String {
        format!(
            "delete element inet kleene loaded {{ {:#010x} }}\n{}",
            self.0,
            self.add()
        )
    }
}

/// What is in every table of ours. Chains `in` and `out` judge packets by the rules of owners, as pf does when a packet
/// comes in and when it goes out.
const BASE: &str = include_str!("base.nft");

/// The rules of a chain that come before those of the sets.
fn static_rules(chain: Chain) -> &'static [&'static str] {
    match chain {
        Chain::Guard(..) | Chain::In | Chain::Out | Chain::RedirectOwn => &[],
        // Nobody but the host itself reaches what is published on its loopback address.
        Chain::Prerouting => &["iifname != \"lo\" ip daddr 127.0.0.0/8 return"],
        Chain::Postrouting => &[
            // Back the way it came: without the host's address the answer would take the short way, unrecognised.
            "ct status dnat iifname . oifname @hairpins masquerade",
            // From the host itself: the container may have no route back, and to 127.0.0.1 none leads anywhere.
            "ct status dnat oifname @bridges fib saddr type local masquerade",
        ],
    }
}

fn fill_static(text: &mut String, chain: Chain) {
    for rule in static_rules(chain) {
        line(text, format_args!("add rule inet kleene {} {rule}", chain.name()));
    }
}

/// The rules of the sets that belong in a chain. Sets of one guard stand beside each other, and all want the jump there.
fn fill(text: &mut String, chain: Chain, sets: &BTreeSet<&Set>) {
    let mut rules: Vec<_> = sets
        .iter()
        .flat_map(|set| set.rules())
        .filter_map(|(of, rule)| (of == chain).then_some(rule))
        .collect();
    rules.dedup();
    for rule in rules {
        line(text, format_args!("add rule inet kleene {} {rule}", chain.name()));
    }
}

fn declare(text: &mut String, set: &Set) {
    let kind = if set.is_map() { "map" } else { "set" };
    line(
        text,
        format_args!(
            "add {kind} inet kleene {} {{ type {}; }}",
            set.name(),
            set.data_type()
        ),
    );
}

fn add(text: &mut String, set: &Set, key: &str, value: Option<&str>, holder: &Holder) {
    let value = value.map(|value| format!(" : {value}")).unwrap_or_default();
    line(
        text,
        format_args!(
            "add element inet kleene {} {{ {key} comment \"{holder}\"{value} }}",
            set.name()
        ),
    );
}

fn line(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
