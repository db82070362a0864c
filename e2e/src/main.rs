//! `kleene-e2e`: the platform tests as one program. Copied to a FreeBSD or Linux machine and run there as root, it
//! starts a daemon of its own, does what users do, says a line per test, and leaves the host as it was.
//!
//! It brings the daemon, the command line and the plugins with it, and needs no network. On FreeBSD it works on a ZFS pool of its
//! own in a file, or below a dataset that it is given. What a host does not offer is a test skipped, with the reason.

mod cases;
mod daemon;
mod host;
mod probe;
mod runner;
mod site;
mod storage;
mod traces;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

/// Tests Kleene on this host, as root, and leaves the host as it was.
#[derive(Debug, Parser)]
#[command(name = "kleene-e2e", version)]
struct Arguments {
    /// Only tests whose name contains one of these words
    filters: Vec<String>,
    /// Print the names of the tests and do nothing
    #[arg(long)]
    list: bool,
    /// On FreeBSD: work below this dataset instead of a pool in a file
    #[arg(long, value_name = "DATASET")]
    root: Option<String>,
    /// Where to keep files during the run
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    directory: PathBuf,
    /// Keep the daemon's log in this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Take klee and kleened from here and not from this program
    #[arg(long, value_name = "DIR", requires = "plugins")]
    programs: Option<PathBuf>,
    /// Take the plugins from here and not from this program
    #[arg(long, value_name = "DIR", requires = "programs")]
    plugins: Option<PathBuf>,
    /// A directory of programs that stand in for FreeBSD's tools, whose host has the dataset tank/kleene
    #[arg(long, value_name = "DIR", hide = true)]
    stand_ins: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the same program does in containers.
#[derive(Debug, Subcommand)]
enum Part {
    /// Answers everybody who connects to a port.
    #[command(hide = true)]
    Serve { port: u16, answer: String },
    /// Prints what is answered at an address and port.
    #[command(hide = true)]
    Ask { at: std::net::SocketAddr },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("kleene-e2e: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing failed.
fn run(arguments: Arguments) -> Result<bool> {
    match arguments.part {
        Some(Part::Serve { port, answer }) => {
            probe::serve(port, &answer)?;
            return Ok(true);
        }
        Some(Part::Ask { at }) => {
            println!("{}", probe::ask(at)?);
            return Ok(true);
        }
        None => {}
    }
    let cases: Vec<_> = cases::all()
        .into_iter()
        .filter(|case| is_wanted(case.name, &arguments.filters))
        .collect();
    if arguments.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(true);
    }
    ensure!(
        !cases.is_empty(),
        "no test has such a name; --list prints them all"
    );
    ensure!(
        rustix::process::geteuid().is_root(),
        "not root: jails, mounts and interfaces are root's to make"
    );
    runner::run(&arguments, &cases)
}

fn is_wanted(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}
