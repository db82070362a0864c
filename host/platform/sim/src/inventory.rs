//! All that is on a simulated host, as lines: to be printed, compared and put into golden files.

use std::collections::BTreeMap;
use std::fmt;

/// What is on the host: an object per entry, such as `interface kleene0`, with what there is to say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    lines: BTreeMap<String, String>,
}

impl Inventory {
    pub(crate) fn new(lines: BTreeMap<String, String>) -> Self {
        Self { lines }
    }

    /// The objects with what there is to say about each.
    #[must_use]
    pub fn lines(&self) -> &BTreeMap<String, String> {
        &self.lines
    }

    /// What became of the host since an earlier inventory: `+` what is new, `-` what is gone; what changed is both.
    /// Empty: nothing.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> String {
        let mut changes = Vec::new();
        for (key, value) in &earlier.lines {
            if self.lines.get(key) != Some(value) {
                changes.push(format!("- {}", line(key, value)));
            }
        }
        for (key, value) in &self.lines {
            if earlier.lines.get(key) != Some(value) {
                changes.push(format!("+ {}", line(key, value)));
            }
        }
        changes.join("\n")
    }
}

impl fmt::Display for Inventory {
    /// A line per object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines
            .iter()
            .try_for_each(|(key, value)| writeln!(f, "{}", line(key, value)))
    }
}

fn line(key: &str, value: &str) -> String {
    if value.is_empty() {
        key.to_owned()
    } else {
        format!("{key}: {value}")
    }
}
