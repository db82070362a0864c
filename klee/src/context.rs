//! `klee context`: names for daemons, and which of them is meant.
//!
//! These commands talk to no daemon, so they work whatever is wrong with the way to one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::config::{ContextName, Contexts, DaemonAddress, DaemonOptions, Parameters, Settings};
use crate::failure::{Exit, Failure, Outcome};
use crate::format::Inspection;
use crate::listing::Layout;
use crate::screen::{self, Screen};
use crate::table::{Cell, Column};

/// Manage contexts: names for daemons.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    Add(Add),
    Inspect(Inspect),
    Ls(Ls),
    Rm(Rm),
    Show(Show),
    Use(Use),
}

impl ContextCommand {
    /// Does what the user asked for.
    pub fn run(self, screen: &Screen, settings: &Settings) -> Outcome {
        match self {
            Self::Add(command) => command.run(screen),
            Self::Inspect(command) => command.run(screen, settings),
            Self::Ls(command) => command.run(screen, settings),
            Self::Rm(command) => command.run(screen),
            Self::Show(command) => command.run(screen, settings),
            Self::Use(command) => command.run(screen, settings),
        }
    }
}

/// A context as it is listed and inspected.
#[derive(Debug, Serialize)]
struct Shown {
    current: bool,
    name: ContextName,
    #[serde(flatten)]
    parameters: Parameters,
}

/// All contexts, the default first.
fn all(contexts: &Contexts, settings: &Settings) -> Vec<Shown> {
    let current = settings.context(contexts);
    let default = Shown {
        current: current.is_none(),
        name: ContextName::default(),
        parameters: settings.without_context(),
    };
    let named = contexts.contexts.iter().map(|(name, parameters)| Shown {
        current: current.as_ref() == Some(name),
        name: name.clone(),
        parameters: parameters.clone(),
    });
    std::iter::once(default).chain(named).collect()
}

fn to_json(shown: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(shown)
        .map_err(|error| Failure::BadValue(format!("cannot write contexts as JSON: {error}")))
}

/// Give a daemon a name
#[derive(Debug, Args)]
#[command(mut_arg("host", |host| host.required(true)))]
pub struct Add {
    /// Name of the context
    name: ContextName,
    #[command(flatten)]
    daemon: DaemonOptions,
}

impl Add {
    fn run(self, screen: &Screen) -> Outcome {
        let name = self.name;
        if name.is_default() {
            return Err(Failure::BadValue(
                "context 'default' stands for no context: choose another name".to_owned(),
            ));
        }
        let parameters = with_absolute_paths(self.daemon.parameters())?;
        // Nobody wants to find out later that a path was wrong.
        Client::new(DaemonAddress::resolve(parameters.clone())?)?;
        Contexts::change(|contexts| {
            if contexts.contexts.contains_key(&name) {
                return Err(Failure::Refused(format!(
                    "context '{name}' exists already: remove it first with 'klee context rm {name}'"
                )));
            }
            contexts.contexts.insert(name.clone(), parameters);
            Ok(())
        })?;
        screen.styled_line(&name.to_string(), screen::NAME)?;
        Ok(Exit::SUCCESS)
    }
}

/// A context is used from everywhere, so its files must be found from everywhere.
fn with_absolute_paths(parameters: Parameters) -> Result<Parameters, Failure> {
    let absolute = |path: Option<PathBuf>| {
        let path = path.map(|path| match path.starts_with("~") {
            true => Ok(path),
            false => absolute(&path),
        });
        path.transpose()
    };
    Ok(Parameters {
        tlscert: absolute(parameters.tlscert)?,
        tlskey: absolute(parameters.tlskey)?,
        tlscacert: absolute(parameters.tlscacert)?,
        ..parameters
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::BadValue(format!("cannot make '{}' absolute: {error}", path.display())))
}

/// Show everything about a context (default: the one in use)
#[derive(Debug, Args)]
#[command(mut_arg("format", |format| format.help("json, or a template such as '{{.name}}' or '{{.host}}'")))]
pub struct Inspect {
    #[command(flatten)]
    inspection: Inspection,
    /// Name of the context
    context: Option<ContextName>,
}

impl Inspect {
    fn run(self, screen: &Screen, settings: &Settings) -> Outcome {
        let contexts = Contexts::read()?;
        let name = self
            .context
            .or_else(|| settings.context(&contexts))
            .unwrap_or_default();
        let shown = all(&contexts, settings)
            .into_iter()
            .find(|shown| shown.name == name)
            .ok_or_else(|| contexts.unknown(&name))?;
        self.inspection.format.show(*screen, to_json(shown)?)?;
        Ok(Exit::SUCCESS)
    }
}

/// List contexts
#[derive(Debug, Args)]
pub struct Ls {
    /// table, json, or a template for each line: '{{.name}} {{.host}}'
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Layout,
}

const COLUMNS: &[Column] = &[
    Column::new("NAME"),
    Column::new("CURRENT").centred(),
    Column::new("HOST"),
    Column::new("VERIFIED BY"),
];

impl Ls {
    fn run(self, screen: &Screen, settings: &Settings) -> Outcome {
        let contexts = Contexts::read()?;
        let shown = all(&contexts, settings);
        match self.format {
            Layout::Text(format) => {
                let objects = shown.iter().map(to_json).collect::<Result<_, _>>()?;
                format.show_all(*screen, objects)?;
            }
            Layout::Table => {
                let rows: Vec<Vec<Cell>> = shown.into_iter().map(row).collect();
                screen.table(COLUMNS, &rows)?;
            }
        }
        warn_if_overruled(screen, settings);
        Ok(Exit::SUCCESS)
    }
}

fn row(shown: Shown) -> Vec<Cell> {
    let host = shown.parameters.host.unwrap_or_default();
    let verified_by = match (shown.parameters.tlscacert, shown.parameters.tlsverify) {
        _ if !host.starts_with("https:") => String::new(),
        (Some(path), _) => path.display().to_string(),
        (None, Some(true)) => "system".to_owned(),
        (None, _) => "nothing".to_owned(),
    };
    vec![
        Cell::new(shown.name.to_string(), screen::NAME),
        Cell::plain(if shown.current { "yes" } else { "" }),
        Cell::plain(host),
        Cell::plain(verified_by),
    ]
}

/// Remove contexts
#[derive(Debug, Args)]
pub struct Rm {
    /// Remove a context that is in use, too, and go back to the default
    #[arg(short, long)]
    force: bool,
    /// Names of contexts
    #[arg(required = true)]
    contexts: Vec<ContextName>,
}

impl Rm {
    fn run(self, screen: &Screen) -> Outcome {
        let mut exit = Exit::SUCCESS;
        for name in &self.contexts {
            match Contexts::change(|contexts| remove(contexts, name, self.force)) {
                Ok(()) => screen.line(&name.to_string())?,
                Err(Failure::Refused(message)) => {
                    screen.complain(&message);
                    exit = Exit::FAILURE;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(exit)
    }
}

fn remove(contexts: &mut Contexts, name: &ContextName, force: bool) -> Result<(), Failure> {
    if name.is_default() {
        return Err(Failure::Refused(
            "context 'default' stands for no context and cannot be removed".to_owned(),
        ));
    }
    contexts.get(name)?;
    if contexts.current.as_ref() == Some(name) {
        if !force {
            return Err(Failure::Refused(format!(
                "context '{name}' is in use: choose another with 'klee context use', or remove it with '--force'"
            )));
        }
        contexts.current = None;
    }
    contexts.contexts.remove(name);
    Ok(())
}

/// Show the name of the context in use
#[derive(Debug, Args)]
pub struct Show {}

impl Show {
    fn run(self, screen: &Screen, settings: &Settings) -> Outcome {
        let name = settings.context(&Contexts::read()?).unwrap_or_default();
        screen.styled_line(&name.to_string(), screen::NAME)?;
        warn_if_overruled(screen, settings);
        Ok(Exit::SUCCESS)
    }
}

/// Use a context from now on; 'default' goes back to none
#[derive(Debug, Args)]
pub struct Use {
    /// Name of the context
    context: ContextName,
}

impl Use {
    fn run(self, screen: &Screen, settings: &Settings) -> Outcome {
        let name = self.context;
        Contexts::change(|contexts| {
            contexts.current = match name.is_default() {
                true => None,
                false => {
                    contexts.get(&name)?;
                    Some(name.clone())
                }
            };
            Ok(())
        })?;
        screen.styled_line(&name.to_string(), screen::NAME)?;
        warn_if_overruled(screen, settings);
        Ok(Exit::SUCCESS)
    }
}

/// Tells somebody who looks at contexts that none of them is heard.
fn warn_if_overruled(screen: &Screen, settings: &Settings) {
    if let Some(host) = settings.overruling_host() {
        screen.complain(&format!(
            "Note: KLEE_HOST is set, so klee uses {host} whatever the context, unless '--context' names one."
        ));
    }
}
