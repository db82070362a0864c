//! What an instruction does in a build that stands somewhere. ARGs are known to the end of the file, and a working
//! directory is a `cd` before the text of a command.

use kleene_sdk::PluginError;
use kleene_sdk::build::{
    Action, Argument, BuildState, Command, CopyAction, Instruction, InstructionKind, Process, Variable,
};

use super::substitute::substitute;
use crate::problem::without_group;

/// The shell of the build container.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What the host shall do for `step`.
///
/// # Errors
/// If variables cannot be replaced.
pub fn expand(step: Instruction, state: &BuildState) -> Result<Vec<Action>, PluginError> {
    let variables = state.variables();
    let line = step.text;
    let replaced = |text: &str| substituted(&line, text, &variables);
    let actions = match step.kind {
        InstructionKind::From(base) => vec![Action::UseImage(replaced(&base.image)?)],
        InstructionKind::Arg(declared) => declared
            .into_iter()
            .map(|argument| Action::DeclareArg(declaration(argument, &state.build_arguments)))
            .collect(),
        InstructionKind::Env(variables) => variables
            .iter()
            .map(|variable| environment(variable, replaced).map(Action::SetEnv))
            .collect::<Result<_, _>>()?,
        InstructionKind::Workdir(path) => vec![Action::SetWorkdir(joined(state, &replaced(&path)?))],
        InstructionKind::User(user) => vec![Action::SetUser(named(&line, replaced(&user)?)?)],
        InstructionKind::Run(command) => vec![Action::Run(Process {
            argv: argv(command, state.workdir.as_deref()),
            env: variables,
            user: state.user.clone(),
            directory: state.workdir.clone(),
        })],
        InstructionKind::Copy(copy) => vec![Action::Copy(CopyAction {
            sources: copy
                .sources
                .iter()
                .map(|source| replaced(source))
                .collect::<Result<_, _>>()?,
            destination: joined(state, &replaced(&copy.destination)?),
            inline: vec![],
            origin: None,
            owner: None,
            mode: None,
            extract: false,
        })],
        InstructionKind::Cmd(command) => vec![Action::SetCommand(argv(command, state.workdir.as_deref()))],
        // None of these is in a Dockerfile that the classic reader understands.
        InstructionKind::Label(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Add(_)
        | InstructionKind::Entrypoint(_)
        | InstructionKind::Expose(_)
        | InstructionKind::Volume(_)
        | InstructionKind::Healthcheck(_)
        | InstructionKind::StopSignal(_)
        | InstructionKind::Other(_) => {
            return Err(PluginError::not_supported(format!(
                "'{line}' is no instruction of the classic dialect"
            )));
        }
    };
    Ok(actions)
}

/// A user, who has no group besides.
fn named(line: &str, user: String) -> Result<String, PluginError> {
    match without_group(&user) {
        Some(hint) => Err(PluginError::invalid(format!("error in '{line}': invalid instruction")).hint(hint)),
        None => Ok(user),
    }
}

/// A text of the instruction `line` with its variables replaced.
///
/// # Errors
/// If it cannot be done; the hint says why.
pub fn substituted(line: &str, text: &str, variables: &[Variable]) -> Result<String, PluginError> {
    let pairs = variables
        .iter()
        .map(|variable| (variable.name.as_str(), variable.value.as_str()));
    substitute(text, pairs).map_err(|reason| {
        // The spelling is the one that Kleene's clients know.
        PluginError::invalid(format!("failed environment substition of: {line}")).hint(reason.to_string())
    })
}

/// An ARG has the value that the user gave, else its own.
fn declaration(declared: Argument, given: &[Variable]) -> Variable {
    let given = given.iter().rfind(|argument| argument.name == declared.name);
    given.cloned().unwrap_or_else(|| Variable {
        name: declared.name,
        value: declared.default.unwrap_or_default(),
    })
}

/// The text of ENV is replaced as a whole: `A= x` has words `A=` and `x`.
fn environment(
    variable: &Variable,
    replaced: impl Fn(&str) -> Result<String, PluginError>,
) -> Result<Variable, PluginError> {
    let prefix = format!("{}=", variable.name);
    let text = replaced(&format!("{prefix}{}", variable.value))?;
    Ok(Variable {
        name: variable.name.clone(),
        value: text.strip_prefix(&prefix).unwrap_or(&text).to_owned(),
    })
}

/// A path as it is seen from the working directory. A `/` at its end stays.
fn joined(state: &BuildState, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let directory = state.workdir.as_deref().unwrap_or("/");
    format!("{}/{path}", directory.trim_end_matches('/'))
}

/// The words of a command. What goes to the shell begins in the working directory, once there is one.
fn argv(command: Command, workdir: Option<&str>) -> Vec<String> {
    let mut argv = match command {
        Command::Shell(text) => vec![SHELL[0].to_owned(), SHELL[1].to_owned(), text],
        Command::Exec(words) => words,
    };
    if let (Some(directory), [shell, flag, text]) = (workdir, argv.as_mut_slice())
        && [shell.as_str(), flag.as_str()] == SHELL
    {
        *text = format!("cd {} && {text}", quoted(directory));
    }
    argv
}

/// A path as one word for the shell, plain where it is plain.
fn quoted(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,@%".contains(&b);
    if !path.is_empty() && path.bytes().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classic::parse;
    use kleene_sdk::build::Dialect;

    fn named(name: &str, value: &str) -> Variable {
        Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    fn fresh() -> BuildState {
        BuildState {
            dialect: Dialect::Classic,
            args: vec![],
            globals: vec![],
            env: vec![],
            build_arguments: vec![],
            user: "root".to_owned(),
            workdir: None,
            shell: vec![],
        }
    }

    /// Does what the host does: goes through a Dockerfile and keeps the state. Returns the last instruction's action.
    fn last(dockerfile: &str, build_arguments: &[(&str, &str)]) -> Result<Action, PluginError> {
        let mut state = fresh();
        state.build_arguments = build_arguments
            .iter()
            .map(|(name, value)| named(name, value))
            .collect();
        let mut last = None;
        for instruction in parse::dockerfile(dockerfile, &[]).unwrap() {
            for action in expand(instruction, &state)? {
                match action.clone() {
                    Action::DeclareArg(arg) => state.args.push(arg),
                    Action::SetEnv(variable) => state.env.push(variable),
                    Action::SetUser(user) => state.user = user,
                    Action::SetWorkdir(path) => state.workdir = Some(path),
                    _ => {}
                }
                last = Some(action);
            }
        }
        Ok(last.unwrap())
    }

    #[test]
    fn the_contract_s_examples_of_substitution() {
        let env = |name: &str, value: &str| Ok(Action::SetEnv(named(name, value)));
        let greeting = "FROM b\nENV GREETING=\"good day\"";
        assert_eq!(last(greeting, &[]), env("GREETING", "good day"));
        assert_eq!(last("FROM b\nENV T=\"\\$5\\$x\"", &[]), env("T", "$5$x"));
        let default = "FROM b\nARG V\nENV V=${V:-v1}";
        assert_eq!(last(default, &[]), env("V", "v1"));
        assert_eq!(last(default, &[("V", "v2")]), env("V", "v2"));
        let undeclared = "FROM b\nUSER ${u:-ntpd}\nARG u";
        let user = parse::dockerfile(undeclared, &[]).unwrap().remove(1);
        let state = BuildState {
            build_arguments: vec![named("u", "games")],
            ..fresh()
        };
        assert_eq!(expand(user, &state), Ok(vec![Action::SetUser("ntpd".to_owned())]));
        assert_eq!(
            last("ARG t\nFROM ${t:-none}", &[]),
            Ok(Action::UseImage("none".to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_replaced_is_quoted_and_explained() {
        let line = "ENV T=\"x\" # note";
        let error = last(&format!("FROM b\n{line}"), &[]).unwrap_err();
        assert_eq!(error.message, format!("failed environment substition of: {line}"));
        assert_eq!(error.hint.as_deref(), Some("a \" is not closed"));
    }

    #[test]
    fn a_user_has_no_group_besides() {
        let error = last("FROM b\nARG u=1:2\nUSER $u", &[]).unwrap_err();
        assert_eq!(error.message, "error in 'USER $u': invalid instruction");
        assert!(error.hint.unwrap().ends_with("write USER 1"));
    }

    #[test]
    fn env_wins_over_arg_in_the_environment_of_run() {
        let run = last("FROM b\nARG A\nARG B=b\nENV A=a\nRUN echo $A", &[("A", "given")]);
        let expected = Process {
            argv: ["/bin/sh", "-c", "echo $A"].map(str::to_owned).to_vec(),
            env: vec![named("A", "a"), named("B", "b")],
            user: "root".to_owned(),
            directory: None,
        };
        assert_eq!(run, Ok(Action::Run(expected)));
    }

    #[test]
    fn declaring_again_without_a_value_resets() {
        assert_eq!(
            last("FROM b\nARG x=1\nARG x\nENV y=[$x]", &[]),
            Ok(Action::SetEnv(named("y", "[]")))
        );
    }

    #[test]
    fn a_workdir_holds_for_shell_commands_and_copies() {
        let words = |dockerfile: &str| match last(dockerfile, &[]).unwrap() {
            Action::SetCommand(argv) => argv.join(" "),
            Action::Copy(copy) => copy.destination,
            Action::SetWorkdir(path) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(words("FROM b\nWORKDIR a\nWORKDIR b"), "/a/b");
        assert_eq!(words("FROM b\nWORKDIR a\nWORKDIR /b"), "/b");
        assert_eq!(words("FROM b\nCMD x"), "/bin/sh -c x");
        assert_eq!(words("FROM b\nWORKDIR /\nCMD x"), "/bin/sh -c cd / && x");
        assert_eq!(words("FROM b\nWORKDIR /a b\nCMD x"), "/bin/sh -c cd '/a b' && x");
        assert_eq!(
            words("FROM b\nWORKDIR /a\nCMD [\"/bin/sh\",\"-c\",\"x\"]"),
            "/bin/sh -c cd /a && x"
        );
        assert_eq!(words("FROM b\nWORKDIR /a\nCMD [\"x\"]"), "x");
        assert_eq!(words("FROM b\nWORKDIR /a\nCOPY x y/"), "/a/y/");
        assert_eq!(words("FROM b\nWORKDIR /a\nCOPY x /y"), "/y");
        assert_eq!(words("FROM b\nCOPY x y"), "/y");
    }
}
