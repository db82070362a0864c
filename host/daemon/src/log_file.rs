//! A log file that does not grow for ever: when it is full it becomes `<name>.1`, what was that becomes `<name>.2`, and
//! so on; the oldest is removed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file is full with so many bytes.
const FULL: u64 = 10_000_000;
/// So many files there are, with the one that is being written.
const FILES: u32 = 5;

/// The file that is being written. Every write is one line or several whole ones.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    full: u64,
}

impl LogFile {
    /// Opens `path` to append to it, for its owner alone.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::with_size(path, FULL)
    }

    fn with_size(path: &Path, full: u64) -> io::Result<Self> {
        let file = append_to(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            full,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..FILES).rev() {
            let from = match number {
                1 => self.path.clone(),
                _ => numbered(&self.path, number - 1),
            };
            match fs::rename(from, numbered(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = append_to(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let would_overflow = self.length + line.len() as u64 > self.full;
        if would_overflow && self.length > 0 {
            // Rather a file that is too large than a line that is lost.
            if let Err(error) = self.rotate() {
                self.length = 0;
                writeln!(self.file, "cannot begin a new log file: {error}")?;
            }
        }
        let written = self.file.write(line)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn five_files_hold_the_newest_lines_and_no_line_is_torn() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.log");
        let mut log = LogFile::with_size(&path, 20).unwrap();
        for number in 0..20 {
            writeln!(log, "line {number:03}").unwrap();
        }
        let expected = [
            "kleened.log",
            "kleened.log.1",
            "kleened.log.2",
            "kleened.log.3",
            "kleened.log.4",
        ];
        assert_eq!(names(directory.path()), expected);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "line 018\nline 019\n");
        assert_eq!(read(&numbered(&path, 1)), "line 016\nline 017\n");
        assert_eq!(read(&numbered(&path, 4)), "line 010\nline 011\n");
    }

    #[test]
    fn a_new_daemon_goes_on_where_the_last_one_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.log");
        writeln!(LogFile::with_size(&path, 20).unwrap(), "line 000").unwrap();
        let mut log = LogFile::with_size(&path, 20).unwrap();
        writeln!(log, "line 001\nline 002").unwrap();
        assert_eq!(fs::read_to_string(numbered(&path, 1)).unwrap(), "line 000\n");
    }

    #[test]
    fn a_line_longer_than_a_file_is_kept_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.log");
        let mut log = LogFile::with_size(&path, 4).unwrap();
        writeln!(log, "a long line").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a long line\n");
        assert_eq!(names(directory.path()), ["kleened.log"]);
    }

    #[test]
    fn every_file_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.log");
        let mut log = LogFile::with_size(&path, 1).unwrap();
        write!(log, "a").unwrap();
        write!(log, "b").unwrap();
        for path in [path.clone(), numbered(&path, 1)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
