//! What one line says.

use kleene_sdk::build::{
    Argument, Base, Command, CopyFiles, Healthcheck, HereDocument, InstructionKind, Label, Other, Variable,
};

use super::here_document::opening;
use super::line::Line;
use super::options::{self, Missing};
use super::{duration, keywords, run, words};
use crate::problem::{Problem, is_variable_name, no_keyword, user};

/// Options of FROM.
const FROM_MISSING: [Missing; 1] = [(
    "platform",
    "leave it out; an image has the platform it was created for",
)];

/// Options of COPY and ADD.
const COPY_MISSING: [Missing; 4] = [
    ("exclude", "name what is not wanted in .dockerignore"),
    ("parents", "copy to the directory that is meant"),
    ("keep-git-dir", "ADD gets no git repositories"),
    ("unpack", "ADD unpacks archives, COPY does not"),
];

/// Options of HEALTHCHECK.
const HEALTHCHECK_MISSING: [Missing; 1] = [("start-interval", "give --interval, which holds from the start")];

/// What a line says. `steps` are the keywords of other plugins; `escape` is the file's escape character.
///
/// # Errors
/// What is wrong with it.
pub(super) fn kind(line: &Line, steps: &[String], escape: char) -> Result<InstructionKind, Problem> {
    let no_keyword = || no_keyword(&line.text, &keywords(steps).collect::<Vec<_>>());
    let (keyword, verbatim) = line
        .text
        .split_once(' ')
        .map(|(keyword, arguments)| (keyword, arguments.trim()))
        .filter(|(_, arguments)| !arguments.is_empty())
        .ok_or_else(no_keyword)?;
    // Where variables are replaced the escape character counts; a shell has its own.
    let written = match escape {
        '\\' => verbatim.to_owned(),
        _ => words::with_backslashes(verbatim),
    };
    match keyword {
        "FROM" => from(&written),
        "ARG" => arg(&written),
        "ENV" => env(&written),
        "LABEL" => label(&written),
        "MAINTAINER" => Ok(InstructionKind::Label(vec![Label {
            key: "maintainer".to_owned(),
            value: words::literal(verbatim),
        }])),
        "WORKDIR" => Ok(InstructionKind::Workdir(options::none(&written)?.to_owned())),
        "USER" => user(options::none(&written)?).map(InstructionKind::User),
        "SHELL" => shell(verbatim),
        "RUN" => run::command(line, verbatim).map(InstructionKind::Run),
        "COPY" => copy(line, &written, &["from", "chown", "chmod"]).map(InstructionKind::Copy),
        "ADD" => copy(line, &written, &["chown", "chmod", "checksum"]).map(InstructionKind::Add),
        "CMD" => Ok(InstructionKind::Cmd(words::command(options::none(verbatim)?))),
        "ENTRYPOINT" => Ok(InstructionKind::Entrypoint(words::command(options::none(
            verbatim,
        )?))),
        "EXPOSE" => Ok(InstructionKind::Expose(words::plain(options::none(&written)?))),
        "VOLUME" => volume(&written),
        "HEALTHCHECK" => healthcheck(verbatim).map(InstructionKind::Healthcheck),
        "STOPSIGNAL" => Ok(InstructionKind::StopSignal(options::none(&written)?.to_owned())),
        "ONBUILD" => Err(Problem::words(
            "ONBUILD",
            "ONBUILD is not supported: write the instruction into the Dockerfiles that begin with this image",
        )),
        _ if steps.iter().any(|step| step == keyword) => Ok(InstructionKind::Other(Other {
            keyword: keyword.to_owned(),
            arguments: verbatim.to_owned(),
        })),
        _ => Err(no_keyword()),
    }
}

fn from(arguments: &str) -> Result<InstructionKind, Problem> {
    let (_, rest) = options::take(arguments, &[], &[], &FROM_MISSING)?;
    let (image, stage) = match words::split(rest)[..] {
        [image] => (image, None),
        [image, r#as, stage] if r#as.eq_ignore_ascii_case("as") => (image, Some(stage_name(stage)?)),
        _ => {
            return Err(Problem::instruction(
                "FROM takes an image, and AS with a name if wanted",
            ));
        }
    };
    Ok(InstructionKind::From(Base {
        image: image.to_owned(),
        stage,
    }))
}

fn stage_name(name: &str) -> Result<String, Problem> {
    let other = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(other) {
        Ok(name.to_owned())
    } else {
        Err(Problem::words(
            name,
            "the name of a stage begins with a letter and has letters, digits, '_', '.' and '-'",
        ))
    }
}

/// `NAME` and `NAME=value`, as many as wanted.
fn arg(arguments: &str) -> Result<InstructionKind, Problem> {
    let arguments = words::split(options::none(arguments)?)
        .into_iter()
        .map(|word| {
            let (name, default) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word, None),
            };
            variable_name(name).map(|name| Argument { name, default })
        })
        .collect::<Result<_, _>>()?;
    Ok(InstructionKind::Arg(arguments))
}

fn env(arguments: &str) -> Result<InstructionKind, Problem> {
    let variables = pairs(arguments, "ENV takes NAME=value")?
        .into_iter()
        .map(|(name, value)| variable_name(&name).map(|name| Variable { name, value }))
        .collect::<Result<_, _>>()?;
    Ok(InstructionKind::Env(variables))
}

fn variable_name(name: &str) -> Result<String, Problem> {
    if is_variable_name(name) {
        Ok(name.to_owned())
    } else {
        Err(Problem::VariableName(name.to_owned()))
    }
}

fn label(arguments: &str) -> Result<InstructionKind, Problem> {
    let labels = pairs(arguments, "LABEL takes key=value")?
        .into_iter()
        .map(|(key, value)| Label { key, value })
        .collect();
    Ok(InstructionKind::Label(labels))
}

/// `name=value`, as many as wanted; or, where the first word has no `=`, one name and all that follows.
fn pairs(arguments: &str, hint: &'static str) -> Result<Vec<(String, String)>, Problem> {
    let arguments = options::none(arguments)?;
    let words = words::split(arguments);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match words.first() {
        Some(first) if !first.contains('=') => match arguments.split_once(char::is_whitespace) {
            Some((name, value)) => Ok(vec![pair(name, value.trim_start())]),
            None => Err(Problem::words(*first, hint)),
        },
        _ => words
            .into_iter()
            .map(|word| match word.split_once('=') {
                Some((name, value)) if !name.is_empty() => Ok(pair(name, value)),
                _ => Err(Problem::words(word, hint)),
            })
            .collect(),
    }
}

fn shell(arguments: &str) -> Result<InstructionKind, Problem> {
    match words::json(arguments) {
        Some(argv) if !argv.is_empty() => Ok(InstructionKind::Shell(argv)),
        _ => Err(Problem::instruction(
            "SHELL takes a JSON array of strings, such as [\"/bin/sh\", \"-c\"]",
        )),
    }
}

fn copy(line: &Line, arguments: &str, known: &[&str]) -> Result<CopyFiles, Problem> {
    // What --link changes is when a step can be reused, and that it always can be is no less.
    let (options, rest) = options::take(arguments, known, &["link"], &COPY_MISSING)?;
    let mut sources = words::json(rest).unwrap_or_else(|| words::plain(rest));
    let destination = sources.pop().unwrap_or_default();
    // A delimiter with blanks is several of these words; that such are read as one is for shells.
    let opened = line.documents.iter().map(|document| document.opening.as_str());
    sources.retain(|source| !opened.clone().any(|opening| opening == source));
    let documents: Vec<_> = line
        .documents
        .iter()
        .map(|document| HereDocument {
            name: document.name.clone(),
            content: document.content(),
            expanded: !document.quoted,
        })
        .collect();
    if opening(&destination).is_some() || (sources.is_empty() && documents.is_empty()) {
        return Err(Problem::instruction(
            "it takes one or more sources and a destination",
        ));
    }
    let option = |name: &str| options.get(name).map(|value| (*value).to_owned());
    Ok(CopyFiles {
        sources,
        documents,
        destination,
        origin: option("from"),
        owner: option("chown"),
        mode: option("chmod"),
        checksum: option("checksum"),
    })
}

fn volume(arguments: &str) -> Result<InstructionKind, Problem> {
    let arguments = options::none(arguments)?;
    let directories = words::json(arguments).unwrap_or_else(|| words::plain(arguments));
    if directories.iter().any(|directory| directory.trim().is_empty()) || directories.is_empty() {
        return Err(Problem::instruction("VOLUME takes one or more directories"));
    }
    Ok(InstructionKind::Volume(directories))
}

fn healthcheck(arguments: &str) -> Result<Healthcheck, Problem> {
    let known = ["interval", "timeout", "start-period", "retries"];
    let (options, rest) = options::take(arguments, &known, &[], &HEALTHCHECK_MISSING)?;
    let time = |name: &str| {
        let Some(text) = options.get(name) else {
            return Ok(None);
        };
        match duration::nanoseconds(text) {
            // Zero is what whoever checks decides; a check that takes longer than it waits is nobody's wish.
            Some(0) => Ok(None),
            Some(time) if time >= 1_000_000 => Ok(Some(time)),
            _ => Err(Problem::words(
                *text,
                format!("--{name} is a time of 1ms or more, such as 30s or 1m30s"),
            )),
        }
    };
    let retries = match options.get("retries") {
        None => None,
        Some(text) => match text.parse::<u32>() {
            Ok(0) => None,
            Ok(retries) => Some(retries),
            Err(_) => return Err(Problem::words(*text, "--retries is a number")),
        },
    };
    let (kind, rest) = words::first(rest);
    let test = match (kind, words::command(rest.trim_start())) {
        ("NONE", _) if rest.trim().is_empty() && options.is_empty() => vec!["NONE".to_owned()],
        ("CMD", Command::Exec(argv)) if !argv.is_empty() => [vec!["CMD".to_owned()], argv].concat(),
        ("CMD", Command::Shell(text)) if !text.is_empty() => vec!["CMD-SHELL".to_owned(), text],
        _ => {
            return Err(Problem::instruction(
                "HEALTHCHECK takes options and CMD with a command, or NONE alone",
            ));
        }
    };
    Ok(Healthcheck {
        test,
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        retries,
    })
}
