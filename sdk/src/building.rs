//! Where a build stands.

use std::collections::BTreeMap;

use crate::build::{BuildState, Variable};

impl BuildState {
    /// The variables in force, by name: what ENV set wins over what ARG declared.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        let by_name: BTreeMap<_, _> = self
            .args
            .iter()
            .chain(&self.env)
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect();
        by_name
            .into_iter()
            .map(|(name, value)| Variable { name, value })
            .collect()
    }
}
