//! `cargo xtask bench`: what is promised in numbers, measured side by side in one run on this machine.

mod builds;
mod images;
mod leases;
mod networks;
mod requests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kleene_rootfs::{Root, host_image};
use kleene_tests::{Host, Programs};

use crate::workspace::{Profile, Workspace};
use crate::{plugins, setup, style};

/// How often each command is timed.
const RUNS: usize = 20;
/// How often the daemon is started.
const STARTS: usize = 10;
/// How long a daemon has nothing to do before it counts as idle.
const REST: Duration = Duration::from_secs(2);
/// In the image; what it does is nothing.
const PROGRAM: &str = "/bin/true";

/// What to measure.
#[derive(Debug, Args)]
pub struct Bench {
    /// The programs as developers build them, which is quicker to build and slower to run.
    #[arg(long)]
    dev: bool,
    /// Only what networks cost.
    #[arg(long, conflicts_with = "builds")]
    networks: bool,
    /// Only what builds and imports cost.
    #[arg(long)]
    builds: bool,
}

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    what: String,
    measured: String,
    promised: &'static str,
}

impl Line {
    fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            promised: "",
        }
    }

    fn promised(self, promised: &'static str) -> Self {
        Self { promised, ..self }
    }
}

impl Bench {
    /// Measures, and prints a table.
    ///
    /// # Errors
    /// If something cannot be built or run.
    pub fn run(&self, workspace: &Workspace) -> Result<()> {
        let profile = if self.dev { Profile::Dev } else { Profile::Release };
        setup::for_bench(workspace)?;
        let plugins = plugins::build_all(workspace.root())?;
        workspace.build_programs(profile)?;
        let programs = Programs::at(&workspace.programs(profile), &plugins)?;
        println!("{}", style::heading(&row("what", "measured", "promised")));
        let all = !self.networks && !self.builds;
        if all {
            print(&whole_path(workspace, &programs)?);
        }
        if all || self.builds {
            print(&images::measure(&programs)?);
            print(&builds::measure(&programs)?);
        }
        if all || self.networks {
            print(&leases::measure(&programs)?);
            // Last: the kernel is busy for a while with the end of a thousand containers.
            print(&networks::measure(&programs)?);
        }
        Ok(())
    }
}

fn print(lines: &[Line]) {
    for line in lines {
        println!("{}", row(&line.what, &line.measured, line.promised));
    }
}

/// From a command to its end, the daemon, and a plan.
fn whole_path(workspace: &Workspace, programs: &Programs) -> Result<Vec<Line>> {
    let mut host = Host::with(programs.clone())?;
    host.klee(&format!("image create -t minimal host --bin {PROGRAM}"))
        .ok();

    thread::sleep(REST);
    let memory = resident(&host)?;
    let times = compare_with_crun(&host)?;
    let start = daemon_start(&mut host)?;
    let plan = plan_time(workspace, programs)?;

    let [klee, crun] = times;
    let ratio = klee.as_secs_f64() / crun.as_secs_f64();
    Ok(vec![
        Line::new(
            format!("crun run {PROGRAM}, start to exit, median of {RUNS}"),
            milliseconds(crun),
        ),
        Line::new(
            format!("klee run minimal {PROGRAM}, the same"),
            milliseconds(klee),
        ),
        Line::new("  klee run / crun run", format!("{ratio:.2}")).promised("1.5"),
        Line::new(
            format!("kleened, start until it answers, median of {STARTS}"),
            milliseconds(start),
        )
        .promised("100 ms"),
        Line::new("kleened at rest, resident memory", format!("{memory:.1} MiB")).promised("40 MiB"),
        Line::new("one warm plan of network-bridge, median", plan).promised("50 µs"),
    ])
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn row(what: &str, measured: &str, promised: &str) -> String {
    format!("{what:<58}{measured:>12}{promised:>12}")
}

/// Resident memory of the daemon, in MiB.
fn resident(host: &Host) -> Result<f64> {
    let pid = host.daemon_pid()?.to_string();
    let status = host.run(&format!("cat /proc/{pid}/status")).ok();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS of kleened")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

/// Start to exit of klee and crun, in turns, from a mount namespace in which crun works beside both versions of control
/// groups (crun 1.8 does not, while version 2 is mounted as `unified`).
fn compare_with_crun(host: &Host) -> Result<[Duration; 2]> {
    let bundle = crun_bundle(&host.directory("bundle"))?;
    let klee = host.klee_command("");
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .args(["umount /sys/fs/cgroup/unified 2> /dev/null; exec \"$@\"", "sh"])
        .arg(std::env::current_exe()?)
        .arg("time")
        .arg("--klee")
        .arg(klee.get_program())
        .arg("--host")
        .arg(host.url())
        .arg("--bundle")
        .arg(&bundle)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run unshare")?;
    ensure!(output.status.success(), "could not compare klee with crun");
    let text = String::from_utf8(output.stdout)?;
    let (klee, crun) = text.trim().split_once(' ').context("two times are missing")?;
    Ok([
        Duration::from_nanos(klee.parse()?),
        Duration::from_nanos(crun.parse()?),
    ])
}

/// A bundle for crun with the same files as the image, by the same code, and crun's own default configuration.
fn crun_bundle(bundle: &Path) -> Result<PathBuf> {
    let files = bundle.join("rootfs");
    fs::create_dir_all(&files)?;
    host_image::populate(&Root::open(&files)?, &[PROGRAM.into()])?;
    for directory in ["proc", "sys", "dev"] {
        fs::create_dir_all(files.join(directory))?;
    }
    let made = Command::new("crun")
        .arg("spec")
        .current_dir(bundle)
        .status()
        .context("cannot run crun")?;
    ensure!(made.success(), "crun spec failed");
    let config = bundle.join("config.json");
    let mut spec: serde_json::Value = serde_json::from_slice(&fs::read(&config)?)?;
    spec["process"]["args"] = serde_json::json!([PROGRAM]);
    spec["process"]["terminal"] = false.into();
    // Hard limits cannot be raised without CAP_SYS_RESOURCE, which not every machine grants.
    if let Some(process) = spec["process"].as_object_mut() {
        process.remove("rlimits");
    }
    fs::write(&config, serde_json::to_vec(&spec)?)?;
    Ok(bundle.to_owned())
}

/// From the start of the daemon's program until it has answered a request, with compiled plugins in its cache.
fn daemon_start(host: &mut Host) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        host.stop_daemon()?;
        let start = Instant::now();
        host.start_daemon()?;
        times.push(start.elapsed());
    }
    Ok(median(times))
}

/// What the plugin host's own measurement says of one plan.
fn plan_time(workspace: &Workspace, programs: &Programs) -> Result<String> {
    let output = workspace
        .cargo(["run", "--release", "--quiet", "--package", "kleene-plugins"])
        .args(["--example", "measure_plugins", "--"])
        .arg(&programs.plugins)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "could not measure the time of a plan");
    let text = String::from_utf8(output.stdout)?;
    let time = text.lines().find_map(|line| {
        let (_, rest) = line.strip_prefix("Cranelift: one plan")?.split_once(" in ")?;
        rest.split_once(" (").map(|(time, _)| time.to_owned())
    });
    time.context("measure_plugins printed no time of a plan")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Times `klee run` and `crun run` in turns; prints both medians in nanoseconds.
#[derive(Debug, Args)]
pub struct Time {
    /// The program.
    #[arg(long)]
    klee: PathBuf,
    /// Where its daemon listens.
    #[arg(long)]
    host: String,
    /// What crun runs.
    #[arg(long)]
    bundle: PathBuf,
}

impl Time {
    /// Does it.
    ///
    /// # Errors
    /// If one of them fails.
    pub fn run(&self) -> Result<()> {
        // crun keeps its state here, and would find none of it in a mount namespace that has ended.
        let state = self.bundle.join("state");
        fs::create_dir_all(&state)?;
        let mut times = [Vec::new(), Vec::new()];
        // One more each, to warm up.
        for turn in 0..=RUNS {
            let mut klee = Command::new(&self.klee);
            klee.args(["run", "minimal", PROGRAM])
                .env("KLEE_HOST", &self.host);
            let mut crun = Command::new("crun");
            crun.arg("--root")
                .arg(&state)
                .args(["run", &format!("kleene-bench-{turn}")])
                .current_dir(&self.bundle);
            for (command, times) in [klee, crun].iter_mut().zip(&mut times) {
                let time = timed(command)?;
                if turn > 0 {
                    times.push(time);
                }
            }
        }
        let [klee, crun] = times.map(|times| median(times).as_nanos());
        println!("{klee} {crun}");
        Ok(())
    }
}

fn timed(command: &mut Command) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output()?;
    let time = start.elapsed();
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(time)
}
