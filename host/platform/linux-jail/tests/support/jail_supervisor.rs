//! A supervisor as the daemon's `supervise` command is one, without the daemon around it. For the tests of this crate.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(run_dir) => {
            kleene_supervisor::run(&kleene_linux_jail::LinuxLauncher, std::path::Path::new(&run_dir))
        }
        None => ExitCode::FAILURE,
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
