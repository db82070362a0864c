//! From typed rules to the text of pf(4) anchors. Pure: nothing is loaded here.
//!
//! An owner has up to two anchors below `kleene/`. pf evaluates the anchors of `kleene/*` in alphabetical order
//! (pf.conf(5), "ANCHORS"), so their names begin with their place: guards and what is not to be redirected, rules of
//! networks, rules of endpoints. With
//! that, pf's own order (the first `quick` match, else the last match) is the one that the rules' documentation
//! promises across owners.
//!
//! The text holds no macro, no table and no name of a host, only literals, and no translation that passes. An
//! interface whose name means something else in pf.conf(5) is refused.

mod compile;
#[cfg(test)]
mod golden;
mod guard;
mod interface;
#[cfg(test)]
mod parse;
#[cfg(test)]
mod properties;

use kleene_plan::{Owner, Rule};
use kleene_platform::Result;

/// The interface group that all interfaces of Kleene's networks are in.
pub const GROUP: &str = "kleene";

/// The loopback interface.
pub const LOOPBACK: &str = "lo0";

/// An anchor with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Its name, as `pfctl -a` wants it.
    pub name: String,
    /// What `pfctl -f -` loads into it. Empty: it has nothing to hold.
    pub text: String,
}

/// The names of all anchors that an owner can have. To take its rules away is to flush these.
#[must_use]
pub fn anchors(owner: &Owner) -> [String; 2] {
    let place = match owner {
        Owner::Network(_) => 2,
        Owner::Endpoint(_) => 3,
    };
    [
        format!("kleene/1-guard-{owner}"),
        format!("kleene/{place}-{owner}"),
    ]
}

/// The anchors of an owner, both of them, the guards' first.
///
/// # Errors
/// [`PlatformError::NotSupported`](kleene_platform::PlatformError::NotSupported), with the rule, for one that no
/// packet could match or that pf cannot express.
pub fn compile(owner: &Owner, rules: &[Rule]) -> Result<[Anchor; 2]> {
    let [guards, rest] = anchors(owner);
    let has_guards = rules.iter().any(|rule| matches!(rule, Rule::Guard(_)));
    let mut first = if has_guards {
        guard::Text::new(owner, rules)?
    } else {
        guard::Text::default()
    };
    first.translations.push_str(&compile::kept(owner, rules));
    Ok([
        Anchor {
            name: guards,
            text: first.translations + &first.filters,
        },
        Anchor {
            name: rest,
            // The first translation that matches is done: where guards know packets by it, it stands with them.
            text: compile::text(owner, rules, !has_guards)?,
        },
    ])
}
