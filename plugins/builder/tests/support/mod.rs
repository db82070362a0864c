//! A build without a host: goes through a Dockerfile and keeps the state as the host does.

#![allow(dead_code, reason = "each test file uses some of it")]

use builder::DockerfileBuilder;
use kleene_sdk::PluginError;
use kleene_sdk::build::{Action, BuildState, Builder, Dialect, InstructionKind, Variable};

pub fn variable((name, value): (&str, &str)) -> Variable {
    Variable {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// What every instruction asks for; `given` are build arguments.
pub fn build(dockerfile: &str, given: &[(&str, &str)]) -> Result<Vec<Action>, PluginError> {
    let parsed = DockerfileBuilder::parse(dockerfile.to_owned(), vec!["PKG".to_owned()])
        .unwrap_or_else(|error| panic!("{dockerfile}: {error:?}"));
    let fresh = |dialect: Dialect| BuildState {
        dialect,
        args: vec![],
        globals: vec![],
        env: vec![],
        build_arguments: given.iter().copied().map(variable).collect(),
        user: "root".to_owned(),
        workdir: None,
        shell: vec![],
    };
    let mut state = fresh(parsed.dialect);
    let mut stages = 0;
    let mut all = Vec::new();
    for instruction in parsed.instructions {
        if matches!(instruction.kind, InstructionKind::From(_)) && parsed.dialect == Dialect::Docker {
            let globals = if stages == 0 { state.args } else { state.globals };
            state = BuildState {
                globals,
                ..fresh(parsed.dialect)
            };
            stages += 1;
        }
        if matches!(instruction.kind, InstructionKind::Other(_)) {
            continue;
        }
        let actions = DockerfileBuilder::expand(instruction, state.clone())?;
        for action in &actions {
            keep(&mut state, action.clone());
        }
        all.extend(actions);
    }
    Ok(all)
}

fn keep(state: &mut BuildState, action: Action) {
    let set = |variables: &mut Vec<Variable>, variable: Variable| {
        variables.retain(|known| known.name != variable.name);
        variables.push(variable);
    };
    match action {
        Action::DeclareArg(variable) => set(&mut state.args, variable),
        Action::SetEnv(variable) => set(&mut state.env, variable),
        Action::SetUser(user) => state.user = user,
        Action::SetWorkdir(directory) => state.workdir = Some(directory),
        Action::SetShell(argv) => state.shell = argv,
        _ => {}
    }
}

/// The action of the last instruction, if it has one.
pub fn last(dockerfile: &str, given: &[(&str, &str)]) -> Result<Option<Action>, PluginError> {
    build(dockerfile, given).map(|mut actions| actions.pop())
}

/// An action as one line.
pub fn print(action: &Action) -> String {
    let pair = |variable: &Variable| format!("{}={:?}", variable.name, variable.value);
    match action {
        Action::UseImage(image) => format!("image {image}"),
        Action::DeclareArg(variable) => format!("arg {}", pair(variable)),
        Action::SetEnv(variable) => format!("env {}", pair(variable)),
        Action::SetLabel(label) => format!("label {}={:?}", label.key, label.value),
        Action::SetUser(user) => format!("user {user}"),
        Action::SetWorkdir(directory) => format!("workdir {directory}"),
        Action::SetShell(argv) => format!("shell {argv:?}"),
        Action::SetCommand(argv) => format!("command {argv:?}"),
        Action::SetEntrypoint(argv) => format!("entrypoint {argv:?}"),
        Action::SetHealthcheck(check) => format!("healthcheck {check:?}"),
        Action::SetStopSignal(signal) => format!("stop signal {signal}"),
        Action::Expose(ports) => format!("expose {}", ports.join(" ")),
        Action::DeclareVolume(directory) => format!("volume {directory}"),
        Action::Run(process) => {
            let env: Vec<_> = process.env.iter().map(pair).collect();
            format!(
                "run as {} in {} with [{}] {:?}",
                process.user,
                process.directory.as_deref().unwrap_or("~"),
                env.join(" "),
                process.argv
            )
        }
        Action::Copy(copy) => {
            let mut line = if copy.extract { "add" } else { "copy" }.to_owned();
            if let Some(origin) = &copy.origin {
                line += &format!(" from {origin}");
            }
            line += &format!(" {:?}", copy.sources);
            for file in &copy.inline {
                line += &format!(" {}={:?}", file.name, file.content);
            }
            line += &format!(" to {}", copy.destination);
            if let Some(owner) = &copy.owner {
                line += &format!(" owner {owner}");
            }
            if let Some(mode) = copy.mode {
                line += &format!(" mode {mode:o}");
            }
            line
        }
        Action::Fetch(fetch) => {
            let mut line = format!("fetch {}", fetch.url);
            if let Some(checksum) = &fetch.checksum {
                line += &format!(" ({checksum})");
            }
            line + &format!(" to {}", fetch.destination)
        }
    }
}
