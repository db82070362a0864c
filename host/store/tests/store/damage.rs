//! Files that are not as they should be.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use kleene_store::{Store, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixtures::*;

fn furnished_file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.sqlite");
    let store = Store::open(&path).unwrap();
    change(&store, |write| {
        write.insert_image(&image(1))?;
        write.insert_container(&container(2))
    })
    .unwrap();
    (directory, path)
}

#[test]
fn the_file_is_its_owners_alone() {
    let (_directory, path) = furnished_file();
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_stored_is_there_after_opening_again() {
    let (_directory, path) = furnished_file();
    let store = Store::open(path).unwrap();
    assert_eq!(look(&store, |read| read.containers()), [container(2)]);
}

#[test]
fn a_damaged_record_is_an_error_that_names_it() {
    for (column, value, reason) in [
        (
            "env",
            "[1]",
            "invalid type: integer `1`, expected a string at line 1 column 2",
        ),
        (
            "name",
            "a b",
            "'a b' is not a valid name: letters, digits, '_', '.', '-', beginning with a letter or digit",
        ),
    ] {
        let (_directory, path) = furnished_file();
        let vandal = Connection::open(&path).unwrap();
        vandal
            .execute(&format!("UPDATE containers SET {column} = ?"), [value])
            .unwrap();
        let store = Store::open(&path).unwrap();
        let error = store.read::<_, StoreError>(|read| read.containers()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the record 'a00000000002' in table 'containers' of the database is damaged: column '{column}': {reason}; \
                 restore the database from a backup, or correct the record with sqlite3 while kleened is stopped"
            )
        );
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let text = "not a database, but long enough to be taken for one".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.starts_with("could not open the database"), "{error}");
    assert!(error.contains("notes.txt"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let error = Store::open("/nonexistent/x.sqlite").unwrap_err().to_string();
    assert_eq!(
        error,
        "could not open the database /nonexistent/x.sqlite: No such file or directory (os error 2)"
    );
}
