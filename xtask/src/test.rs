//! `cargo xtask test`: style, types for FreeBSD, then all tests, then one line with their number. On FreeBSD the tests
//! that want Linux's namespaces are left out, and `kleene-e2e` runs on the host itself.

use std::io::{BufRead, BufReader, IsTerminal, stderr};
use std::ops::AddAssign;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::{Profile, Workspace};
use crate::{freebsd, plugins, setup, style};

/// Checks everything; the exit code says whether all is well.
///
/// # Errors
/// If a check other than a test fails, or a check cannot be made.
pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    step("setup");
    setup::for_all(workspace)?;
    step("cargo fmt --check");
    ensure!(
        workspace.cargo(["fmt", "--all", "--check"]).status()?.success(),
        "type `cargo fmt`"
    );
    step("plugins");
    plugins::build_all(workspace.root())?;
    plugins::build_fixtures(workspace.root())?;
    step("cargo clippy");
    let packages = Workspace::packages();
    let mut clippy = workspace.cargo(["clippy", "--all-targets", "--quiet"]);
    clippy.args(&packages).args(["--", "-D", "warnings"]);
    ensure!(clippy.status()?.success(), "clippy has something to say");
    if cfg!(not(target_os = "freebsd")) {
        step("types for FreeBSD: the whole workspace, x86_64 and aarch64");
        match freebsd::can_check() {
            Ok(()) => freebsd::check(workspace)?,
            Err(missing) => println!("not checked: {missing:#}"),
        }
    }
    step("kleened and klee");
    workspace.build_programs(Profile::Dev)?;
    step("tests");
    let mut count = run_tests(workspace, Ground::Host)?;
    if cfg!(target_os = "linux") {
        step("the contract and users' jobs on FreeBSD's code");
        count += run_tests(workspace, Ground::FreeBsd)?;
    }
    step("examples in the documentation");
    count += counted(
        workspace.cargo(["test", "--doc", "--quiet"]).args(&packages),
        Runner::Cargo,
    )?;
    if cfg!(target_os = "freebsd") {
        step("kleene-e2e on this host");
        count += counted(&mut on_this_host(workspace), Runner::OnThisHost)?;
    }
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn step(name: &str) {
    println!("{}", style::heading(&format!("== {name}")));
}

/// That of `kleene-tests`, which the tasks have on Linux only.
const GROUND_VARIABLE: &str = "KLEENE_TEST_GROUND";

/// What the hosts of end-to-end tests are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// What this machine runs.
    Host,
    /// FreeBSD's code and stand-ins for its tools. `.config/nextest.toml` says which tests that is for.
    FreeBsd,
}

fn run_tests(workspace: &Workspace, ground: Ground) -> Result<Count> {
    let has_nextest = workspace
        .cargo(["nextest", "--version"])
        .output()?
        .status
        .success();
    if !has_nextest {
        if ground == Ground::FreeBsd {
            println!("left out: it takes `cargo nextest`");
            return Ok(Count::default());
        }
        return counted(
            workspace
                .cargo(["test", "--all-targets", "--no-fail-fast"])
                .args(Workspace::packages()),
            Runner::Cargo,
        );
    }
    let mut nextest = workspace.cargo(["nextest", "run", "--all-targets", "--no-fail-fast"]);
    nextest.args(Workspace::packages());
    nextest.args(["--status-level", "fail", "--show-progress", "none"]);
    if ground == Ground::FreeBsd {
        nextest
            .args(["--profile", "freebsd"])
            .env(GROUND_VARIABLE, "freebsd");
    }
    if stderr().is_terminal() {
        nextest.args(["--color", "always"]);
    }
    counted(&mut nextest, Runner::Nextest)
}

/// The tests that need no namespaces, with the programs of this build.
fn on_this_host(workspace: &Workspace) -> Command {
    let programs = workspace.programs(Profile::Dev);
    let mut command = Command::new(programs.join("kleene-e2e"));
    command
        .arg("--programs")
        .arg(programs)
        .arg("--plugins")
        .arg(workspace.target().join("plugins"));
    command
}

/// How many tests there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// Its summary is on standard error.
    Nextest,
    /// Its summaries, one per program, are on standard output.
    Cargo,
    /// `kleene-e2e`: its summary is the last line of standard output.
    OnThisHost,
}

impl Runner {
    fn summary(self, line: &str) -> Option<Count> {
        let line = without_colours(line);
        let rest = match self {
            Self::Nextest => line
                .trim()
                .strip_prefix("Summary")?
                .split_once("run: ")?
                .1
                .to_owned(),
            Self::Cargo => line.strip_prefix("test result: ")?.split_once(". ")?.1.to_owned(),
            Self::OnThisHost => {
                let is_summary = line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" passed, ");
                is_summary.then_some(line)?
            }
        };
        let number = |word| {
            let before = rest.split([',', ';']).find(|part| part.trim().contains(word))?;
            before.trim().split(' ').next()?.parse::<u64>().ok()
        };
        let count = |word| number(word).unwrap_or(0);
        Some(Count {
            passed: count(" passed"),
            failed: count(" failed") + count(" timed out") + count(" exec failed"),
        })
    }
}

/// Runs tests, shows what they print, and counts them. A run that fails without a failed test counts as one.
fn counted(command: &mut Command, runner: Runner) -> Result<Count> {
    match runner {
        Runner::Nextest => command.stderr(Stdio::piped()),
        Runner::Cargo | Runner::OnThisHost => command.stdout(Stdio::piped()),
    };
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let mut count = Count::default();
    let mut relay = |line: &str| {
        match runner {
            Runner::Nextest => eprintln!("{line}"),
            Runner::Cargo | Runner::OnThisHost => println!("{line}"),
        }
        if let Some(more) = runner.summary(line) {
            count += more;
        }
    };
    if let Some(output) = child.stderr.take() {
        BufReader::new(output)
            .lines()
            .try_for_each(|line| line.map(|line| relay(&line)))?;
    }
    if let Some(output) = child.stdout.take() {
        BufReader::new(output)
            .lines()
            .try_for_each(|line| line.map(|line| relay(&line)))?;
    }
    if !child.wait()?.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

fn without_colours(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once('\x1b') {
        text.push_str(before);
        rest = sequence.split_once('m').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_nextest_is_understood() {
        let line = "     Summary [   1.234s] 14 tests run: 12 passed (1 slow), 2 failed, 3 skipped";
        assert_eq!(
            Runner::Nextest.summary(line),
            Some(Count {
                passed: 12,
                failed: 2
            })
        );
        let line = "\x1b[32;1m     Summary\x1b[0m [   0.1s] \x1b[1m1\x1b[0m tests run: \x1b[1m1\x1b[0m \x1b[32;1mpassed\x1b[0m, 0 skipped";
        assert_eq!(
            Runner::Nextest.summary(line),
            Some(Count { passed: 1, failed: 0 })
        );
    }

    #[test]
    fn a_test_without_an_end_is_a_failed_one() {
        let line = "     Summary [ 60.000s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped";
        assert_eq!(
            Runner::Nextest.summary(line),
            Some(Count { passed: 1, failed: 2 })
        );
    }

    #[test]
    fn the_summary_of_cargo_is_understood() {
        let line = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        assert_eq!(Runner::Cargo.summary(line), Some(Count { passed: 3, failed: 1 }));
        assert_eq!(Runner::Cargo.summary("test tests::a ... ok"), None);
    }

    #[test]
    fn the_summary_of_the_tests_on_a_host_is_understood() {
        let count = Runner::OnThisHost.summary("50 passed, 2 failed, 3 skipped");
        assert_eq!(
            count,
            Some(Count {
                passed: 50,
                failed: 2
            })
        );
        assert_eq!(Runner::OnThisHost.summary("ok       networks: a (0.1 s)"), None);
        assert_eq!(Runner::OnThisHost.summary("FAILED   1 passed, 2 failed"), None);
    }
}
