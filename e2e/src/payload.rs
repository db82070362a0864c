//! Files at the end of a program: an archive, its length and a mark. Systems run a program without looking
//! at what follows it, so one file can be copied to another machine and has everything with it.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
/// The last bytes of a program with files at its end.
const MARK: &[u8; 16] = b"kleene-payload-1";
/// The length of the archive and the mark.
const TRAILER: u64 = 8 + MARK.len() as u64;

/// Writes `program` with an archive of `files` behind it to `out`. Each file has a path in the archive, and a mode.
///
/// # Errors
/// If a file cannot be read or `out` cannot be written.
pub fn append<'a>(
    program: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a Path, u32)>,
    out: &Path,
) -> Result<()> {
    let (mut input, length) = program_of(program)?;
    let mut output = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    io::copy(&mut (&mut input).take(length), &mut output)?;
    let mut archive = tar::Builder::new(&mut output);
    for (name, path, mode) in files {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    archive.into_inner()?;
    let end = output.stream_position()?;
    output.write_all(&(end - length).to_le_bytes())?;
    output.write_all(MARK)?;
    Ok(fs::set_permissions(out, Permissions::from_mode(0o755))?)
}

/// Unpacks the files at the end of a program into a directory. `false`: it has none.
///
/// # Errors
/// If the program is damaged, or the directory cannot be written.
pub fn unpack(program: &Path, directory: &Path) -> Result<bool> {
    let (mut file, length) = program_of(program)?;
    let whole = file.seek(SeekFrom::End(0))?;
    if whole == length {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(length))?;
    tar::Archive::new(file.take(whole - length - TRAILER))
        .unpack(directory)
        .with_context(|| format!("cannot unpack {} to {}", program.display(), directory.display()))?;
    Ok(true)
}

/// Copies a program without the files at its end.
///
/// # Errors
/// If one cannot be read or the other not be written.
pub fn copy_without(program: &Path, out: &Path) -> Result<()> {
    let (file, length) = program_of(program)?;
    let mut output = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    io::copy(&mut file.take(length), &mut output)?;
    Ok(fs::set_permissions(out, Permissions::from_mode(0o755))?)
}

/// A program, at its first byte, and how many bytes of the file are the program.
fn program_of(path: &Path) -> Result<(File, u64)> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let whole = file.seek(SeekFrom::End(0)).with_context(context)?;
    let mut length = whole;
    if whole >= TRAILER {
        let (mut size, mut mark) = ([0; 8], [0; MARK.len()]);
        file.seek(SeekFrom::Start(whole - TRAILER))?;
        file.read_exact(&mut size)?;
        file.read_exact(&mut mark)?;
        if mark == *MARK {
            let before = (whole - TRAILER).checked_sub(u64::from_le_bytes(size));
            ensure!(
                before.is_some(),
                "{} is damaged: copy it anew, in binary mode",
                path.display()
            );
            length = before.unwrap_or_default();
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_unpacked_and_can_be_left_away() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("program"), "a program").unwrap();
        fs::write(at("plugin"), vec![7; 100_000]).unwrap();
        append(
            &at("program"),
            [("plugins/plugin.wasm", at("plugin").as_path(), 0o644)],
            &at("whole"),
        )
        .unwrap();
        assert!(unpack(&at("whole"), &at("unpacked")).unwrap());
        assert_eq!(
            fs::read(at("unpacked/plugins/plugin.wasm")).unwrap(),
            vec![7; 100_000]
        );
        copy_without(&at("whole"), &at("bare")).unwrap();
        assert_eq!(fs::read(at("bare")).unwrap(), b"a program");
        let mode = fs::metadata(at("bare")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn appending_again_replaces_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("program"), "a program").unwrap();
        append(
            &at("program"),
            [("old", at("program").as_path(), 0o644)],
            &at("once"),
        )
        .unwrap();
        append(
            &at("once"),
            [("new", at("program").as_path(), 0o644)],
            &at("twice"),
        )
        .unwrap();
        assert!(unpack(&at("twice"), &at("unpacked")).unwrap());
        assert!(at("unpacked/new").exists() && !at("unpacked/old").exists());
    }

    #[test]
    fn a_bare_program_has_nothing_at_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        for content in ["", "a program that is longer than the trailer would be"] {
            fs::write(&program, content).unwrap();
            assert!(!unpack(&program, directory.path()).unwrap());
        }
    }

    #[test]
    fn a_program_that_was_cut_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend(MARK);
        fs::write(&program, bytes).unwrap();
        let error = unpack(&program, directory.path()).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
}
