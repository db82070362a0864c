//! What a process does between its birth and its program's first instruction: take its place in the jail, become its
//! user, give up its rights.
//!
//! It is a copy of the supervisor, which has one thread, so it may allocate memory. It returns nowhere: either another
//! program takes its place, or it tells its parent what went wrong and ends.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kleene_plan::{Launch, ProcessSpec};
use kleene_supervisor::ProcessPipes;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Gid, Mode, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags};

use crate::capabilities;
use crate::cgroup::Cgroup;
use crate::environment;
use crate::error::{Error, Result, Step, with_causes};
use crate::mount;
use crate::parameters::Parameters;
use crate::passwd::User;
use crate::root::{self, Devices};
use crate::seccomp::{self, Filter};
use crate::sys;
use crate::terminal;

/// The command of a base image: that of FreeBSD's, which boots.
const BOOT: [&str; 2] = ["/bin/sh", "/etc/rc"];

/// The largest `/etc/passwd` or `/etc/group` that is read, in bytes.
const LARGEST_DATABASE: u64 = 16 * 1024 * 1024;

/// The number of descriptors a process may open unless it asks for more: what `select` can deal with.
const DESCRIPTORS: u64 = 1024;

/// Where the process takes its place.
pub(crate) enum Place<'a> {
    /// A jail of which it is the first process; `None`: without `/dev`.
    New(Option<Devices>),
    /// A jail that runs, by the pidfd of its first process.
    Running(BorrowedFd<'a>),
}

/// Its standard descriptors.
pub(crate) enum Stdio {
    /// A terminal, which also controls it.
    Terminal(OwnedFd),
    /// A pipe for each direction.
    Pipes(ProcessPipes),
}

/// A process about to be.
pub(crate) struct Child<'a> {
    pub(crate) launch: &'a Launch,
    pub(crate) parameters: &'a Parameters,
    pub(crate) filter: &'a Filter,
    pub(crate) cgroup: &'a Cgroup,
    pub(crate) place: Place<'a>,
    pub(crate) stdio: Stdio,
}

impl Child<'_> {
    /// Runs the program. On failure the reason goes to the parent.
    pub(crate) fn run(self, parent: OwnedFd) -> ! {
        let reason = match self.become_program(parent.as_fd()) {
            Ok(never) => match never {},
            Err(error) => with_causes(&error),
        };
        // Without a parent there is nobody to tell.
        let _ = File::from(parent).write_all(reason.as_bytes());
        sys::exit_child(127)
    }

    fn become_program(self, parent: BorrowedFd<'_>) -> Result<Infallible> {
        let Self {
            launch,
            parameters,
            filter,
            cgroup,
            place,
            stdio,
        } = self;
        leave_supervisor()?;
        if cgroup.must_be_entered() {
            cgroup.enter()?;
        }
        take_place(place, launch, parameters)?;
        let user = find_user(parameters.user.as_ref().unwrap_or(&launch.process.user))?;
        take_stdio(stdio, &user)?;
        let directory = enter_directory(&launch.process, &user)?;
        let program = Program::prepare(&launch.process, &user, &directory)?;
        limit_descriptors()?;
        capabilities::confine(capabilities::of_jail(
            &launch.jail.network,
            parameters.raw_sockets,
        ))?;
        become_user(&user)?;
        die_with_supervisor(parent)?;
        rustix::thread::set_no_new_privs(true).step(|| "forbid new privileges".to_owned())?;
        seccomp::apply(filter)?;
        Err(program.exec())
    }
}

/// Sheds what it has of the supervisor. While it is in the jail and not yet as confined as the others, they can neither
/// trace it nor look at its descriptors.
fn leave_supervisor() -> Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .step(|| "hide the process from the jail".to_owned())?;
    sys::reset_signals();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    sys::close_others_on_exec().step(|| "close the supervisor's descriptors".to_owned())?;
    rustix::process::setsid().step(|| "start a session".to_owned())?;
    match sys::leave_session_keyring() {
        // A kernel without keyrings has none to leave.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        left => left.step(|| "leave the session keyring".to_owned()),
    }
}

fn take_place(place: Place<'_>, launch: &Launch, parameters: &Parameters) -> Result<()> {
    match place {
        Place::New(devices) => {
            // The process was born in its cgroup: this namespace makes it the root of what it sees.
            sys::unshare(UnshareFlags::NEWCGROUP).step(|| "make a cgroup namespace".to_owned())?;
            root::enter(&launch.jail, devices)?;
            let hostname = parameters.hostname.as_deref().unwrap_or(launch.jail.id.as_str());
            rustix::system::sethostname(hostname.as_bytes())
                .step(|| format!("set the host name '{hostname}' of the jail"))
        }
        Place::Running(first_process) => {
            let namespaces = ThreadNameSpaceType::MOUNT
                | ThreadNameSpaceType::CONTROL_GROUP
                | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
                | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
                | ThreadNameSpaceType::NETWORK;
            rustix::thread::move_into_thread_name_spaces(first_process, namespaces)
                .step(|| format!("enter jail '{}'", launch.jail.id))
        }
    }
}

fn find_user(wanted: &str) -> Result<User> {
    User::find(wanted, &database("/etc/passwd")?, &database("/etc/group")?)
}

fn is_missing(path: &str) -> Result<bool> {
    match mount::read_beneath_root(Path::new(path)) {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(true),
        Err(error) => Err(error).step(|| format!("open '{path}' of the container")),
    }
}

/// Reads a user database of the jail; a jail may have none.
fn database(path: &str) -> Result<String> {
    let mut bytes = Vec::new();
    match mount::read_beneath_root(Path::new(path)) {
        Ok(file) => file
            .take(LARGEST_DATABASE)
            .read_to_end(&mut bytes)
            .step(|| format!("read '{path}'"))?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => 0,
        Err(error) => return Err(error).step(|| format!("open '{path}' of the container")),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Takes the standard descriptors, which belong to the user, so that `/dev/stdout` can be opened again.
fn take_stdio(stdio: Stdio, user: &User) -> Result<()> {
    let step = || "set up standard input and output".to_owned();
    let (input, output) = match &stdio {
        Stdio::Terminal(slave) => {
            terminal::control(slave).step(|| "make the terminal the controlling one".to_owned())?;
            (slave, slave)
        }
        Stdio::Pipes(pipes) => (&pipes.input, &pipes.output),
    };
    for fd in [input, output] {
        rustix::fs::fchown(fd, Some(Uid::from_raw(user.uid)), None).step(step)?;
    }
    rustix::stdio::dup2_stdin(input).step(step)?;
    rustix::stdio::dup2_stdout(output).step(step)?;
    rustix::stdio::dup2_stderr(output).step(step)
}

/// Enters the directory in which the process starts. A home that does not exist is replaced by `/`, as login(1) does.
fn enter_directory(process: &ProcessSpec, user: &User) -> Result<PathBuf> {
    let path = process.directory.as_ref().unwrap_or(&user.home);
    match rustix::process::chdir(path) {
        Ok(()) => Ok(path.clone()),
        Err(_) if process.directory.is_none() => {
            rustix::process::chdir("/").step(|| "enter directory '/'".to_owned())?;
            Ok(PathBuf::from("/"))
        }
        Err(error) => Err(Error::Directory {
            path: path.clone(),
            source: error.into(),
        }),
    }
}

/// Lowers the number of descriptors to what is usual; the process may raise it to what the host allows.
fn limit_descriptors() -> Result<()> {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    let current = Some(maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS)));
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current, maximum })
        .step(|| "limit the number of open files".to_owned())
}

fn become_user(user: &User) -> Result<()> {
    let step = || format!("become user '{}'", user.name);
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    rustix::thread::set_thread_groups(&groups).step(step)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).step(step)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).step(step)
}

/// Asks to be killed when the supervisor ends, which must not have happened yet. Becoming another user would have
/// cleared this; running a set-user-id program cannot, because there are no new privileges.
fn die_with_supervisor(parent: BorrowedFd<'_>) -> Result<()> {
    let step = || "tie the process to its supervisor".to_owned();
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step(step)?;
    let mut parent = [PollFd::from_borrowed_fd(parent, PollFlags::empty())];
    rustix::event::poll(
        &mut parent,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    )
    .step(step)?;
    if parent[0].revents().contains(PollFlags::ERR) {
        return Err(io::Error::from(ErrorKind::BrokenPipe)).step(step);
    }
    Ok(())
}

/// A program with all it is started with.
struct Program {
    name: String,
    /// Where it may be, in the order to try.
    candidates: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Program {
    fn prepare(process: &ProcessSpec, user: &User, directory: &Path) -> Result<Self> {
        let name = process
            .argv
            .first()
            .filter(|name| !name.is_empty())
            .ok_or(Error::NothingToRun)?;
        // The shell would say no more than that it cannot open it.
        if process.argv == BOOT && is_missing(BOOT[1])? {
            return Err(Error::NothingToBoot);
        }
        let has_terminal = process.terminal.is_some();
        let env = environment::login_environment(user, directory, has_terminal, &process.env);
        let candidates = if name.contains('/') {
            vec![name.clone()]
        } else {
            let path = environment::value(&env, "PATH").unwrap_or_default();
            let directories = path
                .split(':')
                .map(|directory| if directory.is_empty() { "." } else { directory });
            directories
                .map(|directory| format!("{directory}/{name}"))
                .collect()
        };
        Ok(Self {
            name: name.clone(),
            candidates: c_strings(&candidates)?,
            argv: c_strings(&process.argv)?,
            env: c_strings(&env)?,
        })
    }

    /// Becomes the program; returns only the reason why not. As execvp(3): a candidate that may not be run is passed
    /// over, and told about if no other is found.
    fn exec(self) -> Error {
        let mut denied = None;
        for candidate in &self.candidates {
            let error = sys::exec(candidate, &self.argv, &self.env);
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory if !self.is_path() => {}
                ErrorKind::PermissionDenied if !self.is_path() => denied = Some(error),
                _ => {
                    return Error::Exec {
                        program: self.name,
                        source: error,
                    };
                }
            }
        }
        match denied {
            Some(source) => Error::Exec {
                program: self.name,
                source,
            },
            None => Error::ProgramNotFound(self.name),
        }
    }

    fn is_path(&self) -> bool {
        self.name.contains('/')
    }
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>> {
    texts
        .iter()
        .map(|text| CString::new(text.as_str()).map_err(|_| Error::Nul(text.clone())))
        .collect()
}
