//! The log of what a process prints: one JSON object per line.
//!
//! ```json
//! {"time":"2026-03-01T12:00:00.123456Z","data":"listening on port 80\n"}
//! ```
//!
//! An entry holds at most one line of output and its `data` ends with `\n` where the output did. Output that is not
//! UTF-8 has an additional field `hex` with its exact bytes; `data` then shows U+FFFD in place of what is no text.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest line that waits for its end, in bytes; a longer one is spread over several entries.
const LONGEST_LINE: usize = 64 * 1024;

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When it was printed.
    pub time: Timestamp,
    /// The text.
    pub data: String,
    /// The bytes as hexadecimal digits, where they are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl LogEntry {
    fn new(time: Timestamp, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self {
                time,
                data: text.to_owned(),
                hex: None,
            },
            Err(_) => {
                let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Self {
                    time,
                    data: String::from_utf8_lossy(bytes).into_owned(),
                    hex: Some(hex),
                }
            }
        }
    }

    /// Exactly what was printed. `None`: the entry is damaged.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let Some(hex) = &self.hex else {
            return Some(self.data.clone().into_bytes());
        };
        let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
        Some(
            digits
                .chunks_exact(2)
                .map(|pair| pair[0] << 4 | pair[1])
                .collect(),
        )
    }
}

/// The log of one process, being written.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<File>,
    line: Vec<u8>,
}

impl Log {
    /// Opens a log to append to it; without a path, nothing is kept.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
        };
        Ok(Self {
            file: path.map(open).transpose()?,
            line: Vec::new(),
        })
    }

    /// Writes the lines that are complete. The start of a line waits for its end, so that an entry is what a reader
    /// takes for one; [`flush`](Self::flush) ends the waiting.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let now = Timestamp::now();
        let mut entries = Vec::new();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= LONGEST_LINE {
                push(&mut entries, &LogEntry::new(now, &self.line))?;
                self.line.clear();
            }
        }
        self.write(&entries)
    }

    /// Whether the start of a line waits.
    pub(crate) fn has_partial_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// Writes the start of a line that waits for its end.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        let mut entry = Vec::new();
        push(&mut entry, &LogEntry::new(Timestamp::now(), &self.line))?;
        self.line.clear();
        self.write(&entry)
    }

    fn write(&mut self, entries: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(entries),
            None => Ok(()),
        }
    }
}

fn push(entries: &mut Vec<u8>, entry: &LogEntry) -> io::Result<()> {
    serde_json::to_writer(&mut *entries, entry)?;
    entries.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(chunks: &[&[u8]]) -> Vec<LogEntry> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::open(Some(&path)).unwrap();
        for chunk in chunks {
            log.append(chunk).unwrap();
        }
        log.flush().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn data(entries: &[LogEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.data.as_str()).collect()
    }

    #[test]
    fn each_line_is_an_entry() {
        assert_eq!(data(&logged(&[b"one\ntwo\n"])), ["one\n", "two\n"]);
    }

    #[test]
    fn a_line_that_arrives_in_pieces_is_one_entry() {
        assert_eq!(data(&logged(&[b"on", b"e\n"])), ["one\n"]);
    }

    #[test]
    fn a_character_that_arrives_in_pieces_is_text() {
        let entries = logged(&["ä".as_bytes().split_at(1).0, "ä".as_bytes().split_at(1).1]);
        assert_eq!((data(&entries), &entries[0].hex), (vec!["ä"], &None));
    }

    #[test]
    fn a_last_line_without_end_is_kept_as_it_is() {
        assert_eq!(data(&logged(&[b"prompt> "])), ["prompt> "]);
    }

    #[test]
    fn bytes_that_are_no_text_can_be_had_back() {
        let entries = logged(&[b"a\xff\xfe\n"]);
        assert_eq!(entries[0].data, "a\u{fffd}\u{fffd}\n");
        assert_eq!(entries[0].bytes().unwrap(), b"a\xff\xfe\n");
    }

    #[test]
    fn an_endless_line_is_spread_over_entries() {
        let entries = logged(&[&vec![b'x'; LONGEST_LINE], b"y"]);
        assert_eq!(
            entries.iter().map(|entry| entry.data.len()).collect::<Vec<_>>(),
            [LONGEST_LINE, 1]
        );
    }

    #[test]
    fn damaged_hex_is_noticed() {
        let entry = LogEntry {
            time: Timestamp::UNIX_EPOCH,
            data: String::new(),
            hex: Some("f".to_owned()),
        };
        assert_eq!(entry.bytes(), None);
    }
}
