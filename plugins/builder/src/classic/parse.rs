//! From the text of a Dockerfile to instructions.
//!
//! The grammar is Kleene's since 0.1: a backslash at the end of a line joins it with the next, lines that begin with
//! `#` are comments, an instruction is an upper-case keyword, one space and its arguments. Errors are told of the
//! first offending line, and only when every line is right by itself, of their order.

use kleene_sdk::build::{
    Argument, Base, Command, CopyFiles, Instruction, InstructionKind, ParseError, Variable,
};

use crate::docker;
use crate::problem::{Problem, is_variable_name, no_keyword, user};

/// The instructions there are.
pub const KEYWORDS: [&str; 8] = ["FROM", "ARG", "ENV", "WORKDIR", "USER", "RUN", "COPY", "CMD"];

/// The instructions of a Dockerfile, in order. `steps` are the keywords of other plugins: only advice names them.
///
/// # Errors
/// Where it is wrong.
pub fn dockerfile(text: &str, steps: &[String]) -> Result<Vec<Instruction>, ParseError> {
    let instructions = joined_lines(text)
        .into_iter()
        .map(|line| instruction(&line, steps))
        .collect::<Result<Vec<_>, _>>()?;
    check_order(&instructions)?;
    Ok(instructions)
}

/// A line after joining, and where it began.
struct Line {
    number: u32,
    text: String,
}

/// Lines with continuations joined, without comments and empty ones.
fn joined_lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for (number, physical) in (1u32..).zip(text.split('\n')) {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        let mut line = open.take().unwrap_or(Line {
            number,
            text: String::new(),
        });
        if let Some(continued) = physical.strip_suffix('\\') {
            line.text.push_str(continued);
            open = Some(line);
        } else {
            line.text.push_str(physical);
            lines.push(line);
        }
    }
    // A backslash at the very end continues nothing: it stays.
    lines.extend(open.map(|mut line| {
        line.text.push('\\');
        line
    }));
    lines.retain(|line| !line.text.starts_with('#') && !line.text.trim().is_empty());
    lines
}

fn instruction(line: &Line, steps: &[String]) -> Result<Instruction, ParseError> {
    match kind(&line.text, steps) {
        Ok(kind) => Ok(Instruction {
            line: line.number,
            text: line.text.clone(),
            kind,
        }),
        Err(problem) => Err(problem.at(line.number, &line.text)),
    }
}

fn kind(line: &str, steps: &[String]) -> Result<InstructionKind, Problem> {
    let no_keyword = || no_keyword(line, &docker::keywords(steps).collect::<Vec<_>>());
    let (keyword, arguments) = line
        .split_once(' ')
        .filter(|(_, arguments)| !arguments.trim().is_empty())
        .ok_or_else(no_keyword)?;
    match keyword {
        "FROM" => from(arguments),
        "ARG" => arg(arguments),
        "ENV" => env(arguments),
        "WORKDIR" => Ok(InstructionKind::Workdir(arguments.to_owned())),
        "USER" => user(arguments.trim()).map(InstructionKind::User),
        // No shell begins with an option.
        "RUN" if arguments.starts_with("--") => Err(Problem::instruction("RUN has no options")),
        "RUN" => Ok(InstructionKind::Run(command(arguments)?)),
        "COPY" => copy(arguments),
        "CMD" => Ok(InstructionKind::Cmd(command(arguments)?)),
        _ => Err(no_keyword()),
    }
}

/// One word. A stage's name is more than 0.1 could do with: Docker's reader takes it from here.
fn from(arguments: &str) -> Result<InstructionKind, Problem> {
    let words: Vec<_> = arguments.split_whitespace().collect();
    let [image] = words[..] else {
        return Err(Problem::instruction("FROM takes an image"));
    };
    Ok(InstructionKind::From(Base {
        image: image.to_owned(),
        stage: None,
    }))
}

fn arg(arguments: &str) -> Result<InstructionKind, Problem> {
    let (name, value) = arguments.trim().split_once('=').unwrap_or((arguments.trim(), ""));
    let Variable { name, value } = variable(name, value)?;
    Ok(InstructionKind::Arg(vec![Argument {
        name,
        default: Some(value),
    }]))
}

fn env(arguments: &str) -> Result<InstructionKind, Problem> {
    let (name, value) = arguments
        .trim_end()
        .split_once('=')
        .ok_or(Problem::instruction("ENV takes NAME=value"))?;
    Ok(InstructionKind::Env(vec![variable(name, value)?]))
}

/// A variable; quotes around its value are not part of it.
fn variable(name: &str, value: &str) -> Result<Variable, Problem> {
    if is_variable_name(name) {
        Ok(Variable {
            name: name.to_owned(),
            value: value.trim_matches('"').to_owned(),
        })
    } else {
        Err(Problem::VariableName(name.to_owned()))
    }
}

/// A JSON array of strings is a list of words; all else is for the shell, such as `[ -f x ] && y`.
fn command(arguments: &str) -> Result<Command, Problem> {
    match json_array(arguments) {
        Some(words) if words.is_empty() => Err(Problem::instruction("a command has at least one word")),
        Some(words) => Ok(Command::Exec(words)),
        None => Ok(Command::Shell(arguments.to_owned())),
    }
}

/// A JSON array of strings, or words between blanks, such as `[ab].txt /`. The last is the destination.
fn copy(arguments: &str) -> Result<InstructionKind, Problem> {
    let words = || {
        arguments
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut sources: Vec<String> = json_array(arguments).unwrap_or_else(words);
    if sources.first().is_some_and(|word| word.starts_with("--")) {
        return Err(Problem::instruction("COPY has no options"));
    }
    match sources.pop() {
        Some(destination) if !sources.is_empty() => Ok(InstructionKind::Copy(CopyFiles {
            sources,
            documents: vec![],
            destination,
            origin: None,
            owner: None,
            mode: None,
            checksum: None,
        })),
        _ => Err(Problem::instruction(
            "COPY takes one or more sources and a destination",
        )),
    }
}

fn json_array(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') {
        serde_json::from_str(text).ok()
    } else {
        None
    }
}

/// One FROM, and nothing but ARG before it.
fn check_order(instructions: &[Instruction]) -> Result<(), ParseError> {
    let is_from = |instruction: &&Instruction| matches!(instruction.kind, InstructionKind::From(_));
    let mut froms = instructions.iter().filter(is_from);
    let before = instructions
        .iter()
        .take_while(|instruction| !is_from(instruction))
        .find(|instruction| !matches!(instruction.kind, InstructionKind::Arg(_)));
    if let Some(early) = before {
        return Err(Problem::BeforeFrom.at(early.line, &early.text));
    }
    if froms.next().is_none() {
        let last = instructions
            .last()
            .map(|last| last.text.as_str())
            .unwrap_or_default();
        return Err(Problem::NoFrom.at(0, last));
    }
    match froms.next() {
        Some(second) => {
            Err(Problem::File("only one FROM instruction is supported").at(second.line, &second.text))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<InstructionKind> {
        let instructions =
            dockerfile(&format!("FROM base\n{text}"), &[]).unwrap_or_else(|error| panic!("{error:?}"));
        instructions
            .into_iter()
            .skip(1)
            .map(|instruction| instruction.kind)
            .collect()
    }

    fn message(text: &str) -> String {
        dockerfile(text, &[]).unwrap_err().message
    }

    fn exec(words: &[&str]) -> Command {
        Command::Exec(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn shell(text: &str) -> Command {
        Command::Shell(text.to_owned())
    }

    fn files(sources: &[&str], destination: &str) -> CopyFiles {
        CopyFiles {
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            documents: vec![],
            destination: destination.to_owned(),
            origin: None,
            owner: None,
            mode: None,
            checksum: None,
        }
    }

    fn argument(name: &str, value: &str) -> InstructionKind {
        InstructionKind::Arg(vec![Argument {
            name: name.to_owned(),
            default: Some(value.to_owned()),
        }])
    }

    fn env(name: &str, value: &str) -> InstructionKind {
        InstructionKind::Env(vec![Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        }])
    }

    #[test]
    fn every_instruction_is_read() {
        use InstructionKind::{Cmd, Copy, Run, User, Workdir};
        let cases = [
            ("ARG x", argument("x", "")),
            ("ARG x=\"a b\" ", argument("x", "a b")),
            ("ENV GREETING=\"good day\"", env("GREETING", "good day")),
            ("ENV T=\"x\" # note", env("T", "x\" # note")),
            ("ENV A=b=c", env("A", "b=c")),
            ("WORKDIR /a b", Workdir("/a b".to_owned())),
            ("USER  ntpd ", User("ntpd".to_owned())),
            ("RUN date > /stamp", Run(shell("date > /stamp"))),
            ("RUN [\"/bin/date\", \"-u\"]", Run(exec(&["/bin/date", "-u"]))),
            ("RUN [ -f x ] && y", Run(shell("[ -f x ] && y"))),
            ("CMD cat /x", Cmd(shell("cat /x"))),
            ("CMD [\"cat\"]", Cmd(exec(&["cat"]))),
            ("COPY a b /c/", Copy(files(&["a", "b"], "/c/"))),
            ("COPY [\"a b\", \"c\"]", Copy(files(&["a b"], "c"))),
            ("COPY [ab].txt /", Copy(files(&["[ab].txt"], "/"))),
        ];
        for (text, expected) in cases {
            assert_eq!(kinds(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_parent_is_one_word() {
        let parent = |text: &str| match dockerfile(text, &[]).unwrap().remove(0).kind {
            InstructionKind::From(base) => (base.image, base.stage),
            other => panic!("{other:?}"),
        };
        assert_eq!(parent("FROM a:b"), ("a:b".to_owned(), None));
    }

    #[test]
    fn lines_are_joined_and_keep_the_number_of_their_first() {
        let text = "# comment\n\nFROM a\nRUN one \\\n  two\\\n# three\n\nCMD x\n";
        let lines: Vec<_> = dockerfile(text, &[])
            .unwrap()
            .into_iter()
            .map(|line| (line.line, line.text))
            .collect();
        let expected = [(3, "FROM a"), (4, "RUN one   two# three"), (8, "CMD x")];
        assert_eq!(lines, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        assert_eq!(kinds("RUN a \\\r\nb\r\n"), [InstructionKind::Run(shell("a b"))]);
    }

    #[test]
    fn an_unknown_or_malformed_instruction_is_quoted() {
        let lines = [
            "VOLUME /x",
            "from base",
            " RUN x",
            "RUN\tx",
            "RUN",
            "RUN ",
            "ENV X",
            "FROM a b",
            "FROM a as b",
            "FROM a AS b",
            "COPY a",
            "COPY --from=x a b",
            "RUN []",
            "RUN --mount=type=cache make",
        ];
        for line in lines {
            let expected = format!("error in '{line}': invalid instruction");
            assert_eq!(message(&format!("FROM base\n{line}\n")), expected);
        }
    }

    #[test]
    fn a_bad_variable_name_is_told_with_its_line() {
        for line in ["ENV 1x=a", "ARG a-b", "ENV =x", "ARG \"a=b\"", "ENV  X=a"] {
            let expected = format!("ENV/ARG variable name is invalid on line: {line}");
            assert_eq!(message(&format!("FROM base\n{line}\n")), expected);
        }
        assert_eq!(kinds("ENV x=1"), [env("x", "1")]);
    }

    #[test]
    fn only_arg_stands_before_from() {
        assert!(dockerfile("ARG t\nFROM ${t}\n", &[]).is_ok());
        let text = "RUN x\nFROM base\n";
        assert_eq!(message(text), "'RUN x' not permitted before a FROM instruction");
    }

    #[test]
    fn a_wrong_line_is_told_before_a_wrong_order() {
        assert_eq!(
            message("RUN x\nFROM base\nNO x\n"),
            "error in 'NO x': invalid instruction"
        );
    }

    #[test]
    fn there_is_one_from() {
        assert_eq!(message(""), "error in '': there is no FROM instruction");
        assert_eq!(
            message("ARG x\n"),
            "error in 'ARG x': there is no FROM instruction"
        );
        let second = dockerfile("FROM a\nFROM c\n", &[]).unwrap_err();
        assert_eq!(
            (second.line, second.message.as_str()),
            (2, "error in 'FROM c': only one FROM instruction is supported")
        );
    }
}
