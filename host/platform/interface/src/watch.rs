//! Noticing that somebody else changed what Kleene put into the firewall.

use std::fmt::Debug;

use crate::Result;

/// An eye on the firewall.
///
/// Between two waits nothing is missed: a platform that is told of changes (nfnetlink on Linux) keeps those that
/// happened meanwhile, and one that has to look (at the labels of the rules in pf's anchors) compares with what it saw
/// before. Looking must be cheap and happen several times per second.
pub trait Watch: Debug + Send {
    /// Waits until rules or tables of Kleene's were changed by somebody else: flushed, deleted, or replaced. From then on
    /// [`would_change`](crate::Platform::would_change) says of the rules that were lost that they would change
    /// something. Changes by Kleene itself and of what belongs to others do not end the wait.
    ///
    /// # Errors
    /// If the host does not tell any more: then waiting again is of no use.
    fn wait(&mut self) -> Result<()>;
}
