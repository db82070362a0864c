//! Dockerfiles: what they say, and what each instruction does.
//!
//! There are two dialects. [`classic`] is what Kleene's users know since 0.1; [`docker`] is what everybody else writes.
//! A Dockerfile is read by the first that understands it ([`mod@read`]). Variables are replaced here and each step becomes
//! actions that the host performs: no shell of the host is ever involved, and nothing of a Dockerfile is run anywhere
//! but in the build container.

pub mod classic;
pub mod docker;
mod problem;
pub mod read;

use kleene_sdk::build::{
    Action, BuildState, Builder, Dialect, Instruction, ParseError, Parsed, Plugin, Variable,
};
use kleene_sdk::{PluginError, PluginInfo};

/// The plugin.
pub struct DockerfileBuilder;

kleene_sdk::export_build_plugin!(DockerfileBuilder);

impl Plugin for DockerfileBuilder {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: docker::KEYWORDS.map(str::to_owned).to_vec(),
        }
    }
}

impl Builder for DockerfileBuilder {
    fn parse(dockerfile: String, steps: Vec<String>) -> Result<Parsed, ParseError> {
        read::dockerfile(&dockerfile, &steps)
    }

    fn expand(step: Instruction, state: BuildState) -> Result<Vec<Action>, PluginError> {
        match state.dialect {
            Dialect::Classic => classic::expand::expand(step, &state),
            Dialect::Docker => docker::expand::expand(step, &state),
        }
    }

    fn expand_variables(line: String, text: String, variables: Vec<Variable>) -> Result<String, PluginError> {
        classic::expand::substituted(&line, &text, &variables)
    }
}
