//! Asking build steps what an instruction of theirs does.

use std::collections::BTreeMap;
use std::sync::Arc;

use kleene_plan::Denied;

use crate::action::BuildAction;
use crate::bindings::step::StepPluginIndices;
use crate::bindings::step::exports::kleene::plugin::build_step as wit;
use crate::convert::{actions_from_wit, state_to_wit};
use crate::dockerfile::{BuildState, Instruction, InstructionKind};
use crate::error::PluginError;
use crate::guest::Guest;

/// All build steps of a site, by their keywords.
#[derive(Clone, Default)]
pub struct BuildSteps(BTreeMap<String, Step>);

/// A keyword's plugin, or what is wrong with it.
#[derive(Clone)]
pub(crate) enum Step {
    Ready(Arc<Guest<StepPluginIndices>>),
    Broken { plugin: String, reason: String },
}

impl FromIterator<(String, Step)> for BuildSteps {
    fn from_iter<I: IntoIterator<Item = (String, Step)>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl BuildSteps {
    /// The keywords, sorted. Those of plugins that cannot be used are among them, so that whoever writes one is told
    /// why it is not done.
    #[must_use]
    pub fn keywords(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// What an instruction of another plugin than the builder does in a build that stands at `state`. Every action is
    /// within the grant of its plugin.
    ///
    /// # Errors
    /// If no plugin serves the instruction, in the plugin's words why it cannot be done, how the plugin failed, or what
    /// it asked for that it may not.
    pub fn expand(
        &self,
        instruction: &Instruction,
        state: &BuildState,
    ) -> Result<Vec<BuildAction>, PluginError> {
        let InstructionKind::Other { keyword, arguments } = &instruction.kind else {
            return Err(PluginError::UnknownStep {
                keyword: instruction.text.clone(),
                known: self.keywords(),
            });
        };
        let guest = match self.0.get(keyword) {
            Some(Step::Ready(guest)) => guest,
            Some(Step::Broken { plugin, reason }) => {
                return Err(PluginError::Broken {
                    plugin: plugin.clone(),
                    reason: reason.clone(),
                });
            }
            None => {
                return Err(PluginError::UnknownStep {
                    keyword: keyword.clone(),
                    known: self.keywords(),
                });
            }
        };
        let step = wit::Step {
            line: instruction.line,
            text: instruction.text.clone(),
            keyword: keyword.clone(),
            arguments: arguments.clone(),
        };
        ask(guest, &step, state)
    }
}

fn ask(
    guest: &Guest<StepPluginIndices>,
    step: &wit::Step,
    state: &BuildState,
) -> Result<Vec<BuildAction>, PluginError> {
    const CALL: &str = "expand";
    let state = state_to_wit(state);
    let answer = guest.call(CALL, |world, store, instance| {
        let plugin = world.load(&mut *store, instance)?;
        plugin.kleene_plugin_build_step().call_expand(store, step, &state)
    })?;
    let actions = answer.map_err(|error| guest.refused(error))?;
    guest.check_length(CALL, actions.len())?;
    let actions = actions_from_wit(actions);
    for action in &actions {
        let allowed = match action.capability() {
            Some(capability) => guest.holds(capability, action),
            None => Err(Denied::HostOnly {
                step: action.to_string(),
            }),
        };
        allowed.map_err(|denied| guest.denied(CALL, denied))?;
    }
    Ok(actions)
}
