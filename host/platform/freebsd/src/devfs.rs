//! devfs(8): which devices a jail sees. jail(8) mounts them by the ruleset that `/etc/defaults/devfs.rules` makes for jails,
//! which rc(8) loads at boot.

use crate::command::{Command, Program};

const DEVFS: Program = Program("/sbin/devfs");
const SERVICE: Program = Program("/usr/sbin/service");

/// The number of `devfsrules_jail`, which jail(8) takes unless a parameter says otherwise.
pub(crate) const JAILS: u32 = 4;

/// The rules of a ruleset; nothing for one that does not exist.
pub(crate) fn show(ruleset: u32) -> Command {
    Command::new(DEVFS).args(["rule", "-s", &ruleset.to_string(), "show"])
}

/// Loads the rulesets of the system, as at boot.
pub(crate) fn load_rulesets() -> Command {
    Command::new(SERVICE).args(["devfs", "onerestart"]).running_on()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        assert_eq!(show(JAILS).to_string(), "devfs rule -s 4 show");
        assert_eq!(load_rulesets().to_string(), "service devfs onerestart");
    }
}
