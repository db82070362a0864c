//! The host: which platform the daemon stands on, and what its supervisors start processes with.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use kleene_daemon::config::{Config, PlatformKind};
use kleene_freebsd::{FreeBsdConfig, FreeBsdLauncher, FreeBsdPlatform, Tools};
use kleene_platform::Platform;
use kleene_supervisor::Launcher;

/// The word that makes this program a supervisor.
const SUPERVISE: &str = "supervise";

/// What stands between it and the directory where tools are put in front of FreeBSD's own.
const TOOLS: &str = "--tools";

/// Supervises a process, if these words of the command line say so.
pub fn supervise(mut words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    words.next().filter(|word| word == SUPERVISE)?;
    let words: Vec<OsString> = words.collect();
    let supervise = |launcher: &dyn Launcher, directory: &OsString| {
        kleene_supervisor::run(launcher, Path::new(directory))
    };
    Some(match words.as_slice() {
        [directory] => supervise(&own_launcher(), directory),
        [option, tools, directory] if option == TOOLS => {
            supervise(&FreeBsdLauncher::new(Tools::with_in_front(tools)), directory)
        }
        _ => {
            eprintln!("kleened supervise: the directory is missing; only kleened itself calls this");
            ExitCode::FAILURE
        }
    })
}

#[cfg(target_os = "linux")]
fn own_launcher() -> kleene_linux_jail::LinuxLauncher {
    kleene_linux_jail::LinuxLauncher
}

#[cfg(not(target_os = "linux"))]
fn own_launcher() -> FreeBsdLauncher {
    FreeBsdLauncher::new(Tools::of_the_host())
}

/// The configuration with a directory for what lasts, where it names a dataset.
pub fn with_state_directory(config: &Config) -> anyhow::Result<Config> {
    let mut config = config.clone();
    if config.platform() == PlatformKind::FreeBsd {
        let dataset = config.dataset().context("kleene_root is no dataset")?;
        config.kleene_root = kleene_freebsd::mountpoint(&config.tools(), dataset)?;
    }
    Ok(config)
}

/// The platform.
pub fn open(config: &Config) -> anyhow::Result<Arc<dyn Platform>> {
    match config.platform() {
        PlatformKind::FreeBsd => freebsd(config),
        PlatformKind::Linux => linux(config),
    }
}

fn freebsd(config: &Config) -> anyhow::Result<Arc<dyn Platform>> {
    let mut supervisor = vec![std::env::current_exe()?.into(), SUPERVISE.into()];
    if let Some(tools) = &config.tools {
        supervisor.extend([TOOLS.into(), tools.clone().into()]);
    } else if cfg!(not(target_os = "freebsd")) {
        bail!("platform is 'freebsd' and this is not FreeBSD: name stand-ins for its tools in 'tools'");
    }
    let root = config.dataset().context("kleene_root is no dataset")?;
    Ok(Arc::new(FreeBsdPlatform::open(FreeBsdConfig {
        root: root.to_owned(),
        run_dir: config.run_dir.clone(),
        supervisor,
        tools: config.tools(),
    })?))
}

#[cfg(target_os = "linux")]
fn linux(config: &Config) -> anyhow::Result<Arc<dyn Platform>> {
    use kleene_linux::{LinuxConfig, LinuxPlatform};
    Ok(Arc::new(LinuxPlatform::open(LinuxConfig {
        root: config.kleene_root.clone(),
        run_dir: config.run_dir.clone(),
        supervisor: vec![kleene_linux_jail::protected_program()?.into(), SUPERVISE.into()],
    })?))
}

#[cfg(not(target_os = "linux"))]
fn linux(_config: &Config) -> anyhow::Result<Arc<dyn Platform>> {
    bail!("platform is 'linux' and this is not Linux")
}
