//! What the README and CI call.

#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod demo;
mod dist;
mod freebsd;
mod openapi;
mod plugins;
mod setup;
mod style;
mod test;
mod toolchain;
mod userland;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::workspace::{Profile, Workspace};

/// Builds, shows and tests Kleene.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Install what building, testing and running need and this machine does not have.
    Setup,
    /// Build the plugins to components.
    Plugins {
        /// Also those which only the host's tests need.
        #[arg(long)]
        fixtures: bool,
    },
    /// Write the description of the interface to api/openapi.json, after it has changed.
    Openapi,
    /// Check the types for FreeBSD, and link the programs for it.
    Freebsd {
        /// Programs as for users: it takes long.
        #[arg(long)]
        release: bool,
    },
    /// Make the tree of files that an installation on FreeBSD consists of, and `kleene-e2e` with all that it needs.
    Dist {
        /// The directory with the programs, where they are not to be built for this system.
        #[arg(long, value_name = "DIR")]
        programs: Option<std::path::PathBuf>,
    },
    /// Build everything, and show on a throw-away host what it does.
    Demo,
    /// Check the style of the code and run all tests.
    Test,
    /// Measure what is promised in numbers, beside what others need.
    #[cfg(target_os = "linux")]
    Bench(bench::Bench),
    /// Part of `bench`: measures commands from a mount namespace of its own.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Time(bench::Time),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", style::failure(&format!("xtask: {error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::of_this_program();
    match task {
        Task::Setup => setup::for_all(&workspace)?,
        Task::Plugins { fixtures } => {
            let directory = plugins::build_all(workspace.root())?;
            println!("plugins are in {}", directory.display());
            if fixtures {
                let directory = plugins::build_fixtures(workspace.root())?;
                println!("plugins for tests are in {}", directory.display());
            }
        }
        Task::Openapi => println!("{} is current", openapi::write(workspace.root())?.display()),
        Task::Freebsd { release } => {
            let profile = if release { Profile::Release } else { Profile::Dev };
            freebsd::run(&workspace, profile)?;
        }
        Task::Dist { programs } => {
            let dist = dist::run(&workspace, programs)?;
            println!("the tree of an installation is in {}", dist.tree.display());
            println!("the tests for any host are in {}", dist.tests.display());
        }
        Task::Test => return test::run(&workspace),
        #[cfg(target_os = "linux")]
        Task::Demo => demo::run(&workspace)?,
        #[cfg(target_os = "linux")]
        Task::Bench(bench) => bench.run(&workspace)?,
        #[cfg(target_os = "linux")]
        Task::Time(time) => time.run()?,
        #[cfg(not(target_os = "linux"))]
        Task::Demo => {
            anyhow::bail!("this needs Linux: it is done in namespaces")
        }
    }
    Ok(ExitCode::SUCCESS)
}
