//! `PKG nginx curl`: installs packages with the package manager that the image has, and leaves none of its caches behind.
//!
//! An example of a build step: one keyword, one action. The plugin cannot know which package manager the image has, so the
//! action is a script that looks; the names are its arguments and never part of its text.

use kleene_sdk::step::{Action, BuildState, BuildStep, Plugin, Process, Step, Variable};
use kleene_sdk::{PluginError, PluginInfo};

/// The plugin.
pub struct StepPkg;

kleene_sdk::export_step_plugin!(StepPkg);

/// What is run in the build container; its arguments are the packages.
pub const SCRIPT: &str = include_str!("install.sh");

impl Plugin for StepPkg {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: vec!["PKG".to_owned()],
        }
    }
}

impl BuildStep for StepPkg {
    fn expand(step: Step, state: BuildState) -> Result<Vec<Action>, PluginError> {
        let packages = packages(&step)?;
        let shell = ["/bin/sh", "-c", SCRIPT, "PKG"].map(str::to_owned);
        // Proxies and the like are for package managers as well.
        let env: Vec<Variable> = state.variables();
        Ok(vec![Action::Run(Process {
            argv: shell.into_iter().chain(packages).collect(),
            env,
            // Whoever USER says: packages are root's business.
            user: "root".to_owned(),
            directory: Some("/".to_owned()),
        })])
    }
}

/// The names of the packages, each checked.
fn packages(step: &Step) -> Result<Vec<String>, PluginError> {
    step.arguments
        .split_whitespace()
        .map(|name| match problem(name) {
            None => Ok(name.to_owned()),
            Some(hint) => Err(
                PluginError::invalid(format!("error in '{}': invalid instruction", step.text))
                    .hint(format!("'{name}': {hint}")),
            ),
        })
        .collect()
}

/// What is wrong with the name of a package.
fn problem(name: &str) -> Option<&'static str> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"+-._:/@=~".contains(&b);
    if name.starts_with('-') {
        Some("PKG has no options; for more than names write RUN with the package manager's own command")
    } else if name.contains('$') {
        Some("PKG has no variables; write the names, or RUN with the package manager's own command")
    } else if !name.bytes().all(known) {
        Some("a package's name has letters, digits and + - . _ : / @ = ~")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kleene_sdk::build::Dialect;

    fn pkg(arguments: &str) -> Result<Vec<Action>, PluginError> {
        let variable = |name: &str, value: &str| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let step = Step {
            line: 2,
            text: format!("PKG {arguments}"),
            keyword: "PKG".to_owned(),
            arguments: arguments.to_owned(),
        };
        let state = BuildState {
            dialect: Dialect::Docker,
            args: vec![variable("A", "arg"), variable("B", "b")],
            globals: vec![],
            env: vec![variable("A", "env")],
            build_arguments: vec![],
            user: "www".to_owned(),
            workdir: Some("/srv".to_owned()),
            shell: vec!["/bin/bash".to_owned(), "-c".to_owned()],
        };
        StepPkg::expand(step, state)
    }

    #[test]
    fn packages_are_arguments_of_one_script_that_root_runs() {
        let actions = pkg("nginx  lang/python311 libc6:amd64 curl=7.88.1-10+deb12u5").unwrap();
        let [Action::Run(process)] = &actions[..] else {
            panic!("{actions:?}");
        };
        assert_eq!(process.argv[..4], ["/bin/sh", "-c", SCRIPT, "PKG"]);
        assert_eq!(
            process.argv[4..],
            ["nginx", "lang/python311", "libc6:amd64", "curl=7.88.1-10+deb12u5"]
        );
        assert_eq!(
            (process.user.as_str(), process.directory.as_deref()),
            ("root", Some("/"))
        );
        let env: Vec<_> = process
            .env
            .iter()
            .map(|variable| format!("{}={}", variable.name, variable.value))
            .collect();
        assert_eq!(env, ["A=env", "B=b"]);
    }

    #[test]
    fn what_is_no_name_is_refused_with_advice() {
        for (arguments, hint) in [
            ("-y nginx", "'-y': PKG has no options"),
            ("nginx --force", "'--force': PKG has no options"),
            ("nginx;id", "'nginx;id': a package's name has letters"),
            ("$(id)", "'$(id)': PKG has no variables"),
            ("a $B", "'$B': PKG has no variables"),
            ("a`id`", "'a`id`': a package's name"),
            ("'a b'", "''a': a package's name"),
        ] {
            let error = pkg(arguments).unwrap_err();
            assert_eq!(
                error.message,
                format!("error in 'PKG {arguments}': invalid instruction")
            );
            assert!(
                error.hint.as_ref().unwrap().starts_with(hint),
                "{arguments}: {error:?}"
            );
        }
    }
}
