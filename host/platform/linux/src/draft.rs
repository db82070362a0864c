//! Small files that are replaced as a whole: a reader sees the old one or the new one.

use std::fs;
use std::io;
use std::path::Path;

const EXTENSION: &str = "draft";

/// Writes a file, or replaces it. The extension `draft` is not for names of such files.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(EXTENSION);
    fs::write(&draft, content)?;
    fs::rename(draft, path)
}

/// Removes what a crash left half written in a directory, in which nobody writes meanwhile.
pub(crate) fn remove_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_go_and_whole_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (whole, half) = (
            directory.path().join("whole.json"),
            directory.path().join("half.draft"),
        );
        write(&whole, b"old").unwrap();
        write(&whole, b"new").unwrap();
        fs::write(&half, "ne").unwrap();

        remove_all(directory.path()).unwrap();

        assert_eq!(fs::read(whole).unwrap(), b"new");
        assert!(!half.exists());
    }
}
