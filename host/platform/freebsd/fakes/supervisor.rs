//! A supervisor for the tests of this crate: what `kleened supervise` is on FreeBSD. Its first argument is the directory
//! of tools to be put in front.

use std::path::Path;
use std::process::ExitCode;

use kleene_freebsd::{FreeBsdLauncher, Tools};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let [tools, directory] = words.as_slice() else {
        eprintln!("usage: freebsd_supervisor <tools> <directory>");
        return ExitCode::FAILURE;
    };
    let launcher = FreeBsdLauncher::new(Tools::with_in_front(tools));
    kleene_supervisor::run(&launcher, Path::new(directory))
}
