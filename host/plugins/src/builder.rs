//! Asking the builder what a Dockerfile says, and what each of its instructions does.

use std::sync::Arc;

use crate::action::BuildAction;
use crate::bindings::build::BuildPluginIndices;
use crate::bindings::build::exports::kleene::plugin::builder as wit;
use crate::convert::{
    actions_from_wit, dialect_from_wit, instruction_from_wit, instruction_to_wit, state_to_wit,
    variable_to_wit,
};
use crate::dockerfile::{BuildState, Instruction, ParseError, Parsed, Variable};
use crate::error::PluginError;
use crate::guest::Guest;

/// The plugin that reads Dockerfiles.
#[derive(Clone)]
pub struct Builder(pub(crate) Arc<Guest<BuildPluginIndices>>);

impl Builder {
    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.name()
    }

    /// What a Dockerfile says, or where it is wrong. `steps` are the keywords of build steps.
    ///
    /// # Errors
    /// How the plugin failed.
    pub fn parse(
        &self,
        dockerfile: &str,
        steps: &[String],
    ) -> Result<Result<Parsed, ParseError>, PluginError> {
        const CALL: &str = "parse";
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_builder()
                .call_parse(store, dockerfile, steps)
        })?;
        Ok(match answer {
            Ok(parsed) => {
                self.0.check_length(CALL, parsed.instructions.len())?;
                Ok(Parsed {
                    dialect: dialect_from_wit(parsed.dialect),
                    instructions: parsed
                        .instructions
                        .into_iter()
                        .map(instruction_from_wit)
                        .collect(),
                })
            }
            Err(wit::ParseError {
                line,
                words,
                message,
                reason,
                hint,
            }) => Err(ParseError {
                line,
                words,
                message,
                reason,
                hint,
            }),
        })
    }

    /// What an instruction does in a build that stands at `state`. An instruction of another plugin is asked of
    /// [`BuildSteps`](crate::BuildSteps).
    ///
    /// # Errors
    /// Why it cannot be done, in the plugin's words, or how the plugin failed.
    pub fn expand(&self, step: &Instruction, state: &BuildState) -> Result<Vec<BuildAction>, PluginError> {
        const CALL: &str = "expand";
        let (step, state) = (instruction_to_wit(step), state_to_wit(state));
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin.kleene_plugin_builder().call_expand(store, &step, &state)
        })?;
        let actions = answer.map_err(|error| self.0.refused(error))?;
        self.0.check_length(CALL, actions.len())?;
        Ok(actions_from_wit(actions))
    }

    /// A text with variables, quotes and backslashes replaced as a shell would. `line` is the instruction it is of,
    /// for the message if it cannot be done.
    ///
    /// # Errors
    /// `failed environment substition of: <line>`, or how the plugin failed.
    pub fn expand_variables(
        &self,
        line: &str,
        text: &str,
        variables: &[Variable],
    ) -> Result<String, PluginError> {
        let variables: Vec<_> = variables.iter().map(variable_to_wit).collect();
        let answer = self.0.call("expand-variables", |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_builder()
                .call_expand_variables(store, line, text, &variables)
        })?;
        answer.map_err(|error| self.0.refused(error))
    }
}
