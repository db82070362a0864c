//! What an instruction says, with its variables replaced, and what is wrong with it.

use kleene_sdk::PluginError;

use super::paths::absolute;
use super::ports;
use super::variables::{self, Variables};
use crate::problem::without_group;

/// The variables of an instruction, and its text for messages.
pub(super) struct Text<'a> {
    pub(super) line: &'a str,
    pub(super) variables: Variables,
}

impl Text<'_> {
    /// Part of the instruction with its variables replaced.
    pub(super) fn replaced(&self, text: &str) -> Result<String, PluginError> {
        variables::word(text, &self.variables).map_err(|reason| self.not_replaced(&reason))
    }

    /// A here-document with its variables replaced.
    pub(super) fn document(&self, text: &str) -> Result<String, PluginError> {
        variables::document(text, &self.variables).map_err(|reason| self.not_replaced(&reason))
    }

    /// The same of what must not be empty.
    pub(super) fn some(&self, text: &str, what: &str) -> Result<String, PluginError> {
        let replaced = self.replaced(text)?;
        if replaced.trim().is_empty() {
            return Err(self.wrong(format!(
                "{what} is empty: '{text}' has no value here; declare it with ARG and give it a default or --build-arg"
            )));
        }
        Ok(replaced)
    }

    /// The instruction makes no sense; `hint` says what would.
    pub(super) fn wrong(&self, hint: impl Into<String>) -> PluginError {
        PluginError::invalid(format!("error in '{}': invalid instruction", self.line)).hint(hint)
    }

    fn not_replaced(&self, reason: &variables::Reason) -> PluginError {
        // The spelling is the one that Kleene's clients know.
        PluginError::invalid(format!("failed environment substition of: {}", self.line))
            .hint(reason.to_string())
    }

    pub(super) fn user(&self, text: &str) -> Result<String, PluginError> {
        let user = self.some(text, "the user")?;
        if let Some(hint) = without_group(&user) {
            return Err(self.wrong(hint));
        }
        if user.contains(char::is_whitespace) {
            return Err(self.wrong("USER takes one name or number"));
        }
        Ok(user)
    }

    pub(super) fn ports(&self, words: &[String]) -> Result<Vec<String>, PluginError> {
        let mut all = Vec::new();
        for word in words {
            for port in self.some(word, "the port")?.split_whitespace() {
                all.extend(ports::exposed(port).map_err(|hint| self.wrong(format!("'{port}': {hint}")))?);
            }
        }
        Ok(all)
    }

    pub(super) fn volume(&self, text: &str) -> Result<String, PluginError> {
        let directory = self.some(text, "the directory of a volume")?;
        absolute(&directory).ok_or_else(|| {
            self.wrong(format!(
                "the directory of a volume is an absolute path: write /{directory}"
            ))
        })
    }

    pub(super) fn signal(&self, text: &str) -> Result<String, PluginError> {
        let signal = self.some(text, "the signal")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'-';
        if signal.bytes().all(plain) {
            Ok(signal)
        } else {
            Err(self.wrong("a signal is a name such as SIGTERM, or a number"))
        }
    }
}
