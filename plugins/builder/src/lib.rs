//! Dockerfiles: what they say, and what each instruction does.
//!
//! Instructions are read by the rules that Kleene's users know ([`classic`]), variables are replaced as a shell would
//! do it ([`substitute`]), and each step becomes actions that the host performs ([`step`]). No shell of the host is
//! ever involved, and nothing of a Dockerfile is run anywhere but in the build container.

pub mod classic;
pub mod step;
pub mod substitute;

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
            serves: classic::KEYWORDS.map(str::to_owned).to_vec(),
        }
    }
}

impl Builder for DockerfileBuilder {
    fn parse(dockerfile: String, _steps: Vec<String>) -> Result<Parsed, ParseError> {
        Ok(Parsed {
            dialect: Dialect::Classic,
            instructions: classic::dockerfile(&dockerfile)?,
        })
    }

    fn expand(step: Instruction, state: BuildState) -> Result<Vec<Action>, PluginError> {
        step::expand(step, &state)
    }

    fn expand_variables(line: String, text: String, variables: Vec<Variable>) -> Result<String, PluginError> {
        step::substituted(&line, &text, &variables)
    }
}
