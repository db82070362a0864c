//! Instructions and states of a build.

use crate::bindings::{building as wit, facts};
use crate::dockerfile::{
    Argument, BuildState, Command, CopyFiles, Dialect, Healthcheck, HereDocument, Instruction,
    InstructionKind, Label, Variable,
};

pub(crate) fn variable_to_wit(variable: &Variable) -> wit::Variable {
    wit::Variable {
        name: variable.name.clone(),
        value: variable.value.clone(),
    }
}

pub(super) fn variable_from_wit(wit::Variable { name, value }: wit::Variable) -> Variable {
    Variable { name, value }
}

pub(super) fn variables_from_wit(variables: Vec<wit::Variable>) -> Vec<Variable> {
    variables.into_iter().map(variable_from_wit).collect()
}

fn variables_to_wit(variables: &[Variable]) -> Vec<wit::Variable> {
    variables.iter().map(variable_to_wit).collect()
}

pub(super) fn label_from_wit(facts::Label { key, value }: facts::Label) -> Label {
    Label { key, value }
}

fn label_to_wit(label: &Label) -> facts::Label {
    facts::Label {
        key: label.key.clone(),
        value: label.value.clone(),
    }
}

fn argument_from_wit(wit::Argument { name, default }: wit::Argument) -> Argument {
    Argument { name, default }
}

fn argument_to_wit(argument: &Argument) -> wit::Argument {
    wit::Argument {
        name: argument.name.clone(),
        default: argument.default.clone(),
    }
}

fn files_from_wit(files: wit::CopyFiles) -> CopyFiles {
    let document = |document: wit::HereDocument| HereDocument {
        name: document.name,
        content: document.content,
        expanded: document.expanded,
    };
    CopyFiles {
        sources: files.sources,
        documents: files.documents.into_iter().map(document).collect(),
        destination: files.destination,
        origin: files.origin,
        owner: files.owner,
        mode: files.mode,
        checksum: files.checksum,
    }
}

fn files_to_wit(files: &CopyFiles) -> wit::CopyFiles {
    let document = |document: &HereDocument| wit::HereDocument {
        name: document.name.clone(),
        content: document.content.clone(),
        expanded: document.expanded,
    };
    wit::CopyFiles {
        sources: files.sources.clone(),
        documents: files.documents.iter().map(document).collect(),
        destination: files.destination.clone(),
        origin: files.origin.clone(),
        owner: files.owner.clone(),
        mode: files.mode.clone(),
        checksum: files.checksum.clone(),
    }
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

pub(super) fn healthcheck_from_wit(check: wit::Healthcheck) -> Healthcheck {
    Healthcheck {
        test: check.test,
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        retries: check.retries,
    }
}

fn healthcheck_to_wit(check: &Healthcheck) -> wit::Healthcheck {
    wit::Healthcheck {
        test: check.test.clone(),
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        retries: check.retries,
    }
}

pub(crate) fn dialect_from_wit(dialect: wit::Dialect) -> Dialect {
    match dialect {
        wit::Dialect::Classic => Dialect::Classic,
        wit::Dialect::Docker => Dialect::Docker,
    }
}

fn dialect_to_wit(dialect: Dialect) -> wit::Dialect {
    match dialect {
        Dialect::Classic => wit::Dialect::Classic,
        Dialect::Docker => wit::Dialect::Docker,
    }
}

pub(crate) fn instruction_from_wit(instruction: wit::Instruction) -> Instruction {
    use wit::InstructionKind as Wit;
    Instruction {
        line: instruction.line,
        text: instruction.text,
        kind: match instruction.kind {
            Wit::From(wit::Base { image, stage }) => InstructionKind::From { image, stage },
            Wit::Arg(arguments) => {
                InstructionKind::Arg(arguments.into_iter().map(argument_from_wit).collect())
            }
            Wit::Env(variables) => InstructionKind::Env(variables_from_wit(variables)),
            Wit::Label(labels) => InstructionKind::Label(labels.into_iter().map(label_from_wit).collect()),
            Wit::Workdir(path) => InstructionKind::Workdir(path),
            Wit::User(user) => InstructionKind::User(user),
            Wit::Shell(argv) => InstructionKind::Shell(argv),
            Wit::Run(command) => InstructionKind::Run(command_from_wit(command)),
            Wit::Copy(files) => InstructionKind::Copy(files_from_wit(files)),
            Wit::Add(files) => InstructionKind::Add(files_from_wit(files)),
            Wit::Cmd(command) => InstructionKind::Cmd(command_from_wit(command)),
            Wit::Entrypoint(command) => InstructionKind::Entrypoint(command_from_wit(command)),
            Wit::Expose(ports) => InstructionKind::Expose(ports),
            Wit::Volume(directories) => InstructionKind::Volume(directories),
            Wit::Healthcheck(check) => InstructionKind::Healthcheck(healthcheck_from_wit(check)),
            Wit::StopSignal(signal) => InstructionKind::StopSignal(signal),
            Wit::Other(wit::Other { keyword, arguments }) => InstructionKind::Other { keyword, arguments },
        },
    }
}

pub(crate) fn instruction_to_wit(instruction: &Instruction) -> wit::Instruction {
    use wit::InstructionKind as Wit;
    wit::Instruction {
        line: instruction.line,
        text: instruction.text.clone(),
        kind: match &instruction.kind {
            InstructionKind::From { image, stage } => Wit::From(wit::Base {
                image: image.clone(),
                stage: stage.clone(),
            }),
            InstructionKind::Arg(arguments) => Wit::Arg(arguments.iter().map(argument_to_wit).collect()),
            InstructionKind::Env(variables) => Wit::Env(variables_to_wit(variables)),
            InstructionKind::Label(labels) => Wit::Label(labels.iter().map(label_to_wit).collect()),
            InstructionKind::Workdir(path) => Wit::Workdir(path.clone()),
            InstructionKind::User(user) => Wit::User(user.clone()),
            InstructionKind::Shell(argv) => Wit::Shell(argv.clone()),
            InstructionKind::Run(command) => Wit::Run(command_to_wit(command)),
            InstructionKind::Copy(files) => Wit::Copy(files_to_wit(files)),
            InstructionKind::Add(files) => Wit::Add(files_to_wit(files)),
            InstructionKind::Cmd(command) => Wit::Cmd(command_to_wit(command)),
            InstructionKind::Entrypoint(command) => Wit::Entrypoint(command_to_wit(command)),
            InstructionKind::Expose(ports) => Wit::Expose(ports.clone()),
            InstructionKind::Volume(directories) => Wit::Volume(directories.clone()),
            InstructionKind::Healthcheck(check) => Wit::Healthcheck(healthcheck_to_wit(check)),
            InstructionKind::StopSignal(signal) => Wit::StopSignal(signal.clone()),
            InstructionKind::Other { keyword, arguments } => Wit::Other(wit::Other {
                keyword: keyword.clone(),
                arguments: arguments.clone(),
            }),
        },
    }
}

pub(crate) fn state_to_wit(state: &BuildState) -> wit::BuildState {
    wit::BuildState {
        dialect: dialect_to_wit(state.dialect),
        args: variables_to_wit(&state.args),
        globals: variables_to_wit(&state.globals),
        env: variables_to_wit(&state.env),
        build_arguments: variables_to_wit(&state.build_arguments),
        user: state.user.clone(),
        workdir: state.workdir.clone(),
        shell: state.shell.clone(),
    }
}
