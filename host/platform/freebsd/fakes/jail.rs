//! jail(8), jexec(8), jls(8), ps(1): a jail is every process whose root is its path.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::processes::{parent, processes};
use crate::state::{Host, Jail, State};
use crate::{Reply, no, ok, say};

/// Where programs in a jail are searched.
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin";

pub(crate) fn jail(host: &Host, words: &[&str]) -> Reply {
    match words {
        ["-c", parameters @ ..] => create(host, parameters),
        ["-m", parameters @ ..] => host.change(|state| modify(state, parameters)),
        ["-r" | "-R", name] => {
            ask_to_end(host, name);
            remove(host, name)
        }
        _ => no("usage: jail [-c | -r | -R] …\n"),
    }
}

fn modify(state: &mut State, words: &[&str]) -> Reply {
    let order = Order::read(words);
    let name = order.last("name").unwrap_or_default();
    let Some(jail) = state.jails.get_mut(name) else {
        return no(format!("jail: \"{name}\" not found\n"));
    };
    if let Err(reply) = check(&order) {
        return reply;
    }
    for (key, _) in &order.parameters {
        if matches!(*key, "vnet" | "devfs_ruleset") {
            return no(format!("jail: {key} cannot be changed after creation\n"));
        }
    }
    let list = |text: &str| {
        text.split(',')
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect()
    };
    if order.last("nopersist").is_some() {
        jail.persist = false;
    }
    if let Some(addresses) = order.last("ip4.addr") {
        jail.ip4 = list(addresses);
    }
    if let Some(addresses) = order.last("ip6.addr") {
        jail.ip6 = list(addresses);
    }
    ok()
}

/// What jail(8) does before it has the kernel remove a jail: TERM, and time to follow.
fn ask_to_end(host: &Host, name: &str) {
    let path = host.change(|state| state.jails.get(name).map(|jail| jail.path.clone()));
    let Some(path) = path else { return };
    let deadline = Instant::now() + STOP_TIMEOUT;
    if signal(&path, Signal::TERM) {
        while !processes(&path).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Sends a signal to all processes of a jail; whether there was one.
fn signal(path: &str, signal: Signal) -> bool {
    let pids = processes(path);
    for pid in pids.iter().copied().filter_map(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
    !pids.is_empty()
}

/// jail_remove(2): kills whoever is there.
fn remove(host: &Host, name: &str) -> Reply {
    let path = host.change(|state| state.jails.get(name).map(|jail| jail.path.clone()));
    let Some(path) = path else {
        return no(format!("jail: \"{name}\" not found\n"));
    };
    while signal(&path, Signal::KILL) {
        std::thread::sleep(Duration::from_millis(2));
    }
    host.change(|state| state.forget_jail(name));
    ok()
}

/// How long jail(8) waits for processes that it has asked to end (`stop.timeout`).
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A start: what it was asked for.
struct Order<'a> {
    parameters: Vec<(&'a str, &'a str)>,
    command: Vec<&'a str>,
}

impl<'a> Order<'a> {
    fn read(words: &[&'a str]) -> Self {
        let at = words
            .iter()
            .position(|word| word.starts_with("command="))
            .unwrap_or(words.len());
        let (parameters, command) = words.split_at(at);
        Self {
            parameters: parameters
                .iter()
                .map(|word| word.split_once('=').unwrap_or((word, "true")))
                .collect(),
            command: command
                .iter()
                .map(|word| word.strip_prefix("command=").unwrap_or(word))
                .collect(),
        }
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let of_key = self.parameters.iter().filter(move |(name, _)| *name == key);
        of_key.map(|(_, value)| *value)
    }

    fn last(&self, key: &str) -> Option<&'a str> {
        self.all(key).last()
    }
}

const KNOWN: [&str; 33] = [
    "path",
    "name",
    "host.hostname",
    "ip4",
    "ip6",
    "ip4.addr",
    "ip6.addr",
    "vnet",
    "vnet.interface",
    "persist",
    "nopersist",
    "exec.clean",
    "exec.noclean",
    "exec.jail_user",
    "exec.start",
    "exec.stop",
    "exec.nostop",
    "exec.prestart",
    "exec.created",
    "exec.poststart",
    "exec.prestop",
    "exec.poststop",
    "exec.release",
    "exec.timeout",
    "stop.timeout",
    "mount.devfs",
    "mount.nodevfs",
    "allow.raw_sockets",
    "allow.noraw_sockets",
    "sysvshm",
    "devfs_ruleset",
    "enforce_statfs",
    "children.max",
];

/// Whether a jail can be told this.
fn check(order: &Order<'_>) -> Result<(), Reply> {
    for (key, value) in &order.parameters {
        if !KNOWN.contains(&key.trim_end_matches('+')) {
            return Err(no(format!("jail: unknown parameter: {key}\n")));
        }
        if key.starts_with("allow.") && !["true", "false", "1", "0"].contains(value) {
            return Err(no(format!("jail: {key}: unknown boolean value \"{value}\"\n")));
        }
    }
    Ok(())
}

fn create(host: &Host, words: &[&str]) -> Reply {
    let order = Order::read(words);
    if let Err(reply) = check(&order) {
        return reply;
    }
    let (name, path) = (
        order.last("name").unwrap_or_default(),
        order.last("path").unwrap_or_default(),
    );
    if !Path::new(path).is_dir() {
        return no(format!("jail: path {path}: No such file or directory\n"));
    }
    for line in order.all("exec.prestart") {
        let run = Command::new("/bin/sh")
            .args(["-c", line])
            .stdin(Stdio::null())
            .status();
        if !run.is_ok_and(|status| status.success()) {
            return no(format!("jail: {line}: failed\n"));
        }
    }
    let registered = host.change(|state| {
        let registered = register(state, &order, name, path);
        let whole: Vec<&str> = ["-c"].into_iter().chain(words.iter().copied()).collect();
        host.record("jail", &whole, "", u8::from(registered.is_err()));
        registered
    });
    if let Err(reply) = registered {
        return reply;
    }
    // Now the jail can be seen.
    let started = order
        .all("exec.created")
        .try_for_each(|line| created(host, name, line))
        .map_or_else(|reply| reply, |()| run_first(&order, host, name, path));
    let failed = started.code != 0;
    if failed {
        remove(host, name);
    }
    // Without its starter it lives as long as a process of it does.
    host.change(|state| {
        if let Some(jail) = state.jails.get_mut(name) {
            jail.starter = 0;
            jail.persist = order.last("persist").is_some();
        }
        state.bury();
    });
    started
}

/// A command that is run on the host when the jail is there.
fn created(host: &Host, name: &str, line: &str) -> Result<(), Reply> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let reply = match words.as_slice() {
        ["/sbin/ifconfig", interface, "vnet", jail] if *jail == name => {
            match host.change(|state| take(state, interface, name)) {
                Ok(()) => ok(),
                Err(reply) => reply,
            }
        }
        ["/usr/sbin/jexec", jail, rest @ ..] if *jail == name => {
            configure(host, name, rest).unwrap_or_else(|| no(format!("jail: {line}: failed\n")))
        }
        _ => no(format!("jail: {line}: failed\n")),
    };
    if reply.code == 0 { Ok(()) } else { Err(reply) }
}

/// What only root may do in a jail, if it is that.
fn configure(host: &Host, name: &str, words: &[&str]) -> Option<Reply> {
    match words {
        ["/sbin/ifconfig", rest @ ..] => {
            Some(host.change(|state| crate::ifconfig::in_jail(state, name, rest)))
        }
        ["/sbin/route", "-q", "add", _family, "default", _gateway] => Some(ok()),
        ["/sbin/route", "add", _family, "default", gateway] => {
            Some(say(format!("add net default: gateway {gateway}\n")))
        }
        _ => None,
    }
}

/// Gives an interface to a jail.
fn take(state: &mut State, interface: &str, name: &str) -> Result<(), Reply> {
    let found = state
        .interfaces
        .get_mut(interface)
        .filter(|found| found.jail.is_none());
    let Some(found) = found else {
        return Err(no(format!(
            "jail: vnet.interface: interface {interface} does not exist\n"
        )));
    };
    found.jail = Some(name.to_owned());
    found.groups.clear();
    Ok(())
}

fn register(state: &mut State, order: &Order<'_>, name: &str, path: &str) -> Result<(), Reply> {
    if state.jails.contains_key(name) {
        return Err(no(format!("jail: \"{name}\" already exists\n")));
    }
    for interface in order.all("vnet.interface") {
        take(state, interface, name)?;
    }
    if order.last("mount.devfs") == Some("true") {
        let dev = format!("{path}/dev");
        crate::mount::devices(&dev)?;
        crate::mount::add(state, "devfs", &dev, "devfs");
    }
    let jid = state.number();
    let jail = Jail {
        jid,
        path: path.to_owned(),
        hostname: order.last("host.hostname").unwrap_or_default().to_owned(),
        // jail(8) makes it so and takes it back when the first process has ended.
        persist: true,
        ip4: order.all("ip4.addr").map(str::to_owned).collect(),
        ip6: order.all("ip6.addr").map(str::to_owned).collect(),
        starter: std::process::id(),
    };
    state.jails.insert(name.to_owned(), jail);
    Ok(())
}

/// The commands of `exec.start` and then the first process.
fn run_first(order: &Order<'_>, host: &Host, name: &str, path: &str) -> Reply {
    // As the same user as the first process.
    let user = order.last("exec.jail_user");
    for line in order.all("exec.start") {
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = match configure(host, name, &words) {
            Some(_) if user.is_some_and(|user| user != "root") => {
                no(format!("{}: permission denied\n", words[0]))
            }
            Some(reply) => reply,
            None => chrooted(path, &["/bin/sh", "-c", line], None),
        };
        print!("{}", reply.out);
        eprint!("{}", reply.err);
        if reply.code != 0 {
            return no(format!("jail: {line}: failed\n"));
        }
    }
    if order.command.is_empty() {
        return ok();
    }
    let line = order.command.join(" ");
    if let Some(user) = user.filter(|user| !knows(path, user)) {
        return no(format!("jail: {user}: no such user\njail: {line}: failed\n"));
    }
    let reply = chrooted(path, &order.command, user);
    match reply.code {
        0 => ok(),
        _ if !reply.err.is_empty() => no(format!("jail: {}jail: {line}: failed\n", reply.err)),
        code if code > 128 && reply.out == "signal" => {
            no(format!("jail: {line}: exited on signal {}\n", code - 128))
        }
        _ => no(format!("jail: {line}: failed\n")),
    }
}

fn knows(path: &str, user: &str) -> bool {
    let passwd = std::fs::read_to_string(format!("{path}/etc/passwd")).unwrap_or_default();
    passwd.lines().any(|line| line.split(':').next() == Some(user))
}

/// A program with a path as its root and the environment of a login.
fn in_root(path: &str, command: &[&str], user: Option<&str>) -> Command {
    let (program, arguments) = command
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let user = user.unwrap_or("root");
    let home = if user == "root" { "/root" } else { "/" };
    let mut process = Command::new(program);
    process.args(arguments).env_clear().envs([
        ("HOME", home),
        ("SHELL", "/bin/sh"),
        ("USER", user),
        ("LANG", "C"),
        ("PATH", PATH),
    ]);
    if let Ok(terminal) = std::env::var("TERM") {
        process.env("TERM", terminal);
    }
    let (root, home) = (path.to_owned(), home.to_owned());
    let enter = move || -> io::Result<()> {
        rustix::process::chroot(root.as_str())?;
        rustix::process::chdir(home.as_str()).or_else(|_| rustix::process::chdir("/"))?;
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, with strings that exist already.
    #[allow(unsafe_code, reason = "to become another root between fork and exec")]
    unsafe {
        process.pre_exec(enter)
    };
    process
}

fn chrooted(path: &str, command: &[&str], user: Option<&str>) -> Reply {
    match in_root(path, command, user).status() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Reply {
                code: code as u8,
                ..Reply::default()
            },
            (None, signal) => Reply {
                code: 128 + signal.unwrap_or_default() as u8,
                out: "signal".to_owned(),
                ..Reply::default()
            },
        },
        Err(error) => Reply {
            code: 1,
            err: format!("exec {}: {}\n", command[0], words_of(&error)),
            ..Reply::default()
        },
    }
}

fn words_of(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

pub(crate) fn jexec(host: &Host, words: &[&str]) -> Reply {
    let words = words.strip_prefix(&["-l"]).unwrap_or(words);
    let (user, words) = match words {
        ["-U", user, rest @ ..] => (Some(*user), rest),
        _ => (None, words),
    };
    let [name, command @ ..] = words else {
        return no("usage: jexec\n");
    };
    let path = host.change(|state| state.jails.get(*name).map(|jail| jail.path.clone()));
    let Some(path) = path else {
        return no(format!("jexec: jail \"{name}\" not found\n"));
    };
    if let Some(user) = user.filter(|user| !knows(&path, user)) {
        return no(format!("jexec: {user}: no such user\n"));
    }
    host.record("jexec", words, "", 0);
    let error = in_root(&path, command, user).exec();
    no(format!("jexec: execvp: {}: {}\n", command[0], words_of(&error)))
}

pub(crate) fn jls(state: &State, words: &[&str]) -> Reply {
    let wanted = words.iter().skip_while(|word| **word != "-j").nth(1);
    let line = |(name, jail, is_dying): (&String, &Jail, bool)| {
        serde_json::json!({
            "jid": jail.jid, "hostname": jail.hostname, "path": jail.path, "name": name,
            "state": if is_dying { "DYING" } else { "ACTIVE" },
            "cpusetid": 3, "ipv4_addrs": jail.ip4, "ipv6_addrs": jail.ip6,
        })
    };
    let dying = state.dying.iter().filter(|_| words.contains(&"-d"));
    let jails: Vec<_> = state
        .jails
        .iter()
        .map(|(name, jail)| (name, jail, false))
        .chain(dying.map(|(name, jail)| (name, jail, true)))
        .filter(|(name, ..)| wanted.is_none_or(|wanted| name == wanted))
        .map(line)
        .collect();
    if let (Some(wanted), true) = (wanted, jails.is_empty()) {
        let is_dying = state.dying.contains_key(*wanted);
        let what = if is_dying { "is dying" } else { "not found" };
        return no(format!("jls: jail \"{wanted}\" {what}\n"));
    }
    say(format!(
        "{}\n",
        serde_json::json!({"__version": "2", "jail-information": {"jail": jails}})
    ))
}

pub(crate) fn ps(state: &State, words: &[&str]) -> Reply {
    let wanted = words
        .iter()
        .skip_while(|word| **word != "-J")
        .nth(1)
        .copied()
        .unwrap_or_default();
    let Some(jail) = state.jails.get(wanted) else {
        return no(format!("ps: Invalid jail id: {wanted}\n"));
    };
    let pids = processes(&jail.path);
    let process: Vec<_> = pids
        .iter()
        .map(|pid| serde_json::json!({"pid": pid.to_string(), "ppid": parent(*pid).to_string()}))
        .collect();
    Reply {
        code: u8::from(process.is_empty()),
        ..say(format!(
            "{}\n",
            serde_json::json!({"process-information": {"process": process}})
        ))
    }
}
