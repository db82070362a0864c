//! rctl(8): limits of resources. Kleene sets none itself; an administrator may, on jails by their name, and is told where
//! that would have no effect.

use crate::command::{Command, Program};

const RCTL: Program = Program("/usr/bin/rctl");

/// All rules in force. It succeeds only where there can be some.
pub(crate) fn rules() -> Command {
    Command::new(RCTL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::recorded;

    #[test]
    fn a_host_without_rules_has_a_list_of_them_all_the_same() {
        let listed = recorded(&rules().to_string());
        assert_eq!((listed.status, listed.printed.as_str()), (0, ""));
    }
}
