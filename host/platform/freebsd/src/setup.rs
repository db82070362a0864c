//! Is this host able to run containers, and what has to be done if it is not? For `kleened init`, which does it, and for
//! `klee system doctor`, which says it.

use std::iter;
use std::path::Path;

use crate::command::{Command, ToolError, Tools};
use crate::pf_conf::{self, SetupError};
use crate::system::{self, Release};
use crate::zfs::{self, Refusal, refusal};
use crate::{devfs, pfctl, rctl, zpool};

/// Modules of the kernel that are needed.
const MODULES: [&str; 6] = ["zfs", "pf", "pflog", "if_bridge", "if_epair", "nullfs"];

/// What has to be set so that it is there after the next boot: file (`None`: `/etc/rc.conf`) and variable.
const VARIABLES: [(Option<&str>, &str); 5] = [
    (Some("/boot/loader.conf"), "zfs_load"),
    (None, "zfs_enable"),
    (Some("/boot/loader.conf"), "pf_load"),
    (None, "pf_enable"),
    (None, "pflog_enable"),
];

/// The modules that rc(8) loads.
const KLD_LIST: &str = "kld_list";

/// What the kernel would load when it is used for the first time: until then it has none of their variables, and what is
/// said of them is lost.
const AT_BOOT: [&str; 3] = ["if_bridge", "if_epair", "nullfs"];

/// A pool that is fuller than this gets slow, and then full.
const FULL: u8 = 90;

/// What was looked at, and what was found.
#[derive(Debug)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// What is wrong; `None`: nothing.
    pub problem: Option<Problem>,
}

/// Something that keeps containers from working.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong.
    pub reason: String,
    /// What to type or to do.
    pub advice: String,
    mend: Mend,
}

/// What can be done about a problem without asking.
#[derive(Debug)]
enum Mend {
    Commands(Vec<Command>),
    /// Lines are to be added to the administrator's ruleset: only if he agrees.
    AnchorLines,
    Nothing,
}

impl Problem {
    fn with_advice(reason: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            advice: advice.into(),
            mend: Mend::Nothing,
        }
    }

    fn to_run(reason: impl Into<String>, commands: Vec<Command>) -> Self {
        let advice: Vec<String> = commands.iter().map(ToString::to_string).collect();
        Self {
            reason: reason.into(),
            advice: advice.join(" && "),
            mend: Mend::Commands(commands),
        }
    }

    /// Whether [`mend`](Self::mend) can do something about it.
    #[must_use]
    pub fn can_be_mended(&self) -> bool {
        matches!(self.mend, Mend::Commands(_))
    }

    /// Whether lines have to be added to the administrator's ruleset, which [`add_anchor_lines`] does if he agrees.
    #[must_use]
    pub fn is_about_the_ruleset(&self) -> bool {
        matches!(self.mend, Mend::AnchorLines)
    }

    /// Runs the commands of the advice.
    ///
    /// # Errors
    /// The first that fails.
    pub fn mend(&self, tools: &Tools) -> Result<(), ToolError> {
        match &self.mend {
            Mend::Commands(commands) => commands
                .iter()
                .try_for_each(|command| tools.run(command).map(drop)),
            Mend::AnchorLines | Mend::Nothing => Ok(()),
        }
    }
}

/// Looks at everything, one after the other, and changes nothing. What is asked for was not looked at before: who mends
/// each problem when it is told finds the next thing as it is then. `root` is the dataset that holds all others.
pub fn check_host<'a>(tools: &'a Tools, root: &'a str) -> impl Iterator<Item = Check> + 'a {
    type Look = fn(&Tools, &str) -> Found;
    let modules = MODULES.map(|name| (format!("kernel module {name}"), name));
    let variables = VARIABLES.map(|(file, name)| {
        let file_name = file.unwrap_or("/etc/rc.conf");
        (format!("{name} in {file_name}"), file, name)
    });
    let (pool_name, dataset_name) = (
        format!("pool {}", zpool::pool_of(root)),
        format!("dataset {root}"),
    );
    let rest: [(&str, Look); 10] = [
        ("kld_list in /etc/rc.conf", |tools, _| loaded_at_boot(tools)),
        (&pool_name, pool),
        (&dataset_name, dataset),
        ("devices of jails (ruleset 4 of devfs)", |tools, _| devices(tools)),
        ("network stacks of jails (VIMAGE)", |tools, _| vimage(tools)),
        ("resource limits of jails (RACCT)", |tools, _| limits(tools)),
        ("packet filter", |tools, _| filter(tools)),
        ("anchors in the packet filter's ruleset", |tools, _| {
            anchors(tools)
        }),
        ("packet filter on loopback", |tools, _| skipped(tools)),
        ("packet filter on bridges", |tools, _| bridges(tools)),
    ];
    let rest = rest.map(|(what, look)| (what.to_owned(), look));
    iter::once_with(|| check("release of FreeBSD", release(tools)))
        .chain(
            modules
                .into_iter()
                .map(|(what, name)| check(what, module(tools, name))),
        )
        .chain(
            variables
                .into_iter()
                .map(|(what, file, name)| check(what, variable(tools, file, name))),
        )
        .chain(
            rest.into_iter()
                .map(|(what, look)| check(what, look(tools, root))),
        )
}

fn check(what: impl Into<String>, found: Result<Option<Problem>, ToolError>) -> Check {
    let problem = found.unwrap_or_else(|error| {
        Some(Problem::with_advice(
            error.to_string(),
            "look at this with the command that failed",
        ))
    });
    Check {
        what: what.into(),
        problem,
    }
}

type Found = Result<Option<Problem>, ToolError>;

fn release(tools: &Tools) -> Found {
    let release = tools.read(&system::release(), str::parse::<Release>)?;
    let problem = || Problem::with_advice(format!("{release} is too old"), "upgrade to FreeBSD 13 or later");
    Ok((!release.is_supported()).then(problem))
}

fn module(tools: &Tools, name: &str) -> Found {
    match tools.run(&system::has_module(name)) {
        Err(ToolError::Failed { .. }) => {
            let load = vec![system::load_module(name)];
            Ok(Some(Problem::to_run("the kernel does not have it", load)))
        }
        other => other.map(|_| None),
    }
}

fn variable(tools: &Tools, file: Option<&str>, name: &str) -> Found {
    let value = match tools.run(&system::get_rc(file, name)) {
        Err(error) if system::rc_is_unset(&error) => String::new(),
        value => value?,
    };
    if value.trim().eq_ignore_ascii_case("yes") {
        return Ok(None);
    }
    let set = vec![system::set_rc(file, name, "YES")];
    Ok(Some(Problem::to_run(
        "it is not YES, so the next boot goes without",
        set,
    )))
}

fn loaded_at_boot(tools: &Tools) -> Found {
    let list = match tools.run(&system::get_rc(None, KLD_LIST)) {
        Err(error) if system::rc_is_unset(&error) => String::new(),
        list => list?,
    };
    let names: Vec<&str> = list
        .split_whitespace()
        .filter_map(|word| word.rsplit('/').next())
        .map(|name| name.trim_end_matches(".ko"))
        .collect();
    let missing: Vec<&str> = AT_BOOT.into_iter().filter(|name| !names.contains(name)).collect();
    let problem = || {
        Problem::to_run(
            format!("the next boot goes without {}", missing.join(", ")),
            vec![system::add_to_rc(KLD_LIST, &missing)],
        )
    };
    Ok((!missing.is_empty()).then(problem))
}

fn pool(tools: &Tools, root: &str) -> Found {
    let name = zpool::pool_of(root);
    let pool = tools.read(&zpool::list(name), zpool::parse_list)?;
    Ok(if pool.health != "ONLINE" {
        Some(Problem::with_advice(
            format!("it is {}", pool.health),
            format!("zpool status {name}"),
        ))
    } else if pool.used >= FULL {
        Some(Problem::with_advice(
            format!("{} % of it are used", pool.used),
            "remove images that nobody uses ('klee image prune'), or add disks",
        ))
    } else {
        None
    })
}

fn dataset(tools: &Tools, root: &str) -> Found {
    let found = match tools.read(&zfs::list_one(root), zfs::parse_list) {
        Err(error) if refusal(&error) == Refusal::Absent => {
            let create = vec![zfs::create_parents(root)];
            return Ok(Some(Problem::to_run("it does not exist", create)));
        }
        found => found?,
    };
    let mountpoint = found.first().and_then(|found| found.mountpoint.as_deref());
    let has_path = mountpoint.is_some_and(|path| Path::new(path).is_absolute());
    let problem = || {
        Problem::with_advice(
            "it has no mount point",
            format!("zfs set mountpoint=/{root} {root}"),
        )
    };
    Ok((!has_path).then(problem))
}

/// A ruleset that does not exist hides nothing: a jail would see the host's disks.
fn devices(tools: &Tools) -> Found {
    let rules = tools.run(&devfs::show(devfs::JAILS))?;
    let load = || vec![devfs::load_rulesets()];
    Ok(rules
        .trim()
        .is_empty()
        .then(|| Problem::to_run("it is empty: jails would see all devices of the host", load())))
}

fn vimage(tools: &Tools) -> Found {
    let has = tools.run(&system::get_sysctl("kern.features.vimage"));
    let problem = || Problem::with_advice("the kernel was built without", "use the GENERIC kernel");
    Ok((!is_on(has)?).then(problem))
}

fn limits(tools: &Tools) -> Found {
    let has = tools.run(&system::get_sysctl("kern.racct.enable"));
    let problem = || {
        let set = system::advice_to_set_tunable("kern.racct.enable", 1);
        Problem::with_advice(
            "they are switched off: limits have no effect",
            format!("{set}, then reboot"),
        )
    };
    if !is_on(has)? {
        return Ok(Some(problem()));
    }
    tools.run(&rctl::rules())?;
    Ok(None)
}

fn filter(tools: &Tools) -> Found {
    let enabled = pfctl::parse_status(&asked(tools, &pfctl::status())?);
    Ok((!enabled).then(|| Problem::to_run("it is not enabled", vec![pfctl::enable()])))
}

/// What pfctl(8) answers; nothing as long as pf is not loaded, which is said elsewhere.
fn asked(tools: &Tools, command: &Command) -> Result<String, ToolError> {
    match tools.run(command) {
        Err(error) if error.says("/dev/pf") => Ok(String::new()),
        answer => answer,
    }
}

fn anchors(tools: &Tools) -> Found {
    let nat = asked(tools, &pfctl::show_nat())?;
    let rules = asked(tools, &pfctl::show_rules())?;
    let missing = pfctl::missing_lines(&nat, &rules);
    Ok((!missing.is_empty()).then(|| Problem {
        reason: "without them published ports and isolation of networks have no effect".to_owned(),
        advice: format!("add to {}: {}", pf_conf::PATH, missing.join("; ")),
        mend: Mend::AnchorLines,
    }))
}

/// All that goes from one address of the host's to another crosses its loopback interface: containers without a network
/// stack of their own would reach each other whatever the rules say.
fn skipped(tools: &Tools) -> Found {
    let skips = pfctl::skips(&asked(tools, &pfctl::show_interfaces())?, "lo0");
    Ok(skips.then(|| {
        Problem::with_advice(
            "it does not look at lo0: rules between containers with addresses of the host have no effect",
            format!(
                "take `set skip on lo0` out of {}, then: pfctl -f {}",
                pf_conf::PATH,
                pf_conf::PATH
            ),
        )
    }))
}

fn bridges(tools: &Tools) -> Found {
    let names = ["net.link.bridge.pfil_member", "net.link.bridge.pfil_bridge"];
    let mut off = Vec::new();
    for name in names {
        let value = tools.run(&system::get_sysctl(name));
        // Without the module there are no bridges: that is said elsewhere.
        let is_absent = value.as_ref().is_err_and(|error| error.says("unknown oid"));
        if !is_absent && !is_on(value)? {
            off.push(name);
        }
    }
    Ok((!off.is_empty()).then(|| filter_bridges(&off)))
}

/// Now, and whenever the module is loaded: sysctl.conf(5) would be read before that.
fn filter_bridges(off: &[&str]) -> Problem {
    let advice = |name: &&str| {
        let now = system::set_sysctl(name, 1);
        format!("{now} && {}", system::advice_to_set_tunable(name, 1))
    };
    let commands = |name: &&str| [system::set_sysctl(name, 1), system::set_tunable(name, 1)];
    Problem {
        reason: "frames between containers pass it by".to_owned(),
        advice: off.iter().map(advice).collect::<Vec<_>>().join(" && "),
        mend: Mend::Commands(off.iter().flat_map(commands).collect()),
    }
}

/// A kernel variable that says whether something is on; one that does not exist says that it is not.
fn is_on(value: Result<String, ToolError>) -> Result<bool, ToolError> {
    match value {
        Err(error) if error.says("unknown oid") => Ok(false),
        value => Ok(value?.trim() != "0"),
    }
}

/// Adds the lines that lead to Kleene's anchors to the administrator's ruleset, and loads it. It is checked before; if
/// it is wrong the file stays as it was.
///
/// # Errors
/// If the file cannot be written, or pfctl(8) does not take it.
pub fn add_anchor_lines(tools: &Tools) -> Result<(), SetupError> {
    pf_conf::add_lines(tools, Path::new(pf_conf::PATH))
}
