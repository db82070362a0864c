//! What stands before the first FROM: ARGs. And the variables that are there without one: which platform is built on, and
//! for which.

use kleene_oci::Platform;
use kleene_plugins::{BuildAction, BuildState, Dialect, Instruction, Variable};

use super::event::BuildEvent;
use super::graph::Graph;
use super::problem::{BuildProblem, Refusal};
use super::request::Request;
use super::stage::set;
use crate::error::EngineError;

/// Does what stands before the first FROM. Returns where stages begin.
pub(super) fn done(
    request: &Request<'_>,
    graph: &Graph,
    tell: &mut dyn FnMut(BuildEvent),
) -> Result<BuildState, BuildProblem> {
    let mut state = request.initial_state();
    if request.dialect == Dialect::Docker {
        state.args = platform_variables(&Platform::of_this_host(), &state.build_arguments);
    }
    let total = request.instructions.len();
    for (at, instruction) in request.instructions[graph.preamble.clone()].iter().enumerate() {
        tell(BuildEvent::Step {
            index: at + 1,
            total,
            line: instruction.text.clone(),
        });
        let done = declare(request, instruction, &mut state);
        if let Some(problem) = done
            .err()
            .and_then(|refusal| request.problem(instruction, refusal))
        {
            return Err(problem);
        }
    }
    if request.dialect == Dialect::Docker {
        state.globals = std::mem::take(&mut state.args);
    }
    Ok(state)
}

fn declare(request: &Request<'_>, instruction: &Instruction, state: &mut BuildState) -> Result<(), Refusal> {
    for action in request.expand(instruction, state)? {
        match action {
            BuildAction::DeclareArg(variable) => set(&mut state.args, variable),
            other => {
                return Err(EngineError::invalid(format!("there is no image yet: cannot {other}")).into());
            }
        }
    }
    Ok(())
}

/// Docker's variables: what is built for, and what it is built on, which is the same here. The user may say otherwise.
/// As other variables before FROM they are known in FROM, and in a stage after ARG.
fn platform_variables(host: &Platform, given: &[Variable]) -> Vec<Variable> {
    let whole = host.to_string();
    let parts = [
        ("PLATFORM", &whole),
        ("OS", &host.os),
        ("ARCH", &host.architecture),
        ("VARIANT", &host.variant),
    ];
    let all = ["TARGET", "BUILD"].into_iter().flat_map(|of| {
        parts.map(|(part, value)| Variable {
            name: format!("{of}{part}"),
            value: value.clone(),
        })
    });
    all.map(|variable| {
        let said = given.iter().find(|given| given.name == variable.name);
        said.cloned().unwrap_or(variable)
    })
    .collect()
}

/// The image or stage that a FROM names; nothing where that cannot be said, which is told when it is built.
pub(super) fn parent_of(
    request: &Request<'_>,
    stage: usize,
    from: &Instruction,
    base: &BuildState,
) -> Option<String> {
    if request.override_of(stage).is_some() {
        return None;
    }
    let actions = request.expand(from, base).ok()?;
    actions.into_iter().find_map(|action| match action {
        BuildAction::UseImage(reference) => Some(reference),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_named_as_docker_does() {
        let given = [Variable {
            name: "TARGETARCH".to_owned(),
            value: "riscv64".to_owned(),
        }];
        let arm = Platform {
            os: "linux".to_owned(),
            architecture: "arm".to_owned(),
            variant: "v7".to_owned(),
        };
        let shown: Vec<String> = platform_variables(&arm, &given)
            .into_iter()
            .map(|Variable { name, value }| format!("{name}={value}"))
            .collect();
        assert_eq!(
            shown,
            [
                "TARGETPLATFORM=linux/arm/v7",
                "TARGETOS=linux",
                "TARGETARCH=riscv64",
                "TARGETVARIANT=v7",
                "BUILDPLATFORM=linux/arm/v7",
                "BUILDOS=linux",
                "BUILDARCH=arm",
                "BUILDVARIANT=v7",
            ]
        );
    }
}
