//! Bringing a database to the schema of this program. Each migration is a file of SQL in `migrations/`, applied once
//! and in order, together with the version number it leads to.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Result, StoreError};

/// Marks the file as Kleene's (`PRAGMA application_id`, see file(1)): "klne".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"klne");

/// All migrations; the version of a database is how many of them it has seen.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_image_settings.sql"),
    include_str!("../migrations/0003_lease_keys.sql"),
];

/// Applies what the database has not seen yet.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<()> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    // IMMEDIATE: of two daemons that start at once, the second waits, and then finds nothing to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = pragma(&transaction, "user_version")?;
    let application: i32 = pragma(&transaction, "application_id")?;
    let empty = transaction.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && !(application == 0 && found == 0 && empty) {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for migration in migrations.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn bring(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
        migrate(connection, Path::new("x.sqlite"), migrations)
    }

    #[test]
    fn each_migration_is_applied_once_and_in_order() {
        let mut connection = empty();
        let first = "CREATE TABLE a (x)";
        let second = "ALTER TABLE a RENAME TO b";
        bring(&mut connection, &[first]).unwrap();
        bring(&mut connection, &[first, second]).unwrap();
        bring(&mut connection, &[first, second]).unwrap();
        connection.execute("INSERT INTO b VALUES (1)", []).unwrap();
        assert_eq!(pragma::<u32>(&connection, "user_version").unwrap(), 2);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut connection = empty();
        bring(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        assert!(
            bring(
                &mut connection,
                &["CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"]
            )
            .is_err()
        );
        assert_eq!(pragma::<u32>(&connection, "user_version").unwrap(), 1);
        bring(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused_by_name() {
        let mut connection = empty();
        bring(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
        let error = bring(&mut connection, &["CREATE TABLE a (x)"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database x.sqlite has schema version 2, and this kleened knows versions up to 1: start the version of \
             kleened that wrote it, or a later one"
        );
    }

    #[test]
    fn the_database_of_another_program_is_refused_and_left_alone() {
        let mut connection = empty();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(
            bring(&mut connection, MIGRATIONS),
            Err(StoreError::Foreign { .. })
        ));
        let tables: u32 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }

    #[test]
    fn leases_of_before_their_keys_changed_are_kept() {
        let mut connection = empty();
        bring(&mut connection, &MIGRATIONS[..2]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO images (id, name, tag, created, user, cmd, env) VALUES ('aaaaaaaaaaaa', '', '', 0, '', '[]', '[]');
                 INSERT INTO containers (id, image, created, cmd, env, user, jail_param, network_driver, persist,
                                         restart_policy, generation)
                 VALUES ('cccccccccccc', 'aaaaaaaaaaaa', 0, '[]', '[]', '', '[]', 'vnet', 0, 'no', 0);
                 INSERT INTO networks (id, name, kind, interface, gateway, gateway6, nat, icc, internal)
                 VALUES ('dddddddddddd', 'lan', 'bridge', 'kleene0', '', '', '', 1, 0);
                 INSERT INTO endpoints (id, container, network, host_interface, jail_interface, mac)
                 VALUES ('eeeeeeeeeeee', 'cccccccccccc', 'dddddddddddd', 'a', 'b', 'c');
                 INSERT INTO address_leases VALUES ('dddddddddddd', 4, x'0a000002', 'eeeeeeeeeeee', '10.0.0.2', x'0a000003', 1);",
            )
            .unwrap();
        bring(&mut connection, MIGRATIONS).unwrap();
        let leases = |connection: &Connection| -> String {
            let sql = "SELECT coalesce(group_concat(endpoint || ' ' || shown || ' ' || gap), '') FROM address_leases";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(leases(&connection), "eeeeeeeeeeee 10.0.0.2 1");
        let elsewhere = "INSERT INTO address_leases VALUES ('ffffffffffff', 6, x'00000000000000000000000000000001', 'eeeeeeeeeeee', '::1', NULL, 1)";
        let refused = connection.execute_batch(elsewhere).unwrap_err().to_string();
        assert!(refused.contains("of the network of its endpoint"), "{refused}");
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection.execute("DELETE FROM endpoints", []).unwrap();
        assert_eq!(leases(&connection), "");
    }
}
