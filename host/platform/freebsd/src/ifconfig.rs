//! ifconfig(8): bridges, loopback interfaces, epairs, addresses and marks.
//!
//! Before FreeBSD 15 ifconfig(8) prints for people only. What we read of it is what has kept its form: the head of a
//! block (`name: flags=…<UP,…>`) and lines that begin with a word (`description:`, `ether`, `member:`, `groups:`).
//! Addresses are read from netstat(1), which prints JSON.

use std::collections::BTreeSet;

use ipnet::IpNet;
use kleene_plan::{Id, InterfaceName, MacAddress, Owner};

use crate::command::{Command, Parsed, Program, ToolError};

const IFCONFIG: Program = Program("/sbin/ifconfig");

/// The group that all interfaces of ours are in: `ifconfig -g kleene` lists them.
pub(crate) const GROUP: &str = "kleene";

/// A kind of interface that can be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bridge,
    Loopback,
    /// Two interfaces; the first, which ends in `a`, is printed, the other ends in `b`.
    Pair,
}

impl Kind {
    /// The name by which it is created, and of the group the kernel puts it in.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Loopback => "lo",
            Self::Pair => "epair",
        }
    }
}

/// What is said of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) description: Option<String>,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) groups: BTreeSet<String>,
    /// Of a bridge.
    pub(crate) members: Vec<Member>,
}

/// An interface that is part of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Whether it passes nothing on to other private members.
    pub(crate) private: bool,
}

impl Interface {
    /// Whose it is, by its mark.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let rest = self.description.as_deref()?.strip_prefix("kleene:")?;
        let (kind, id) = rest.split_once(':')?;
        format!("{kind}-{id}").parse().ok()
    }

    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.groups.contains(kind.word())
    }

    /// How many networks use it that did not make it.
    pub(crate) fn users(&self) -> usize {
        self.groups.iter().filter(|group| is_user_group(group)).count()
    }

    pub(crate) fn member(&self, name: &InterfaceName) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name.as_str())
    }
}

/// The description that says whose an interface is.
pub(crate) fn mark(owner: &Owner) -> String {
    match owner {
        Owner::Network(id) => format!("kleene:network:{id}"),
        Owner::Endpoint(id) => format!("kleene:endpoint:{id}"),
    }
}

fn ifconfig<const N: usize>(arguments: [&str; N]) -> Command {
    Command::new(IFCONFIG).args(arguments)
}

/// All interfaces, or one.
pub(crate) fn show(name: Option<&str>) -> Command {
    ifconfig([name.unwrap_or("-a")])
}

/// Makes an interface that is marked as the owner's from the beginning: ifconfig(8) finishes this even if we end in the
/// middle. Prints the name that the kernel chose.
pub(crate) fn create(kind: Kind, owner: &Owner) -> Command {
    ifconfig([kind.word(), "create", "group", GROUP, "description", &mark(owner)])
}

/// Whether a name is one that the kernel chooses for a new interface.
pub(crate) fn is_draft(name: &str) -> bool {
    let number = [Kind::Bridge, Kind::Loopback, Kind::Pair]
        .into_iter()
        .find_map(|kind| name.strip_prefix(kind.word()));
    number.is_some_and(|number| {
        let number = number.trim_end_matches(['a', 'b']);
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

pub(crate) fn rename(draft: &str, name: &InterfaceName) -> Command {
    ifconfig([draft, "name", name.as_str()])
}

/// Marks an interface as the owner's and then gives it its name, so that one of the name never exists without the mark.
pub(crate) fn mark_and_rename(draft: &str, owner: &Owner, name: &InterfaceName) -> Command {
    ifconfig([
        draft,
        "group",
        GROUP,
        "description",
        &mark(owner),
        "name",
        name.as_str(),
    ])
}

/// The group that an interface of the host's is in while a network uses it. Names of groups do not end in a digit.
pub(crate) fn user_group(owner: &Owner) -> String {
    match owner {
        Owner::Network(id) | Owner::Endpoint(id) => format!("k{id}u"),
    }
}

/// Whether a name is one of [`user_group`]'s.
fn is_user_group(name: &str) -> bool {
    let id = name.strip_prefix('k').and_then(|rest| rest.strip_suffix('u'));
    id.is_some_and(|id| id.parse::<Id>().is_ok())
}

/// Puts an interface into the group of Kleene's networks, and of one of them.
pub(crate) fn enter_groups(name: &str, user: &str) -> Command {
    ifconfig([name, "group", GROUP, "group", user])
}

pub(crate) fn leave_group(name: &str, group: &str) -> Command {
    ifconfig([name, "-group", group])
}

pub(crate) fn set_mac(name: &str, mac: MacAddress) -> Command {
    ifconfig([name, "ether", &mac.to_string()])
}

pub(crate) fn up(name: &str) -> Command {
    ifconfig([name, "up"])
}

pub(crate) fn destroy(name: &str) -> Command {
    ifconfig([name, "destroy"])
}

pub(crate) fn add_member(bridge: &InterfaceName, member: &InterfaceName) -> Command {
    ifconfig([bridge.as_str(), "addm", member.as_str()])
}

/// Whether a member may pass frames on to other private members.
pub(crate) fn set_private(bridge: &InterfaceName, member: &InterfaceName, private: bool) -> Command {
    let word = if private { "private" } else { "-private" };
    ifconfig([bridge.as_str(), word, member.as_str()])
}

fn family(address: IpNet) -> &'static str {
    match address {
        IpNet::V4(_) => "inet",
        IpNet::V6(_) => "inet6",
    }
}

/// Without waiting for others to claim an address: who binds to it at once would be refused in that time.
pub(crate) fn trust_addresses(name: &str) -> Command {
    ifconfig([name, "inet6", "no_dad"])
}

/// One more address; one that is there with the same prefix is fine.
pub(crate) fn add_address(name: &str, address: IpNet) -> Command {
    ifconfig([name, family(address), &address.to_string(), "alias"])
}

pub(crate) fn remove_address(name: &str, address: IpNet) -> Command {
    ifconfig([name, family(address), &address.addr().to_string(), "-alias"])
}

/// Reads the name that [`create`] prints.
pub(crate) fn parse_created(printed: &str) -> Parsed<String> {
    let name = printed.trim();
    if name.parse::<InterfaceName>().is_ok() {
        Ok(name.to_owned())
    } else {
        Err(format!("'{name}' is no name of an interface"))
    }
}

/// Reads [`show`].
pub(crate) fn parse_show(printed: &str) -> Parsed<Vec<Interface>> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for line in printed.lines() {
        if line.starts_with(char::is_whitespace) {
            let interface = interfaces
                .last_mut()
                .ok_or_else(|| format!("'{line}' stands before any interface"))?;
            read_property(interface, line.trim());
        } else if !line.is_empty() {
            interfaces.push(read_head(line)?);
        }
    }
    Ok(interfaces)
}

fn read_head(line: &str) -> Parsed<Interface> {
    let no_head = || format!("'{line}' does not begin with a name and flags");
    let (name, rest) = line.split_once(": flags=").ok_or_else(no_head)?;
    let (_, rest) = rest.split_once('<').ok_or_else(no_head)?;
    let (flags, _) = rest.split_once('>').ok_or_else(no_head)?;
    Ok(Interface {
        name: name.to_owned(),
        up: flags.split(',').any(|flag| flag == "UP"),
        ..Interface::default()
    })
}

/// Lines of unknown kinds are none of our business.
fn read_property(interface: &mut Interface, line: &str) {
    if let Some(description) = line.strip_prefix("description: ") {
        interface.description = Some(description.to_owned());
    } else if let Some(mac) = line.strip_prefix("ether ") {
        interface.mac = mac.trim().parse().ok();
    } else if let Some(groups) = line.strip_prefix("groups: ") {
        interface.groups = groups.split_whitespace().map(str::to_owned).collect();
    } else if let Some(member) = line.strip_prefix("member: ") {
        let (name, flags) = member.split_once(" flags=").unwrap_or((member, ""));
        let flags = flags.split_once('<').map_or("", |(_, flags)| flags);
        interface.members.push(Member {
            name: name.trim().to_owned(),
            private: flags
                .trim_end_matches('>')
                .split(',')
                .any(|flag| flag == "PRIVATE"),
        });
    }
}

/// Whether an error says that there is no such interface.
pub(crate) fn is_absence(error: &ToolError) -> bool {
    error.says("does not exist") || error.says("Device not configured")
}

/// Whether an error says that an interface had no such address.
pub(crate) fn address_is_absent(error: &ToolError) -> bool {
    error.says("Can't assign requested address")
}

/// Whether an error says that the name, or the place in the bridge, is taken.
pub(crate) fn is_clash(error: &ToolError) -> bool {
    error.says("File exists")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorded::{every_output, recorded};

    fn one(command: &str) -> Interface {
        parse_show(&recorded(command).printed).unwrap().remove(0)
    }

    #[test]
    fn a_recorded_bridge_is_understood() {
        let bridge = one("ifconfig kleene0");
        assert_eq!(bridge.name, "kleene0");
        assert!(bridge.up && bridge.is(Kind::Bridge) && bridge.groups.contains(GROUP));
        assert_eq!(bridge.description.as_deref(), Some("kleene:network:abc"));
        assert_eq!(bridge.mac.unwrap().to_string(), "58:9c:fc:10:ff:94");
        let member = Member {
            name: "kleep0a".to_owned(),
            private: false,
        };
        assert_eq!(bridge.members, [member]);
    }

    #[test]
    fn a_private_member_is_seen() {
        let printed = "b0: flags=8843<UP> metric 0 mtu 1500\n\tmember: ka flags=943<LEARNING,DISCOVER,PRIVATE,AUTOEDGE>\n";
        assert!(parse_show(printed).unwrap()[0].members[0].private);
    }

    #[test]
    fn a_recorded_half_of_a_pair_is_down_until_it_is_told() {
        let half = one("ifconfig kleep0a");
        assert!(!half.up && half.is(Kind::Pair));
        assert_eq!(half.owner(), None);
    }

    #[test]
    fn all_recorded_interfaces_are_told_apart() {
        let names: Vec<_> = parse_show(&recorded("ifconfig -a").printed)
            .unwrap()
            .into_iter()
            .map(|interface| interface.name)
            .collect();
        assert_eq!(names, ["vtnet0", "lo0"]);
    }

    #[test]
    fn an_owner_is_read_from_the_mark_that_says_it() {
        for owner in [
            Owner::Network("0a1b2c3d4e5f".parse().unwrap()),
            Owner::Endpoint("0a1b2c3d4e5f".parse().unwrap()),
        ] {
            let interface = Interface {
                description: Some(mark(&owner)),
                ..Interface::default()
            };
            assert_eq!(interface.owner(), Some(owner));
        }
        for description in [
            "kleene:network:abc",
            "kleene:volume:0a1b2c3d4e5f",
            "uplink",
            "kleene:",
        ] {
            let interface = Interface {
                description: Some(description.to_owned()),
                ..Interface::default()
            };
            assert_eq!(interface.owner(), None, "{description}");
        }
    }

    #[test]
    fn networks_that_use_an_interface_are_counted_by_their_groups() {
        let user = |id: &str| user_group(&Owner::Network(id.parse().unwrap()));
        let groups = [
            GROUP.to_owned(),
            "kleeneu".to_owned(),
            user("0a1b2c3d4e5f"),
            user("aaaaaaaaaaaa"),
        ];
        let interface = Interface {
            groups: groups.into(),
            ..Interface::default()
        };
        assert_eq!(interface.users(), 2);
        assert_eq!(user("0a1b2c3d4e5f"), "k0a1b2c3d4e5fu");
    }

    #[test]
    fn the_name_of_what_was_made_is_read() {
        let created = parse_created(&recorded("ifconfig epair create").printed);
        assert_eq!(created.as_deref(), Ok("epair0a"));
        assert!(parse_created("").is_err());
        assert!(parse_created("two words\n").is_err());
    }

    #[test]
    fn a_name_that_is_taken_leaves_an_interface_without_it() {
        let recording = crate::recorded::nth_recorded("ifconfig bridge create name kleene0", 1);
        assert_eq!((recording.status, recording.printed.as_str()), (1, "bridge1\n"));
    }

    #[test]
    fn a_name_that_the_kernel_chose_is_a_draft() {
        for name in ["bridge0", "lo12", "epair3a", "epair3b"] {
            assert!(is_draft(name), "{name}");
        }
        for name in ["kleene0", "bridge", "k0a1b2c3d4e5fa", "epaira", "em0", "bridge0x"] {
            assert!(!is_draft(name), "{name}");
        }
    }

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let owner = Owner::Endpoint("0a1b2c3d4e5f".parse().unwrap());
        let bridge: InterfaceName = "kleene0".parse().unwrap();
        let half: InterfaceName = "k0a1b2c3d4e5fa".parse().unwrap();
        let id = "0a1b2c3d4e5f".parse().unwrap();
        let commands = [
            show(None),
            show(Some("kleene0")),
            create(Kind::Bridge, &owner),
            create(Kind::Loopback, &owner),
            create(Kind::Pair, &owner),
            set_mac("epair0b", MacAddress::of_endpoint(&id)),
            rename("bridge0", &bridge),
            mark_and_rename("epair0b", &owner, &half),
            add_member(&bridge, &half),
            set_private(&bridge, &half, true),
            set_private(&bridge, &half, false),
            up("kleene0"),
            trust_addresses("kleene0"),
            add_address("kleene0", "10.13.37.1/24".parse().unwrap()),
            add_address("kleene0", "fd00::1/64".parse().unwrap()),
            remove_address("kleene0", "10.13.37.1/24".parse().unwrap()),
            remove_address("kleene0", "fd00::1/64".parse().unwrap()),
            destroy("k0a1b2c3d4e5fa"),
        ];
        let text: Vec<String> = commands.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn no_output_of_any_tool_makes_it_panic() {
        for output in every_output() {
            let _ = (parse_show(&output), parse_created(&output));
        }
    }

    proptest! {
        #[test]
        fn a_block_that_is_cut_off_is_an_error_or_lacks_something(at in 0usize..900) {
            let whole = recorded("ifconfig kleene0").printed;
            let cut: String = whole.chars().take(at).collect();
            if let Ok(interfaces) = parse_show(&cut) {
                prop_assert!(interfaces.len() <= 1);
            }
        }

        #[test]
        fn garbage_is_no_reason_to_panic(garbage in "(\\PC{0,20}[\\t\\n:<>= ]{0,3}){0,8}") {
            let _ = parse_show(&garbage);
        }
    }
}
