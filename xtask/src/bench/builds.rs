//! What builds cost, beside podman build in the same run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use kleene_tests::{Host, Programs, write};

use super::{Line, median, milliseconds, timed};

/// How often each build is timed.
const BUILDS: usize = 5;

const DOCKERFILE: &str = "\
ARG BASE
FROM ${BASE}
WORKDIR /srv
COPY large large
RUN sha256sum large > sum
COPY changing changing
RUN cat changing sum > both
CMD [\"cat\", \"/srv/both\"]
";

/// Somebody who builds.
trait Builder {
    fn build(&self, context: &Path, options: &[&str]) -> Command;
}

/// Measures on a host of its own.
///
/// # Errors
/// If something cannot be run.
pub fn measure(programs: &Programs) -> Result<Vec<Line>> {
    let host = Host::with(programs.clone())?;
    let mut lines = Vec::new();
    let context = host.directory("context");
    write(context.join("large"), pseudo_random(20_000_000, 1));
    write(context.join("changing"), "0\n");

    let userland = programs.userland();
    let podman = Podman::new(&host.directory("podman"), &userland)?;
    let klee = Klee::new(&host, &userland)?;
    let builders: [(&str, &dyn Builder); 2] = [("klee build", &klee), ("podman build", &podman)];
    let mut changes = 0;
    for (what, options, changing) in [
        ("from nothing", &["--no-cache"][..], false),
        ("all from the cache", &[], false),
        ("one file changed", &[], true),
    ] {
        for (name, builder) in builders {
            let mut times = Vec::new();
            // One more to warm up.
            for run in 0..=BUILDS {
                if changing {
                    changes += 1;
                    write(context.join("changing"), format!("{changes}\n"));
                }
                let time = timed(&mut builder.build(&context, options))?;
                if run > 0 {
                    times.push(time);
                }
            }
            lines.push(Line::new(
                format!("{name}, {what}, median of {BUILDS}"),
                milliseconds(median(times)),
            ));
        }
    }
    host.clear()?;
    Ok(lines)
}

struct Klee<'a> {
    host: &'a Host,
}

impl<'a> Klee<'a> {
    fn new(host: &'a Host, userland: &Path) -> Result<Self> {
        let path = userland.display();
        let options = "--no-dns --no-localtime";
        host.klee(&format!(
            "image create -t debian:bookworm fetch file://{path} {options}"
        ))
        .ok();
        fs::write(host.directory("context").join("Dockerfile"), DOCKERFILE)?;
        Ok(Self { host })
    }
}

impl Builder for Klee<'_> {
    fn build(&self, context: &Path, options: &[&str]) -> Command {
        let mut command = self
            .host
            .klee_command("build -t built --build-arg BASE=debian:bookworm");
        command.args(options).arg(context);
        command
    }
}

/// Podman with storage of its own, on overlayfs as ours.
struct Podman {
    directory: PathBuf,
}

impl Podman {
    fn new(directory: &Path, userland: &Path) -> Result<Self> {
        // Hard limits cannot be raised without CAP_SYS_RESOURCE, which not every machine grants.
        fs::write(
            directory.join("containers.conf"),
            "[containers]\ndefault_ulimits = []\n",
        )?;
        let podman = Self {
            directory: directory.to_owned(),
        };
        let mut import = podman.command();
        timed(
            import
                .arg("import")
                .arg(userland)
                .arg("localhost/debian:bookworm"),
        )?;
        Ok(podman)
    }

    /// In a mount namespace without the second version of control groups, which this podman does not expect beside the
    /// first.
    fn command(&self) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg("umount /sys/fs/cgroup/unified 2> /dev/null; exec podman \"$@\"")
            .arg("podman")
            .arg("--root")
            .arg(self.directory.join("root"))
            .arg("--runroot")
            .arg(self.directory.join("run"))
            .args(["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"])
            .env("CONTAINERS_CONF", self.directory.join("containers.conf"));
        command
    }
}

impl Builder for Podman {
    fn build(&self, context: &Path, options: &[&str]) -> Command {
        let mut command = self.command();
        command
            .args([
                "build",
                "--layers",
                "--isolation",
                "chroot",
                "--network",
                "host",
                "-t",
                "built",
                "--build-arg",
                "BASE=localhost/debian:bookworm",
            ])
            .args(options)
            .arg(context);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // What it mounted below its root would keep the directory from being removed.
        let reset = timed(self.command().args(["system", "reset", "--force"]));
        if let Err(error) = reset {
            eprintln!("podman system reset: {error}");
        }
    }
}

/// Bytes that neither compress nor repeat, the same in every run (xorshift, Marsaglia 2003).
fn pseudo_random(length: usize, seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed) | 0x9e37_79b9_0000_0000;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
