//! jail(8) and jexec(8): a jail with its first process, one more process, and the end of a jail.
//!
//! The host's side of the network (bridge, epair, addresses, rules) is there before jail(8) runs: those are operations
//! of the plan. What is left for jail(8) is to take the interfaces and to configure them inside.

use std::net::IpAddr;

use ipnet::IpNet;
use kleene_plan::{Id, JailInterface, JailNetwork, JailSpec, ProcessSpec};

use crate::command::{Command, Program, ToolError};
use crate::parameters::Parameters;
use crate::users::User;

/// Where jail(8) is.
pub(crate) const PATH: &str = "/usr/sbin/jail";

const JAIL: Program = Program(PATH);
const JEXEC: Program = Program("/usr/sbin/jexec");

/// What is run in a jail before it is stopped, unless its parameters say otherwise. No quotes: jail(8) would take them
/// for a part of the program's name.
pub(crate) const DEFAULT_STOP: &str = "/bin/sh /etc/rc.shutdown";

/// Makes a jail and runs its first process. The jail ends with its last process.
///
/// `user` is `None` where the jail knows no users at all; then jail(8) must not look for one, as it does for `exec.clean`.
pub(crate) fn create(jail: &JailSpec, process: &ProcessSpec, user: Option<&User>) -> Command {
    Command::new(JAIL)
        .arg("-c")
        .arg(format!("path={}", jail.root.display()))
        .arg(format!("name={}", jail.id))
        .args(network(jail, user))
        .args(defaults(jail, user))
        .args(&jail.parameters)
        .arg("command=/usr/bin/env")
        .args(program(process))
}

/// Changes parameters of a jail that runs.
pub(crate) fn modify<T: ToString>(jail: &Id, parameters: impl IntoIterator<Item = T>) -> Command {
    Command::new(JAIL)
        .args(["-m", &format!("name={jail}")])
        .args(parameters)
}

/// Runs one more process in a jail.
pub(crate) fn join(jail: &Id, process: &ProcessSpec, user: Option<&User>) -> Command {
    let login = user.filter(|user| user.has_home).map(|_| "-l");
    Command::new(JEXEC)
        .args(login)
        .args(user.into_iter().flat_map(|user| ["-U", &user.name]))
        .args([jail.as_str(), "/usr/bin/env"])
        .args(program(process))
}

/// Runs a line of shell in a jail, as jail(8) does with the commands among its parameters.
pub(crate) fn run_line(jail: &Id, line: &str) -> Command {
    Command::new(JEXEC).args([jail.as_str(), "/bin/sh", "-c", line])
}

/// Runs a line of shell on the host.
pub(crate) fn run_line_outside(line: &str) -> Command {
    Command::new(Program("/bin/sh")).args(["-c", line])
}

/// Removes a jail and kills what is left in it. Whoever is in a hurry kills that before: jail(8) asks first, and waits for
/// up to ten seconds.
pub(crate) fn remove(jail: &Id) -> Command {
    Command::new(JAIL).args(["-R", jail.as_str()])
}

/// Has a jail end with its last process, if it was made to. jail(8) sees to that itself when the first process has ended,
/// unless it was killed before.
pub(crate) fn end_with_processes(jail: &Id) -> Command {
    modify(jail, ["nopersist"])
}

/// Whether an error says that there is no such jail, or none any more.
pub(crate) fn is_absence(error: &ToolError) -> bool {
    error.says("not found") || error.says("is dying")
}

/// The arguments of env(1): variables, program, its arguments.
fn program(process: &ProcessSpec) -> Vec<String> {
    let mut words = process.env.clone();
    if let Some(directory) = &process.directory {
        // Neither jail(8) nor jexec(8) of all releases can change the directory, and a shell is in every jail.
        words.extend(["/bin/sh", "-c", "cd -- \"$0\" && exec \"$@\""].map(str::to_owned));
        words.push(directory.display().to_string());
    }
    words.extend(process.argv.iter().cloned());
    words
}

fn network(jail: &JailSpec, user: Option<&User>) -> Vec<String> {
    match &jail.network {
        JailNetwork::Inherit => vec!["ip4=inherit".to_owned(), "ip6=inherit".to_owned()],
        JailNetwork::Disabled => vec!["ip4=disable".to_owned(), "ip6=disable".to_owned()],
        JailNetwork::Addresses(addresses) => addresses.iter().map(borrowed).collect(),
        JailNetwork::Vnet {
            interfaces,
            default_routes,
        } => {
            let inside = configuration(interfaces, default_routes);
            if is_root(jail, user) {
                own_stack(interfaces, inside)
            } else {
                own_stack_of_others(&jail.id, interfaces, inside)
            }
        }
    }
}

/// Whether jail(8) runs what it runs in the jail as root.
fn is_root(jail: &JailSpec, user: Option<&User>) -> bool {
    let given = Parameters(&jail.parameters).values("exec.jail_user");
    let name = given
        .last()
        .map(String::as_str)
        .or(user.map(|user| user.name.as_str()));
    matches!(name, None | Some("root"))
}

/// Parameters of the same name add up.
fn borrowed(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("ip4.addr={address}"),
        IpAddr::V6(address) => format!("ip6.addr={address}"),
    }
}

/// Interfaces are in the jail before the commands of `exec.start` run, and those before the first process.
fn own_stack(interfaces: &[JailInterface], inside: Vec<String>) -> Vec<String> {
    let taken = interfaces
        .iter()
        .map(|interface| format!("vnet.interface={}", interface.name));
    let inside = inside.into_iter().map(|line| format!("exec.start={line}"));
    ["vnet".to_owned()]
        .into_iter()
        .chain(taken)
        .chain(inside)
        .collect()
}

/// What `exec.start` runs is run as `exec.jail_user`, who may configure nothing. So it is done from outside, by
/// `exec.created`; and as that comes before `vnet.interface` (in releases that we know of), it takes the interfaces, too.
fn own_stack_of_others(id: &Id, interfaces: &[JailInterface], inside: Vec<String>) -> Vec<String> {
    let taken = interfaces
        .iter()
        .map(|interface| format!("exec.created=/sbin/ifconfig {} vnet {id}", interface.name));
    let inside = inside
        .into_iter()
        .map(|line| format!("exec.created=/usr/sbin/jexec {id} {line}"));
    ["vnet".to_owned()]
        .into_iter()
        .chain(taken)
        .chain(inside)
        .collect()
}

/// The commands that configure a network stack inside. Whole paths: with `exec.clean` jail(8) searches in `/bin` and
/// `/usr/bin` only. Nothing is printed, for that would be the container's output.
fn configuration(interfaces: &[JailInterface], default_routes: &[IpAddr]) -> Vec<String> {
    let mut commands = Vec::new();
    let mut start = |line: String| commands.push(line);
    start("/sbin/ifconfig lo0 inet 127.0.0.1/8 up".to_owned());
    for interface in interfaces {
        let name = &interface.name;
        if interface.addresses.iter().any(|address| address.addr().is_ipv6()) {
            start(format!("/sbin/ifconfig {name} inet6 no_dad"));
        }
        for address in &interface.addresses {
            let family = if matches!(address, IpNet::V4(_)) {
                "inet"
            } else {
                "inet6"
            };
            start(format!("/sbin/ifconfig {name} {family} {address}"));
        }
        if interface.addresses.is_empty() {
            start(format!("/sbin/ifconfig {name} up"));
        }
    }
    for gateway in default_routes {
        let family = if gateway.is_ipv4() { "-inet" } else { "-inet6" };
        start(format!("/sbin/route -q add {family} default {gateway}"));
    }
    commands
}

/// What holds unless the user says something else.
fn defaults(jail: &JailSpec, user: Option<&User>) -> Vec<String> {
    let given = Parameters(&jail.parameters);
    // Our own environment is a clean one already.
    let clean = user
        .filter(|user| user.has_home)
        .map(|_| "exec.clean=true".to_owned());
    let user = user.map(|user| format!("exec.jail_user={}", user.name));
    let defaults = [
        (
            &["mount.devfs", "mount.nodevfs"][..],
            Some("mount.devfs=true".to_owned()),
        ),
        (
            &["exec.stop", "exec.nostop"],
            Some(format!("exec.stop={DEFAULT_STOP}")),
        ),
        (&["exec.clean", "exec.noclean"], clean),
        (&["exec.jail_user"], user),
        (&["host.hostname"], Some(format!("host.hostname={}", jail.id))),
    ];
    let unmentioned = defaults.into_iter().filter(|(keys, _)| !given.mention(keys));
    unmentioned.filter_map(|(_, parameter)| parameter).collect()
}

/// The commands that are run when a jail is removed: before on the host and in it; when it is gone on the host again, and
/// once more when nothing is mounted in it. And how many seconds a command and the processes have (jail(8)).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct StopCommands {
    pub(crate) before: Vec<String>,
    pub(crate) inside: Vec<String>,
    pub(crate) after: Vec<String>,
    #[serde(default)]
    pub(crate) released: Vec<String>,
    #[serde(default)]
    pub(crate) command_limit: Option<u64>,
    #[serde(default)]
    pub(crate) limit: Option<u64>,
}

impl StopCommands {
    /// What a jail's parameters ask for.
    pub(crate) fn of(parameters: &[String]) -> Self {
        let given = Parameters(parameters);
        let mut inside = given.values("exec.stop");
        if inside.is_empty() && !given.mention(&["exec.stop", "exec.nostop"]) {
            inside.push(DEFAULT_STOP.to_owned());
        }
        Self {
            before: given.values("exec.prestop"),
            inside,
            after: given.values("exec.poststop"),
            released: given.values("exec.release"),
            // Zero is no limit of a command, and no time for processes.
            command_limit: given.number("exec.timeout").filter(|&seconds| seconds > 0),
            limit: given.number("stop.timeout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use kleene_plan::MacAddress;

    use super::*;

    const ID: &str = "c0ffee001122";

    fn jail(network: JailNetwork, parameters: &[&str]) -> JailSpec {
        JailSpec {
            id: ID.parse().unwrap(),
            root: "/zroot/kleene/container/c0ffee001122".into(),
            network,
            mounts: Vec::new(),
            parameters: parameters.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    fn user(name: &str) -> User {
        User {
            name: name.to_owned(),
            has_home: name == "root",
        }
    }

    fn ls() -> ProcessSpec {
        ProcessSpec {
            argv: vec!["/bin/ls".to_owned(), "/".to_owned()],
            env: vec!["A=1".to_owned()],
            user: "root".to_owned(),
            directory: None,
            terminal: None,
        }
    }

    /// An argument per line.
    fn arguments(network: JailNetwork, parameters: &[&str]) -> String {
        create(&jail(network, parameters), &ls(), Some(&user("root")))
            .arguments
            .join("\n")
    }

    fn endpoint(name: &str, addresses: &[&str]) -> JailInterface {
        JailInterface {
            name: name.parse().unwrap(),
            mac: MacAddress::of_endpoint(&ID.parse().unwrap()),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_jail_on_the_hosts_network() {
        insta::assert_snapshot!(arguments(JailNetwork::Inherit, &[]));
    }

    #[test]
    fn a_jail_without_network() {
        insta::assert_snapshot!(arguments(JailNetwork::Disabled, &[]));
    }

    #[test]
    fn a_jail_with_addresses_of_the_host() {
        let addresses = ["10.13.37.1", "fd00::1"].map(|address| address.parse().unwrap());
        insta::assert_snapshot!(arguments(JailNetwork::Addresses(addresses.to_vec()), &[]));
    }

    #[test]
    fn a_jail_with_a_network_stack_of_its_own() {
        let network = JailNetwork::Vnet {
            interfaces: vec![endpoint("epair0b", &["10.13.37.2/24"])],
            default_routes: vec!["10.13.37.1".parse().unwrap()],
        };
        insta::assert_snapshot!(arguments(network, &[]));
    }

    #[test]
    fn a_jail_on_two_networks_with_both_families() {
        let network = JailNetwork::Vnet {
            interfaces: vec![
                endpoint("k0a1b2c3d4e5fb", &["10.13.37.2/24", "fd00:1::2/64"]),
                endpoint("k0a1b2c3d4e60b", &[]),
            ],
            default_routes: vec!["10.13.37.1".parse().unwrap(), "fd00:1::1".parse().unwrap()],
        };
        insta::assert_snapshot!(arguments(network, &[]));
    }

    #[test]
    fn the_network_of_who_is_not_root_is_configured_from_outside() {
        let network = || JailNetwork::Vnet {
            interfaces: vec![endpoint("epair0b", &["10.13.37.2/24"])],
            default_routes: vec!["10.13.37.1".parse().unwrap()],
        };
        let command = create(&jail(network(), &[]), &ls(), Some(&user("www")));
        insta::assert_snapshot!(command.arguments.join("\n"));
        let by_parameter = jail(network(), &["exec.jail_user=www"]);
        let command = create(&by_parameter, &ls(), Some(&user("root")));
        assert!(!command.to_string().contains("exec.start"), "{command}");
    }

    #[test]
    fn what_the_user_says_takes_the_place_of_a_default() {
        let parameters = ["mount.nodevfs", "exec.jail_user=ntpd"];
        insta::assert_snapshot!(arguments(JailNetwork::Inherit, &parameters));
        let parameters = [
            "exec.noclean",
            "host.hostname=web",
            "exec.nostop",
            "mount.devfs=false",
        ];
        let defaults = defaults(&jail(JailNetwork::Inherit, &parameters), Some(&user("root")));
        assert_eq!(defaults, ["exec.jail_user=root"]);
    }

    #[test]
    fn a_parameter_that_only_begins_like_a_default_leaves_it() {
        let defaults = defaults(
            &jail(JailNetwork::Inherit, &["exec.stopping=x"]),
            Some(&user("root")),
        );
        assert!(defaults.contains(&format!("exec.stop={DEFAULT_STOP}")));
    }

    #[test]
    fn a_further_process_joins_by_jexec() {
        let id = ID.parse().unwrap();
        let command = join(&id, &ls(), Some(&user("root")));
        assert_eq!(
            command.to_string(),
            "jexec -l -U root c0ffee001122 /usr/bin/env A=1 /bin/ls /"
        );
    }

    #[test]
    fn a_user_without_a_home_is_not_logged_in() {
        let id = ID.parse().unwrap();
        let command = join(&id, &ls(), Some(&user("www")));
        assert_eq!(
            command.to_string(),
            "jexec -U www c0ffee001122 /usr/bin/env A=1 /bin/ls /"
        );
        let parameters = defaults(&jail(JailNetwork::Inherit, &[]), Some(&user("www")));
        assert!(parameters.contains(&"exec.jail_user=www".to_owned()));
        assert!(!parameters.contains(&"exec.clean=true".to_owned()));
    }

    #[test]
    fn where_there_are_no_users_none_is_asked_for() {
        let id = ID.parse().unwrap();
        let command = join(&id, &ls(), None);
        assert_eq!(
            command.to_string(),
            "jexec c0ffee001122 /usr/bin/env A=1 /bin/ls /"
        );
        let parameters = defaults(&jail(JailNetwork::Inherit, &[]), None);
        assert!(
            !parameters
                .iter()
                .any(|text| text.contains("user") || text.contains("clean"))
        );
    }

    #[test]
    fn a_process_with_a_directory_starts_there() {
        let process = ProcessSpec {
            directory: Some("/usr/my src".into()),
            ..ls()
        };
        let command = join(&ID.parse().unwrap(), &process, Some(&user("root")));
        assert_eq!(
            command.arguments[5..],
            [
                "A=1",
                "/bin/sh",
                "-c",
                "cd -- \"$0\" && exec \"$@\"",
                "/usr/my src",
                "/bin/ls",
                "/"
            ]
        );
    }

    #[test]
    fn words_with_blanks_stay_whole() {
        let process = ProcessSpec {
            argv: vec!["echo".to_owned(), "two words".to_owned(), String::new()],
            ..ls()
        };
        let arguments = create(&jail(JailNetwork::Inherit, &[]), &process, Some(&user("root"))).arguments;
        assert_eq!(arguments[arguments.len() - 3..], ["echo", "two words", ""]);
    }

    #[test]
    fn stop_commands_are_the_users_or_the_shutdown_of_rc() {
        let of = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
            StopCommands::of(&texts)
        };
        assert_eq!(of(&[]).inside, [DEFAULT_STOP]);
        assert_eq!(
            of(&["exec.stop=/bin/a", "exec.stop+=/bin/b"]).inside,
            ["/bin/a", "/bin/b"]
        );
        assert_eq!(of(&["exec.nostop"]), StopCommands::default());
        let commands = of(&["exec.prestop=x", "exec.poststop=y", "exec.stop="]);
        assert_eq!(
            (commands.before, commands.after),
            (vec!["x".to_owned()], vec!["y".to_owned()])
        );
        assert!(commands.inside.is_empty());
    }
}
