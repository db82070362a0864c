//! What an instruction does in a build that stands somewhere.

use std::collections::BTreeMap;

use kleene_sdk::PluginError;
use kleene_sdk::build::{
    Action, Argument, BuildState, Command, Instruction, InstructionKind, Label, Process, Variable,
};

use super::copy;
use super::paths::joined;
use super::text::Text;
use super::variables::Variables;

/// The shell of a build where SHELL says nothing.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What a variable `PATH` holds where neither the image nor the Dockerfile sets one: `ENV PATH=/opt/bin:$PATH` must not
/// take the system's programs away.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Build arguments that commands see without an ARG.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// What the host shall do for `step`.
///
/// # Errors
/// If variables cannot be replaced, or what they become makes no sense.
pub fn expand(step: Instruction, state: &BuildState) -> Result<Vec<Action>, PluginError> {
    let Instruction { text: line, kind, .. } = step;
    // A stage begins with what was declared before all stages; later none of that is known.
    let mut known = match kind {
        InstructionKind::From(_) => by_name([&state.globals, &state.args]),
        _ => by_name([&state.args, &state.env]),
    };
    known.entry("PATH".to_owned()).or_insert_with(|| PATH.to_owned());
    let text = Text {
        line: &line,
        variables: known,
    };
    let one = |action: Action| Ok(vec![action]);
    match kind {
        InstructionKind::From(base) => {
            one(Action::UseImage(text.some(&base.image, "the name of the image")?))
        }
        InstructionKind::Arg(arguments) => declarations(text, arguments, state),
        InstructionKind::Env(variables) => variables
            .into_iter()
            .map(|Variable { name, value }| {
                let value = text.replaced(&value)?;
                Ok(Action::SetEnv(Variable { name, value }))
            })
            .collect(),
        InstructionKind::Label(labels) => labels
            .into_iter()
            .map(|Label { key, value }| {
                let key = text.some(&key, "the key of a label")?;
                let value = text.replaced(&value)?;
                Ok(Action::SetLabel(Label { key, value }))
            })
            .collect(),
        InstructionKind::Workdir(path) => {
            let path = text.some(&path, "the working directory")?;
            one(Action::SetWorkdir(joined(state.workdir.as_deref(), &path)))
        }
        InstructionKind::User(user) => one(Action::SetUser(text.user(&user)?)),
        InstructionKind::Shell(argv) => one(Action::SetShell(argv)),
        InstructionKind::Run(command) => one(Action::Run(Process {
            argv: argv(command, state),
            env: environment(state),
            user: state.user.clone(),
            directory: Some(state.workdir.clone().unwrap_or_else(|| "/".to_owned())),
        })),
        InstructionKind::Copy(files) => one(Action::Copy(copy::copy(&text, files, state)?)),
        InstructionKind::Add(files) => one(copy::add(&text, files, state)?),
        InstructionKind::Cmd(command) => one(Action::SetCommand(argv(command, state))),
        InstructionKind::Entrypoint(command) => one(Action::SetEntrypoint(argv(command, state))),
        InstructionKind::Expose(words) => one(Action::Expose(text.ports(&words)?)),
        InstructionKind::Volume(directories) => directories
            .iter()
            .map(|directory| text.volume(directory).map(Action::DeclareVolume))
            .collect(),
        InstructionKind::Healthcheck(check) => one(Action::SetHealthcheck(check)),
        InstructionKind::StopSignal(signal) => one(Action::SetStopSignal(text.signal(&signal)?)),
        InstructionKind::Other(other) => Err(PluginError::not_supported(format!(
            "'{}' is an instruction of another plugin",
            other.keyword
        ))),
    }
}

/// ARG: what the user gave, else the default, else what was declared before the first stage. Without any of them the
/// variable stays as it is.
fn declarations(
    mut text: Text<'_>,
    arguments: Vec<Argument>,
    state: &BuildState,
) -> Result<Vec<Action>, PluginError> {
    let find = |variables: &[Variable], name: &str| {
        let found = variables.iter().rfind(|variable| variable.name == name);
        found.map(|variable| variable.value.clone())
    };
    let mut actions = Vec::new();
    for Argument { name, default } in arguments {
        let value = match (find(&state.build_arguments, &name), default) {
            (Some(given), _) => Some(given),
            (None, Some(default)) => Some(text.replaced(&default)?),
            (None, None) => find(&state.globals, &name),
        };
        if let Some(value) = value {
            // What follows on the line sees it, unless ENV set one of this name.
            if find(&state.env, &name).is_none() {
                text.variables.insert(name.clone(), value.clone());
            }
            actions.push(Action::DeclareArg(Variable { name, value }));
        }
    }
    Ok(actions)
}

/// Later lists win over earlier ones.
fn by_name<const N: usize>(lists: [&Vec<Variable>; N]) -> Variables {
    lists
        .into_iter()
        .flatten()
        .map(|variable| (variable.name.clone(), variable.value.clone()))
        .collect()
}

/// What a command sees: proxies that the user gave, ARGs, and ENV, which wins.
fn environment(state: &BuildState) -> Vec<Variable> {
    let is_proxy = |name: &str| PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name));
    let proxies = state
        .build_arguments
        .iter()
        .filter(|variable| is_proxy(&variable.name))
        .cloned()
        .collect();
    let all: BTreeMap<_, _> = by_name([&proxies, &state.args, &state.env]);
    all.into_iter()
        .map(|(name, value)| Variable { name, value })
        .collect()
}

/// Program and arguments: text is for the shell of the build.
fn argv(command: Command, state: &BuildState) -> Vec<String> {
    match command {
        Command::Exec(words) => words,
        Command::Shell(text) => {
            let shell = if state.shell.is_empty() {
                SHELL.map(str::to_owned).to_vec()
            } else {
                state.shell.clone()
            };
            shell.into_iter().chain([text]).collect()
        }
    }
}
