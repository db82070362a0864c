//! Ending a jail. `jail -r` of a jail that is in no configuration file runs none of its commands and waits ten seconds
//! for its processes, so we do ourselves what jail.conf(5) promises: the stop commands, TERM, time to follow, KILL. Or in
//! place of TERM the signal that an image asks for, to the first process alone.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use kleene_plan::Id;
use rustix::process::{Pid, Signal};

use crate::command::{Command, Tools};
use crate::error::{Result, Step};
use crate::jail::{self, StopCommands};
use crate::jail_file::JailFile;
use crate::jls::{self, Jail, Process};

/// How long the kernel may take to let go of a jail whose processes were killed.
const DEATH: Duration = Duration::from_millis(400);

/// How often processes and jails are looked for.
const GLANCE: Duration = Duration::from_millis(20);

impl Tools {
    /// A jail that runs.
    pub(crate) fn find_jail(&self, id: &Id) -> crate::command::Result<Option<Jail>> {
        self.one_jail(&jls::find(id))
    }

    fn one_jail(&self, command: &Command) -> crate::command::Result<Option<Jail>> {
        match self.read(command, jls::parse_list) {
            Err(error) if jls::is_absence(&error) => Ok(None),
            jails => Ok(jails?.into_iter().next()),
        }
    }

    /// Whether a directory is in use only by jails that were removed and that the kernel has not let go of, often because
    /// of open connections.
    pub(crate) fn is_held_by_the_dead(&self, directory: &Path) -> crate::command::Result<bool> {
        let mut jails = self.read(&jls::list_dying(), jls::parse_list)?;
        jails.retain(|jail| Path::new(&jail.path).starts_with(directory));
        Ok(!jails.is_empty() && jails.iter().all(Jail::is_dying))
    }

    /// The first process of a jail, as long as it and jail(8), which started it, run.
    pub(crate) fn first_process(&self, id: &Id, maker: u32) -> crate::command::Result<Option<Pid>> {
        let processes = self.processes(id)?;
        Ok(first_of(&processes, maker).and_then(|process| Pid::from_raw(process.pid)))
    }

    /// The processes of a jail; none if there is no such jail.
    fn processes(&self, id: &Id) -> crate::command::Result<Vec<Process>> {
        match self.read(&jls::processes(id), jls::parse_processes) {
            // ps(1) fails without a word where it finds nobody, and calls the id invalid where there is no such jail:
            // it goes with its last process.
            Err(error @ crate::ToolError::Failed { .. }) => {
                if error.complaint().trim().is_empty() || self.find_jail(id)?.is_none() {
                    Ok(Vec::new())
                } else {
                    Err(error)
                }
            }
            processes => processes,
        }
    }
}

/// Ends a jail within about `grace`, and unmounts what was mounted in it. A jail that does not run is a success.
pub(crate) fn stop(
    tools: &Tools,
    run_root: &Path,
    id: &Id,
    signal: Option<Signal>,
    grace: Duration,
) -> Result<()> {
    let jail_dir = run_root.join(id.as_str());
    let file = JailFile::read(&jail_dir).step(|| format!("read what is known of jail '{id}'"))?;
    let step = || format!("stop jail '{id}'");
    let found = tools.find_jail(id).step(step)?;
    let root = file
        .as_ref()
        .map(|file| file.root.clone())
        .or_else(|| found.as_ref().map(|jail| jail.path.clone().into()));
    let maker = file.as_ref().and_then(|file| file.maker);
    let farewell = Farewell {
        commands: file.map_or_else(|| StopCommands::of(&[]), |file| file.stop),
        to_first: signal.zip(maker),
    };
    if let Some(jail) = &found {
        tracing::debug!(%id, jid = jail.jid, "stopping");
        end(tools, jail, id, &farewell, grace)?;
    }
    if let Some(root) = root {
        let step = || format!("unmount what is mounted in jail '{id}'");
        unmount(tools, &root).step(step)?;
    }
    if found.is_some() {
        for line in &farewell.commands.released {
            run(tools, &jail::run_line_outside(line), DEATH);
        }
    }
    JailFile::forget(&jail_dir).step(|| format!("write to '{}'", jail_dir.display()))
}

/// The one whose parent made the jail.
fn first_of(processes: &[Process], maker: u32) -> Option<&Process> {
    processes.iter().find(|process| process.parent == maker)
}

/// How a jail is asked to end.
struct Farewell {
    commands: StopCommands,
    /// A signal for its first process, and that one's parent.
    to_first: Option<(Signal, u32)>,
}

impl Farewell {
    /// Sends the signal. Daemons may have outlived the first process: those get TERM as ever.
    fn tell(&self, processes: &[Process]) {
        let first = self
            .to_first
            .and_then(|(signal, maker)| Some((first_of(processes, maker)?.pid, signal)));
        match first {
            Some((pid, signal)) => tell(pid, signal),
            None => processes
                .iter()
                .for_each(|process| tell(process.pid, Signal::TERM)),
        }
    }
}

fn end(tools: &Tools, jail: &Jail, id: &Id, farewell: &Farewell, grace: Duration) -> Result<()> {
    let commands = &farewell.commands;
    let grace = commands
        .limit
        .map_or(grace, |limit| grace.min(Duration::from_secs(limit)));
    let deadline = Instant::now() + grace;
    let left = || deadline.saturating_duration_since(Instant::now());
    // Half of the time is for processes that do not heed them.
    let for_command = || {
        let most = commands.command_limit.map_or(Duration::MAX, Duration::from_secs);
        most.min(left() / 2)
    };
    for line in &commands.before {
        run(tools, &jail::run_line_outside(line), for_command());
    }
    let has_rc = Path::new(&jail.path).join("etc/rc.shutdown").exists();
    for line in commands
        .inside
        .iter()
        .filter(|line| has_rc || *line != jail::DEFAULT_STOP)
    {
        run(tools, &jail::run_line(id, line), for_command());
    }
    let step = || format!("stop jail '{id}'");
    farewell.tell(&tools.processes(id).step(step)?);
    while !left().is_zero() && !tools.processes(id).step(step)?.is_empty() {
        thread::sleep(GLANCE);
    }
    kill(tools, id).step(step)?;
    match tools.run(&jail::remove(id)) {
        Err(error) if !jail::is_absence(&error) => return Err(error).step(step),
        _ => {}
    }
    await_death(tools, id).step(step)?;
    for line in &commands.after {
        run(tools, &jail::run_line_outside(line), DEATH);
    }
    Ok(())
}

/// Kills what is left in a jail, also what was just being born.
fn kill(tools: &Tools, id: &Id) -> crate::command::Result<()> {
    let deadline = Instant::now() + DEATH;
    loop {
        let left = tools.processes(id)?;
        if left.is_empty() || Instant::now() > deadline {
            return Ok(());
        }
        left.iter().for_each(|process| tell(process.pid, Signal::KILL));
        thread::sleep(GLANCE);
    }
}

/// Runs a command of the user's. That it fails or takes too long keeps no jail from ending.
fn run(tools: &Tools, command: &Command, limit: Duration) {
    if limit.is_zero() {
        return;
    }
    if let Err(error) = tools.run_within(command, limit) {
        tracing::info!("a stop command: {error}");
    }
}

/// Asks a process to end; one that has ended already is fine.
fn tell(pid: i32, signal: Signal) {
    let sent = Pid::from_raw(pid).map(|pid| rustix::process::kill_process(pid, signal));
    if let Some(Err(error)) = sent
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!("could not send {signal:?} to process {pid}: {error}");
    }
}

/// Waits until the kernel has let go of a jail. One that it holds on to (because of a connection or shared memory) is no
/// hindrance but worth a word: its processes are gone.
fn await_death(tools: &Tools, id: &Id) -> crate::command::Result<()> {
    let deadline = Instant::now() + DEATH;
    while let Some(jail) = tools.one_jail(&jls::find_dying(id))? {
        if Instant::now() > deadline {
            tracing::warn!(
                "jail {id} (jid {}) is {}: the kernel holds on to it, often because of open connections; see 'jls -d'",
                jail.jid,
                if jail.is_dying() { "dying" } else { "still there" }
            );
            break;
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}

/// A file system can be busy for a moment after its last user was killed.
fn unmount(tools: &Tools, root: &Path) -> crate::command::Result<()> {
    let deadline = Instant::now() + DEATH;
    loop {
        match tools.unmount_views_below(root) {
            Err(error) if error.says("busy") && Instant::now() < deadline => thread::sleep(GLANCE),
            unmounted => return unmounted,
        }
    }
}
