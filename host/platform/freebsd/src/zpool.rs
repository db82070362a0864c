//! zpool(8): is the pool that holds Kleene's datasets well?

use crate::command::{Command, Parsed, Program};

const ZPOOL: Program = Program("/sbin/zpool");

/// The state of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    /// `ONLINE`, `DEGRADED`, …
    pub(crate) health: String,
    /// Percent.
    pub(crate) used: u8,
}

/// The pool in which a dataset is.
pub(crate) fn pool_of(dataset: &str) -> &str {
    dataset.split('/').next().unwrap_or(dataset)
}

pub(crate) fn list(pool: &str) -> Command {
    Command::new(ZPOOL).args(["list", "-Hp", "-o", "health,capacity", pool])
}

/// Reads [`list`].
pub(crate) fn parse_list(printed: &str) -> Parsed<Pool> {
    let (health, used) = printed
        .trim_end()
        .split_once('\t')
        .ok_or_else(|| format!("'{printed}' has not two fields"))?;
    Ok(Pool {
        health: health.to_owned(),
        used: used
            .trim_end_matches('%')
            .parse()
            .map_err(|error| format!("'{used}': {error}"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_of_a_dataset_is_its_first_part() {
        assert_eq!(pool_of("zroot/kleene"), "zroot");
        assert_eq!(pool_of("tank"), "tank");
    }

    #[test]
    fn a_healthy_pool_is_understood() {
        let recorded = crate::recorded::recorded("zpool list -Hp").printed;
        // name, size, allocated, free, checkpoint, expandsize, fragmentation, capacity, dedup, health, altroot
        let fields: Vec<&str> = recorded.trim_end().split('\t').collect();
        let pool = parse_list(&format!("{}\t{}\n", fields[9], fields[7])).unwrap();
        assert_eq!(
            pool,
            Pool {
                health: "ONLINE".to_owned(),
                used: 0
            }
        );
    }

    #[test]
    fn damaged_lines_are_errors() {
        for printed in ["", "ONLINE", "ONLINE\tmany"] {
            assert!(parse_list(printed).is_err(), "{printed:?}");
        }
    }

    #[test]
    fn the_command_is_what_an_administrator_would_type() {
        assert_eq!(list("tank").to_string(), "zpool list -Hp -o health,capacity tank");
    }
}
