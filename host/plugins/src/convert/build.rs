//! Instructions, states and actions of a build.

use crate::bindings::build::exports::kleene::plugin::builder as wit;
use crate::builder::{BuildAction, BuildState, Command, CopyFiles, Instruction, InstructionKind, Variable};

pub(crate) fn variable_to_wit(variable: &Variable) -> wit::Variable {
    wit::Variable {
        name: variable.name.clone(),
        value: variable.value.clone(),
    }
}

fn variable_from_wit(wit::Variable { name, value }: wit::Variable) -> Variable {
    Variable { name, value }
}

fn copy_from_wit(wit::CopyFiles { sources, destination }: wit::CopyFiles) -> CopyFiles {
    CopyFiles { sources, destination }
}

fn command_from_wit(command: wit::Command) -> Command {
    match command {
        wit::Command::Shell(text) => Command::Shell(text),
        wit::Command::Exec(argv) => Command::Exec(argv),
    }
}

fn command_to_wit(command: &Command) -> wit::Command {
    match command {
        Command::Shell(text) => wit::Command::Shell(text.clone()),
        Command::Exec(argv) => wit::Command::Exec(argv.clone()),
    }
}

pub(crate) fn instruction_from_wit(instruction: wit::Instruction) -> Instruction {
    Instruction {
        line: instruction.line,
        text: instruction.text,
        kind: match instruction.kind {
            wit::InstructionKind::From(wit::Base { image, stage }) => InstructionKind::From { image, stage },
            wit::InstructionKind::Arg(variable) => InstructionKind::Arg(variable_from_wit(variable)),
            wit::InstructionKind::Env(variable) => InstructionKind::Env(variable_from_wit(variable)),
            wit::InstructionKind::Workdir(path) => InstructionKind::Workdir(path),
            wit::InstructionKind::User(user) => InstructionKind::User(user),
            wit::InstructionKind::Run(command) => InstructionKind::Run(command_from_wit(command)),
            wit::InstructionKind::Copy(copy) => InstructionKind::Copy(copy_from_wit(copy)),
            wit::InstructionKind::Cmd(command) => InstructionKind::Cmd(command_from_wit(command)),
            wit::InstructionKind::Other(wit::Other { keyword, arguments }) => {
                InstructionKind::Other { keyword, arguments }
            }
        },
    }
}

pub(crate) fn instruction_to_wit(instruction: &Instruction) -> wit::Instruction {
    wit::Instruction {
        line: instruction.line,
        text: instruction.text.clone(),
        kind: match &instruction.kind {
            InstructionKind::From { image, stage } => wit::InstructionKind::From(wit::Base {
                image: image.clone(),
                stage: stage.clone(),
            }),
            InstructionKind::Arg(variable) => wit::InstructionKind::Arg(variable_to_wit(variable)),
            InstructionKind::Env(variable) => wit::InstructionKind::Env(variable_to_wit(variable)),
            InstructionKind::Workdir(path) => wit::InstructionKind::Workdir(path.clone()),
            InstructionKind::User(user) => wit::InstructionKind::User(user.clone()),
            InstructionKind::Run(command) => wit::InstructionKind::Run(command_to_wit(command)),
            InstructionKind::Copy(CopyFiles { sources, destination }) => {
                wit::InstructionKind::Copy(wit::CopyFiles {
                    sources: sources.clone(),
                    destination: destination.clone(),
                })
            }
            InstructionKind::Cmd(command) => wit::InstructionKind::Cmd(command_to_wit(command)),
            InstructionKind::Other { keyword, arguments } => wit::InstructionKind::Other(wit::Other {
                keyword: keyword.clone(),
                arguments: arguments.clone(),
            }),
        },
    }
}

pub(crate) fn state_to_wit(state: &BuildState) -> wit::BuildState {
    let variables = |variables: &[Variable]| variables.iter().map(variable_to_wit).collect();
    wit::BuildState {
        args: variables(&state.args),
        env: variables(&state.env),
        build_arguments: variables(&state.build_arguments),
        user: state.user.clone(),
        workdir: state.workdir.clone(),
    }
}

pub(crate) fn action_from_wit(action: wit::Action) -> BuildAction {
    match action {
        wit::Action::UseImage(image) => BuildAction::UseImage(image),
        wit::Action::DeclareArg(variable) => BuildAction::DeclareArg(variable_from_wit(variable)),
        wit::Action::SetEnv(variable) => BuildAction::SetEnv(variable_from_wit(variable)),
        wit::Action::SetUser(user) => BuildAction::SetUser(user),
        wit::Action::SetWorkdir(path) => BuildAction::SetWorkdir(path),
        wit::Action::SetCommand(argv) => BuildAction::SetCommand(argv),
        wit::Action::Run(wit::Process { argv, env, user }) => BuildAction::Run {
            argv,
            env: env.into_iter().map(variable_from_wit).collect(),
            user,
        },
        wit::Action::Copy(copy) => BuildAction::Copy(copy_from_wit(copy)),
    }
}
