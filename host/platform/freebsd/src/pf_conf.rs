//! `/etc/pf.conf`, which is the administrator's: three lines in it lead to Kleene's anchors.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::command::{ToolError, Tools};
use crate::pfctl::{self, ANCHOR_LINES};

/// The ruleset that is loaded at boot.
pub(crate) const PATH: &str = "/etc/pf.conf";

/// Words that filter rules begin with; pf wants translations before them.
const FILTERS: [&str; 5] = ["pass", "block", "anchor", "antispoof", "match"];

/// Why the administrator's ruleset could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file.
    #[error("could not change {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// pfctl(8).
    #[error("the changed ruleset was not loaded: {0}")]
    Tool(#[from] ToolError),
}

/// Adds what is missing to a file, checks it, puts it in place and loads it.
pub(crate) fn add_lines(tools: &Tools, path: &Path) -> Result<(), SetupError> {
    let file = |source| SetupError::File {
        path: path.to_owned(),
        source,
    };
    // Whom it may be read by, and where it really is, are the administrator's choice.
    let (path, text, permissions) = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => (path.to_owned(), String::new(), None),
        path => {
            let path = path.map_err(file)?;
            let text = fs::read_to_string(&path).map_err(file)?;
            let permissions = fs::metadata(&path).map_err(file)?.permissions();
            (path, text, Some(permissions))
        }
    };
    let unfinished = PathBuf::from(format!("{}.kleene", path.display()));
    fs::write(&unfinished, with_lines(&text)).map_err(file)?;
    if let Some(permissions) = permissions {
        fs::set_permissions(&unfinished, permissions).map_err(file)?;
    }
    let checked = tools.run(&pfctl::check_file(&unfinished.display().to_string()));
    if let Err(error) = checked {
        fs::remove_file(&unfinished).map_err(file)?;
        return Err(error.into());
    }
    fs::rename(&unfinished, &path).map_err(file)?;
    tools.run(&pfctl::load_file(&path.display().to_string()))?;
    Ok(())
}

/// A ruleset with our lines: translations before the first filter rule, the anchor of filter rules behind the last.
fn with_lines(text: &str) -> String {
    let has = |line: &str| text.lines().any(|found| found.trim() == line);
    let [nat, rdr, filter] = ANCHOR_LINES;
    let translations: Vec<&str> = [nat, rdr].into_iter().filter(|line| !has(line)).collect();
    let mut lines: Vec<&str> = text.lines().collect();
    let at = first_filter(&lines).unwrap_or(lines.len());
    lines.splice(at..at, translations);
    if !has(filter) {
        lines.push(filter);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The first line that begins a filter rule, and not the rest of a rule above it.
fn first_filter(lines: &[&str]) -> Option<usize> {
    (0..lines.len()).find(|&at| {
        let goes_on = at > 0 && lines[at - 1].trim_end().ends_with('\\');
        let word = lines[at].split_whitespace().next().unwrap_or_default();
        !goes_on && FILTERS.contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn lines_come_where_pf_wants_them() {
        let text = "ext_if=\"em0\"\nset skip on lo0\nnat on $ext_if from 10.0.0.0/8 to any -> \\\n    pass\nblock in all\npass out all\n";
        let expected = "ext_if=\"em0\"\nset skip on lo0\nnat on $ext_if from 10.0.0.0/8 to any -> \\\n    pass\n\
            nat-anchor \"kleene/*\"\nrdr-anchor \"kleene/*\"\nblock in all\npass out all\nanchor \"kleene/*\"\n";
        assert_eq!(with_lines(text), expected);
    }

    #[test]
    fn an_empty_ruleset_gets_all_three() {
        assert_eq!(with_lines("").lines().collect::<Vec<_>>(), ANCHOR_LINES);
    }

    #[test]
    fn lines_that_are_there_are_not_added_again() {
        let once = with_lines("pass all\n");
        assert_eq!(with_lines(&once), once);
    }

    #[test]
    fn a_file_that_pf_does_not_take_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/mkdir", directory.path().join("pfctl")).unwrap();
        let path = directory.path().join("pf.conf");
        fs::write(&path, "nonsense\n").unwrap();
        assert!(add_lines(&Tools::with_in_front(directory.path()), &path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_pf_takes_is_put_in_place() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/echo", directory.path().join("pfctl")).unwrap();
        let path = directory.path().join("pf.conf");
        add_lines(&Tools::with_in_front(directory.path()), &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), with_lines(""));
    }

    #[test]
    fn a_link_stays_one_and_a_file_as_secret_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/echo", directory.path().join("pfctl")).unwrap();
        let [real, link] = ["site.conf", "pf.conf"].map(|name| directory.path().join(name));
        fs::write(&real, "pass all\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        add_lines(&Tools::with_in_front(directory.path()), &link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), with_lines("pass all\n"));
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
