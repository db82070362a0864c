//! The firewall: typed rules of many owners in one nftables table, `inet kleene`. Nothing else of the host's rules is
//! looked at or touched, and no table is there while nobody has rules or networks.
//!
//! **Rules are elements.** What differs between the rules of two containers is an address, a port, an interface: values,
//! not structure. So every form of rule (which fields it looks at, how many bits of them, its verdict and its place in
//! the order) has one set, found by one rule in a chain, and an owner's rule is an element of it. Changing an owner adds
//! and deletes elements of hash sets. Neither that nor judging a packet depends on how many owners there are; both
//! depend on the number of forms, which is that of the kinds of rules the plugins write: a dozen.
//!
//! **The order** is pf's across owners: guards, each in a chain of its own; quick rules of networks, quick rules of endpoints, other rules of endpoints,
//! other rules of networks. A forwarded packet is judged on its way in (`in`), then on its way out (`out`); one for the
//! host only by `in`, one from the host only by `out`. Answers to what passed are passed. What no rule blocks passes.
//!
//! **Changes** are single transactions. Each begins by replacing a token in the table: where somebody flushed the
//! ruleset or put an old one in place, that fails, and everything is loaded anew. [`Firewall::would_change`] asks the
//! kernel in the same way, without the change. Changes of our table by others are noticed when they happen: see `watch`.

mod compile;
mod field;
#[cfg(test)]
mod golden;
mod journal;
mod loader;
#[cfg(test)]
mod meaning;
mod monitor;
#[cfg(test)]
mod product;
mod ruleset;
mod set;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use compile::interfaces_of_redirections;
use compile::{Addresses, compile};
use journal::{Entry, Journal};
use kleene_plan::{Id, InterfaceName, Owner, Rule};
use kleene_platform::Result;
use loader::{Loader, Mode};
use monitor::Generations;
use ruleset::{Holder, Ruleset, Token, interface_elements, use_elements};
use set::Element;
pub(crate) use watch::FirewallWatch;
use watch::Own;

use crate::failure::OrFailed;

/// The firewall of a network namespace: the one of the thread that opens it.
#[derive(Debug)]
pub(crate) struct Firewall {
    journal: Journal,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    loader: Loader,
    ruleset: Ruleset,
    /// In the kernel's table when it is the one we loaded; `None`: never loaded.
    token: Option<Token>,
    /// Whether this daemon has loaded the whole table: then what it knows is all there is. Before, the last one may have
    /// ended in the midst of a change.
    is_certain: bool,
    /// Whether somebody else has changed the table since it was loaded.
    is_suspect: bool,
    generations: Generations,
    own: Own,
}

impl Firewall {
    /// Remembers what the last daemon loaded. Nothing is changed.
    pub(crate) fn open(directory: PathBuf, networks: &BTreeSet<InterfaceName>) -> Result<Self> {
        let action = || format!("read the firewall's journal at {}", directory.display());
        let (journal, token) = Journal::open(directory.clone()).or_failed(action)?;
        let mut ruleset = Ruleset::default();
        for name in networks {
            let change = ruleset.plan(Holder::Interface(name.clone()), Some(interface_elements(name)))?;
            ruleset.commit(change);
        }
        for (owner, entry) in journal.entries().or_failed(action)? {
            let change = compile(&owner, &entry.rules, &entry.addresses)
                .and_then(|elements| ruleset.plan(Holder::Owner(owner.clone()), Some(elements)));
            match change {
                Ok(change) => ruleset.commit(change),
                // Whoever compares what is with what should be will set them again, and be told why not.
                Err(error) => tracing::error!("the firewall rules of {owner} are not taken over: {error}"),
            }
        }
        let state = State {
            loader: Loader::open(),
            ruleset,
            token,
            is_certain: false,
            is_suspect: false,
            generations: Generations::open()
                .or_failed(|| "open a netlink socket for the firewall".to_owned())?,
            own: Own::default(),
        };
        Ok(Self {
            journal,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether setting an owner's rules, or clearing them, would change the kernel's.
    pub(crate) fn would_change(&self, owner: &Owner, rules: Option<(&[Rule], &Addresses)>) -> Result<bool> {
        let wanted = rules
            .map(|(rules, addresses)| compile(owner, rules, addresses))
            .transpose()?;
        let mut state = self.state();
        let held = state.ruleset.held_by(&Holder::Owner(owner.clone()));
        // Clearing rules that nobody set is nothing, whatever the table holds.
        let Some(held) = held else {
            return Ok(wanted.is_some());
        };
        Ok(wanted.as_ref() != Some(held) || !state.is_loaded())
    }

    /// Makes these all the rules of an owner.
    pub(crate) fn set(&self, owner: &Owner, rules: &[Rule], addresses: Addresses) -> Result<()> {
        let elements = compile(owner, rules, &addresses)?;
        self.change(Holder::Owner(owner.clone()), Some(elements), || {
            format!("load the firewall rules of {owner}")
        })?;
        let entry = Entry {
            rules: rules.to_vec(),
            addresses,
        };
        self.journal
            .write(owner, &entry)
            .or_failed(|| format!("write down the firewall rules of {owner}"))
    }

    /// Takes all rules of an owner away.
    pub(crate) fn clear(&self, owner: &Owner) -> Result<()> {
        self.change(Holder::Owner(owner.clone()), None, || {
            format!("remove the firewall rules of {owner}")
        })?;
        self.journal
            .forget(owner)
            .or_failed(|| format!("forget the firewall rules of {owner}"))
    }

    /// Counts an interface among those of Kleene's networks.
    pub(crate) fn add_network(&self, name: &InterfaceName) -> Result<()> {
        self.change(
            Holder::Interface(name.clone()),
            Some(interface_elements(name)),
            || format!("make interface {name} known to the firewall"),
        )
    }

    /// No longer counts an interface among those of Kleene's networks.
    pub(crate) fn remove_network(&self, name: &InterfaceName) -> Result<()> {
        self.change(Holder::Interface(name.clone()), None, || {
            format!("take interface {name} out of the firewall")
        })
    }

    /// Whether a network is known to use an interface of the host's.
    pub(crate) fn is_used(&self, name: &InterfaceName, owner: &Owner) -> bool {
        let holder = Holder::Use(owner.clone(), name.clone());
        self.state().ruleset.held_by(&holder).is_some()
    }

    /// Whether [`use_interface`](Self::use_interface) would change anything.
    pub(crate) fn would_use(&self, name: &InterfaceName, owner: &Owner) -> bool {
        !self.is_used(name, owner) || !self.state().is_loaded()
    }

    /// Counts an interface of the host's among those of Kleene's networks, on behalf of one of them.
    pub(crate) fn use_interface(&self, name: &InterfaceName, owner: &Owner) -> Result<()> {
        let holder = Holder::Use(owner.clone(), name.clone());
        self.change(holder, Some(use_elements(name)), || {
            format!("make interface {name} known to the firewall")
        })
    }

    /// No longer counts it, unless another network uses it.
    pub(crate) fn release_interface(&self, name: &InterfaceName, owner: &Owner) -> Result<()> {
        let holder = Holder::Use(owner.clone(), name.clone());
        self.change(holder, None, || {
            format!("take interface {name} out of the firewall")
        })
    }

    fn change(
        &self,
        holder: Holder,
        after: Option<BTreeSet<Element>>,
        action: impl Fn() -> String,
    ) -> Result<()> {
        let mut state = self.state();
        let held = state.ruleset.held_by(&holder);
        // Without a token none of our daemons has loaded anything since the host was started.
        if held.is_none() && after.is_none() && (state.is_certain || state.token.is_none()) {
            return Ok(());
        }
        if held == after.as_ref() && state.is_certain && state.is_loaded() {
            return Ok(());
        }
        let change = state.ruleset.plan(holder.clone(), after)?;
        if let (true, false, Some(token)) = (state.is_certain, state.is_suspect, state.token) {
            let text = state.ruleset.text_of(&change, token);
            match state.load(&text) {
                Ok(()) => {
                    state.ruleset.commit(change);
                    return if state.ruleset.is_empty() {
                        self.load_all(&mut state, &action)
                    } else {
                        Ok(())
                    };
                }
                Err(reason) => tracing::warn!("could not {}: {reason}; everything is loaded anew", action()),
            }
        }
        let before = state.ruleset.held_by(&holder).cloned();
        state.ruleset.commit(change);
        self.load_all(&mut state, &action).inspect_err(|_| {
            // What the kernel refused is not kept in mind either.
            if let Ok(back) = state.ruleset.plan(holder, before) {
                state.ruleset.commit(back);
            }
        })
    }

    fn load_all(&self, state: &mut State, action: &impl Fn() -> String) -> Result<()> {
        let token = match state.token {
            Some(token) => token,
            // Written down first, so that a table is never there without the next daemon's knowledge.
            None => {
                let token = new_token();
                self.journal
                    .write_token(token)
                    .or_failed(|| "write down that the firewall is loaded".to_owned())?;
                *state.token.insert(token)
            }
        };
        let text = state.ruleset.text(token);
        state.load(&text).or_failed(action)?;
        state.is_certain = true;
        state.is_suspect = false;
        Ok(())
    }
}

impl State {
    /// Loads a text, and remembers that this change is our own.
    fn load(&mut self, text: &str) -> std::result::Result<(), String> {
        let before = self.generations.present();
        self.loader.run(text, Mode::Load)?;
        if let (Ok(before), Ok(after)) = (before, self.generations.present()) {
            self.own.remember(before, after);
        }
        Ok(())
    }

    fn is_loaded(&mut self) -> bool {
        let Some(token) = self.token.filter(|_| !self.is_suspect) else {
            return false;
        };
        // Nothing has happened since our last change: no need to ask further.
        let is_latest = |present| self.own.latest() == Some(present);
        self.generations.present().is_ok_and(is_latest)
            || self.loader.run(&token.renew(), Mode::Check).is_ok()
    }
}

fn new_token() -> Token {
    // Ids are random; eight of their digits are enough to tell two tables apart.
    let id = Id::generate();
    Token(
        id.as_str()
            .bytes()
            .take(8)
            .fold(0, |sum, digit| sum << 4 | u32::from(digit & 0xf)),
    )
}

/// The text that an owner's rules alone would be loaded by.
pub(crate) fn render(
    owner: &Owner,
    rules: &[Rule],
    addresses: &BTreeMap<InterfaceName, Vec<IpAddr>>,
) -> String {
    let mut ruleset = Ruleset::default();
    let change = compile(owner, rules, addresses)
        .and_then(|elements| ruleset.plan(Holder::Owner(owner.clone()), Some(elements)));
    match change {
        Ok(change) => {
            ruleset.commit(change);
            ruleset.rules_text()
        }
        Err(error) => format!("# {error}\n"),
    }
}
