//! What it costs to make an image of an archive, beside tar(1) unpacking the same archive on the same file system.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kleene_tests::{Host, Programs};

use super::Line;

/// Files in the archive and bytes in each: 100 MB together.
const FILES: usize = 2000;
const BYTES: usize = 50_000;
/// How often each is timed.
const RUNS: usize = 5;

/// Measures plain and compressed archives, in turns with tar.
pub(super) fn measure(programs: &Programs) -> Result<Vec<Line>> {
    let host = Host::with(programs.clone())?;
    let tree = host.directory("tree");
    fill(&tree)?;
    let mut lines = Vec::new();
    for (kind, option) in [("plain", "-cf"), ("gzip", "-czf"), ("xz -0", "-cJf")] {
        let archive = host.directory("archives").join(kind.replace(' ', ""));
        let (archive, tree) = (archive.display().to_string(), tree.display().to_string());
        host.run(&format!("env XZ_OPT=-0 tar {option} {archive} -C {tree} ."))
            .ok();
        let mut times = [Vec::new(), Vec::new()];
        for run in 0..RUNS {
            let directory = host.directory(&format!("out-{run}"));
            let began = Instant::now();
            host.run(&format!("tar -xf {archive} -C {}", directory.display()))
                .ok();
            times[0].push(began.elapsed());
            fs::remove_dir_all(directory)?;
            let began = Instant::now();
            host.klee(&format!(
                "image create --no-dns --no-localtime -t bench fetch {archive}"
            ))
            .ok();
            times[1].push(began.elapsed());
            host.klee("image rm bench").ok();
        }
        let [tar, klee] = times.map(median);
        lines.push(Line::new(
            format!("tar -x of 100 MB ({kind}), median of {RUNS}"),
            super::milliseconds(tar),
        ));
        lines.push(Line::new(
            "  klee image create fetch of the same",
            super::milliseconds(klee),
        ));
    }
    host.clear()?;
    Ok(lines)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Files that compress about as well as programs do.
fn fill(tree: &Path) -> Result<()> {
    let mut state = 1_u32;
    for number in 0..FILES {
        let directory = tree.join(format!("d{}", number % 50));
        fs::create_dir_all(&directory)?;
        let mut content = Vec::with_capacity(BYTES);
        while content.len() < BYTES {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            content.extend_from_slice(&state.to_le_bytes()[1..]);
            content.extend_from_slice(b"\0\0\0\0\0");
        }
        content.truncate(BYTES);
        File::create(directory.join(format!("f{number}")))?.write_all(&content)?;
    }
    ensure!(
        FILES * BYTES == 100_000_000,
        "the archive has another size than the table says"
    );
    Ok(())
}
