//! Starts processes in jails: what the supervisor does around jail(8) and jexec(8).
//!
//! A start is: what is mounted in the jail, then jail(8), which mounts the devices, takes the interfaces, configures
//! them and runs the first process. jail(8) stays for as long as that process and passes on that it failed, but not how:
//! its exit status is 1 then. Interrupting jail(8) leaves the process and its jail alive.

use std::path::Path;
use std::thread;
use std::time::Duration;

use kleene_plan::{ExitStatus, JailMount, Launch, LaunchMode};
use kleene_rootfs::Root;
use kleene_supervisor::{LaunchError, Launched, Launcher, Running};

use crate::command::Tools;
use crate::error::{Error, Result, Step};
use crate::jail::{self, StopCommands};
use crate::jail_file::JailFile;
use crate::parameters::Parameters;
use crate::process::{self, Io, Process};
use crate::system::{self, Release};
use crate::{mount, users};

/// How often a jail that is being made is looked for.
const GLANCE: Duration = Duration::from_millis(5);

/// Starts processes in jails with the host's tools.
#[derive(Debug, Clone, Default)]
pub struct FreeBsdLauncher {
    tools: Tools,
}

impl FreeBsdLauncher {
    /// A launcher with these tools.
    #[must_use]
    pub fn new(tools: Tools) -> Self {
        Self { tools }
    }

    /// Makes a jail and starts its first process.
    fn start(&self, launch: &Launch, jail_dir: &Path) -> Result<Launched> {
        let id = &launch.jail.id;
        if self
            .tools
            .find_jail(id)
            .step(|| format!("look for jail '{id}'"))?
            .is_some()
        {
            return Err(Error::AlreadyRuns(id.clone()));
        }
        let root = &launch.jail.root;
        let step = || format!("unmount what an earlier run left in '{}'", root.display());
        self.tools.unmount_views_below(root).step(step)?;
        let mut file = JailFile {
            root: root.clone(),
            stop: StopCommands::of(&launch.jail.parameters),
            maker: None,
        };
        file.write(jail_dir)
            .step(|| format!("write to '{}'", jail_dir.display()))?;
        let started = self.start_prepared(launch);
        if started.is_err() {
            // What could not be started must not stay; of two errors the first is the cause.
            let unmounted = self.tools.unmount_views_below(root);
            if let Err(error) = unmounted {
                tracing::error!("after a failure: {error}");
            }
            JailFile::forget(jail_dir).step(|| format!("write to '{}'", jail_dir.display()))?;
        }
        let (process, io) = started?;
        file.maker = Some(process.pid());
        file.write(jail_dir)
            .step(|| format!("write to '{}'", jail_dir.display()))?;
        Ok(Launched {
            process: Box::new(FirstOfJail {
                process,
                tools: self.tools.clone(),
                launch: launch.clone(),
                jail_dir: jail_dir.to_owned(),
            }),
            io: io.ours,
            printed: io.printed,
        })
    }

    fn start_prepared(&self, launch: &Launch) -> Result<(Process, Io)> {
        let jail = &launch.jail;
        let root = Root::open(&jail.root).step(|| format!("open the root of jail '{}'", jail.id))?;
        for mount in &jail.mounts {
            self.mount(&root, mount)?;
        }
        if Parameters(&jail.parameters).switch("mount.devfs", true) {
            root.make_dir_all("dev")
                .step(|| "make /dev in the container".to_owned())?;
        }
        if let Some(command) = users::make_database(&root)? {
            let step = || "make the database of the container's users".to_owned();
            self.tools.run(&command).map(drop).step(step)?;
        }
        let user = users::user_in(&root, &launch.process.user)?;
        let command = jail::create(jail, &launch.process, user.as_ref());
        tracing::debug!(%command, "starting");
        let step = || format!("start jail '{}'", jail.id);
        let (mut process, mut io) =
            process::start(self.tools.process(&command), launch.process.terminal).step(step)?;
        while self.tools.find_jail(&jail.id).step(step)?.is_none() {
            let ended = process.ended().step(step)?;
            io.gather().step(step)?;
            match ended {
                None => thread::sleep(GLANCE),
                Some(ExitStatus::Code(0)) => break,
                Some(_) => match refusal(&String::from_utf8_lossy(&io.printed)) {
                    Some(reason) => return Err(Error::Refused(reason)),
                    None => break,
                },
            }
        }
        Ok((process, io))
    }

    /// A directory or file of the host at its place in the jail, which is found without leaving the jail's root.
    fn mount(&self, root: &Root, mount: &JailMount) -> Result<()> {
        let source = &mount.source;
        let step = || {
            format!(
                "mount '{}' at {} in the container",
                source.display(),
                mount.target.display()
            )
        };
        let metadata = std::fs::metadata(source).step(step)?;
        let target = if metadata.is_dir() {
            root.make_dir_all(&mount.target).step(step)?
        } else {
            self.check_file_mount(source)?;
            root.touch(&mount.target).step(step)?
        };
        // Nothing runs in the jail yet that could put a link there.
        let target = root.host_path().join(target);
        self.tools
            .run(&mount::nullfs(source, &target, mount.read_only))
            .map(drop)
            .step(step)
    }

    fn check_file_mount(&self, source: &Path) -> Result<()> {
        let release = self.tools.read(&system::release(), str::parse::<Release>);
        let release = release.step(|| "ask for the release of the host".to_owned())?;
        if release.mounts_files() {
            Ok(())
        } else {
            Err(Error::FileMount {
                source_path: source.to_owned(),
                release: release.to_string(),
            })
        }
    }

    /// Starts another process in a jail that runs.
    fn join(&self, launch: &Launch) -> Result<Launched> {
        let id = &launch.jail.id;
        let root = Root::open(&launch.jail.root).step(|| format!("open the root of jail '{id}'"))?;
        let user = users::user_in(&root, &launch.process.user)?;
        let command = jail::join(id, &launch.process, user.as_ref());
        tracing::debug!(%command, "starting");
        let mut command = self.tools.process(&command);
        // jexec(8) becomes the program, so that ends with its supervisor, too.
        kleene_platform::end_with_starter(&mut command, None);
        let started = process::start(command, launch.process.terminal);
        let (process, io) = started.step(|| format!("start a process in jail '{id}'"))?;
        Ok(Launched {
            process: Box::new(process),
            io: io.ours,
            printed: io.printed,
        })
    }
}

impl Launcher for FreeBsdLauncher {
    fn launch(&self, launch: &Launch, run_dir: &Path) -> std::result::Result<Launched, LaunchError> {
        let jail_dir = run_dir.parent().unwrap_or(run_dir);
        Ok(match launch.mode {
            LaunchMode::Start => self.start(launch, jail_dir),
            LaunchMode::Join => self.join(launch),
        }?)
    }
}

/// Why jail(8) could not make the jail or run the program, from all that was printed. `None`: the program ran and
/// failed, which jail(8) tells in one last line that repeats the command.
fn refusal(printed: &str) -> Option<String> {
    let (before, last) = match printed.rfind("jail: /usr/bin/env") {
        Some(at) => printed.split_at(at),
        None => (printed, ""),
    };
    let last = last.trim_end();
    let is_its_end = last.ends_with(": failed") || last.contains(": exited on signal ");
    let complaint = before
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if is_its_end && !complaint.starts_with("jail: ") {
        return None;
    }
    let lines = before
        .lines()
        .map(|line| line.trim().trim_start_matches("jail: "));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    Some(if lines.is_empty() {
        "it gave no reason".to_owned()
    } else {
        lines.join("; ")
    })
}

/// The process that made a jail. The jail may live on when it ends: with daemons that it started.
struct FirstOfJail {
    process: Process,
    tools: Tools,
    launch: Launch,
    jail_dir: std::path::PathBuf,
}

impl Running for FirstOfJail {
    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn end(&self) -> std::os::fd::BorrowedFd<'_> {
        self.process.end()
    }

    fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// It is for the first process in the jail, not for jail(8), which would leave that one alone.
    fn signal(&self, signal: u8) -> std::io::Result<()> {
        match self.tools.first_process(&self.launch.jail.id, self.process.pid()) {
            Ok(Some(first)) => process::send(first, signal),
            // Its commands that go before still run, or it has ended already.
            Ok(None) => self.process.signal(signal),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }

    fn clean_up(&mut self) -> std::result::Result<(), LaunchError> {
        let jail = &self.launch.jail;
        let stays = Parameters(&jail.parameters).switch("persist", false);
        // Killed by a Ctrl-C, say, jail(8) leaves a jail that would stay without processes.
        if !stays
            && self.tools.find_jail(&jail.id)?.is_some()
            && let Err(error) = self.tools.run(&jail::end_with_processes(&jail.id))
            && !jail::is_absence(&error)
        {
            return Err(error.into());
        }
        if self.tools.find_jail(&jail.id)?.is_none() {
            self.tools.unmount_views_below(&jail.root)?;
            JailFile::forget(&self.jail_dir)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::recorded;

    /// What jail(8) printed to standard error, with the command as we give it.
    fn complaint(command: &str) -> String {
        recorded(command).complaint
    }

    #[test]
    fn a_program_that_failed_is_no_refusal() {
        assert_eq!(
            refusal("out\njail: /usr/bin/env A=1 /bin/sh -c exit 7: failed\n"),
            None
        );
        assert_eq!(refusal("jail: /usr/bin/env kill: exited on signal 9\n"), None);
        assert_eq!(refusal("a\njail: /usr/bin/env /bin/sh -c x\ny: failed\n"), None);
        let unknown = "env: nosuch: No such file or directory\njail: /usr/bin/env nosuch: failed\n";
        assert_eq!(refusal(unknown), None);
    }

    #[test]
    fn a_recorded_refusal_is_told_without_its_prefix() {
        for (command, reason) in [
            (
                "jail -c path=/tank/j1 name=p1 nosuch.param=1 command=/bin/ls",
                "unknown parameter: nosuch.param",
            ),
            (
                "jail -c path=/nosuch name=0123456789ab command=/bin/ls",
                "path /nosuch: No such file or directory",
            ),
        ] {
            assert_eq!(refusal(&complaint(command)).as_deref(), Some(reason), "{command}");
        }
    }

    #[test]
    fn a_refusal_without_words_says_so() {
        assert_eq!(refusal(" \n").as_deref(), Some("it gave no reason"));
    }

    #[test]
    fn a_user_or_program_that_jail_does_not_find_is_a_refusal() {
        let user = complaint("jail -c path=/tank/j1 name=p1 exec.jail_user=nouser command=/bin/ls");
        let user = user.replace("/bin/ls", "/usr/bin/env /bin/ls");
        assert_eq!(refusal(&user).as_deref(), Some("nouser: no such user"));
        let program = "jail: exec /usr/bin/env: No such file or directory\njail: /usr/bin/env ls: failed\n";
        assert_eq!(
            refusal(program).as_deref(),
            Some("exec /usr/bin/env: No such file or directory")
        );
    }
}
