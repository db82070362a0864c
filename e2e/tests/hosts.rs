//! The program on throw-away hosts: Linux for real, and FreeBSD's stand-ins. Every test of it must pass there or be
//! skipped for a reason that is known.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::Path;
use std::process::{Command, Stdio};

use kleene_e2e::payload;
use kleene_tests::{Outcome, Programs, Sandbox};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kleene-e2e");

/// Runs a program in a sandbox, with files there.
fn run(sandbox: &Sandbox, program: &Path, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.service(program);
    command
        .args(["--directory", &sandbox.directory().display().to_string()])
        .args(arguments);
    Outcome::of("kleene-e2e", &mut command)
}

/// The options that name the programs of this build.
fn of_this_build(programs: &Programs) -> [String; 4] {
    let directory = programs.kleened.parent().unwrap();
    [
        "--programs".to_owned(),
        directory.display().to_string(),
        "--plugins".to_owned(),
        programs.plugins.display().to_string(),
    ]
}

/// Names behind a word at the beginning of a line.
fn told<'a>(outcome: &'a Outcome, word: &str) -> Vec<&'a str> {
    let lines = outcome.stdout.lines();
    lines
        .filter_map(|line| Some(line.strip_prefix(word)?.trim()))
        .collect()
}

#[track_caller]
fn assert_all_passed(outcome: &Outcome, at_least: usize) {
    assert!(outcome.succeeded(), "{outcome}");
    let passed = told(outcome, "ok ");
    assert!(passed.len() >= at_least, "{outcome}");
    let summary = outcome.stdout.lines().last().unwrap_or_default();
    assert!(
        summary.starts_with(&format!("{} passed, 0 failed", passed.len())),
        "{outcome}"
    );
    assert!(passed.last().unwrap().starts_with("host: it is as it was before"));
}

#[test]
fn all_pass_on_linux() {
    let sandbox = Sandbox::new().unwrap();
    let options = of_this_build(&Programs::of_this_build().unwrap());
    let outcome = run(
        &sandbox,
        Path::new(PROGRAM),
        &options.each_ref().map(String::as_str),
    );
    println!("{}", outcome.stdout);
    assert_all_passed(&outcome, 40);
    let skipped = told(&outcome, "skipped ");
    assert!(
        skipped.iter().all(|line| line.ends_with(": this is Linux")),
        "{skipped:?}"
    );
}

/// Runs the program on a host of stand-ins for FreeBSD's tools.
fn run_on_stand_ins(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    let programs = Programs::of_this_build().unwrap();
    let host = sandbox.directory().join("host");
    if !host.exists() {
        let installed = sandbox
            .command(programs.kleened.with_file_name("fake_freebsd"))
            .arg("install")
            .arg(&host)
            .status();
        assert!(installed.unwrap().success());
    }
    let tools = host.join("bin").display().to_string();
    let mut options: Vec<String> = of_this_build(&programs).to_vec();
    options.extend(["--stand-ins".to_owned(), tools]);
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.extend(arguments);
    run(sandbox, Path::new(PROGRAM), &options)
}

#[test]
fn all_pass_on_stand_ins_for_freebsds_tools() {
    let sandbox = Sandbox::new().unwrap();
    let outcome = run_on_stand_ins(&sandbox, &[]);
    println!("{}", outcome.stdout);
    assert_all_passed(&outcome, 40);
    let skipped = told(&outcome, "skipped ");
    assert!(
        skipped
            .iter()
            .all(|line| line.contains("the host's tools are stand-ins")),
        "{skipped:?}"
    );
}

#[test]
fn a_dataset_of_the_hosts_does_in_place_of_a_pool() {
    let sandbox = Sandbox::new().unwrap();
    let outcome = run_on_stand_ins(
        &sandbox,
        &["--root", "tank", "a jail and a dataset", "containers: output"],
    );
    assert_all_passed(&outcome, 3);
    let outcome = run_on_stand_ins(&sandbox, &["--root", "no/such/dataset"]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(outcome.stderr.contains("no/such/dataset"), "{outcome}");
}

#[test]
fn one_file_is_enough() {
    let sandbox = Sandbox::new().unwrap();
    let programs = Programs::of_this_build().unwrap();
    let plugins: Vec<_> = std::fs::read_dir(&programs.plugins)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .map(|path| (format!("plugins/{}", path.file_name().unwrap().display()), path))
        .collect();
    let mut files = vec![
        ("klee", programs.klee.as_path(), 0o755),
        ("kleened", programs.kleened.as_path(), 0o755),
    ];
    files.extend(
        plugins
            .iter()
            .map(|(name, path)| (name.as_str(), path.as_path(), 0o644)),
    );
    let whole = sandbox.directory().join("whole");
    payload::append(Path::new(PROGRAM), files, &whole).unwrap();
    let outcome = run(&sandbox, &whole, &["containers: output and success"]);
    assert!(outcome.succeeded(), "{outcome}");
    assert!(
        outcome.stdout.ends_with("2 passed, 0 failed, 0 skipped\n"),
        "{outcome}"
    );
}

#[test]
fn names_are_listed_and_a_wrong_one_is_told() {
    let run = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        Outcome::of("kleene-e2e", command.args(words).stdin(Stdio::null()))
    };
    let all = run(&["--list"]).ok();
    assert!(all.lines().count() > 40, "{all}");
    let networks = run(&["--list", "networks: "]).ok();
    assert!(
        networks.lines().all(|line| line.starts_with("networks: ")),
        "{networks}"
    );
    assert!(run(&["nosuchtest"]).refused().contains("--list"));
}

#[test]
fn a_program_without_a_daemon_says_so() {
    let sandbox = Sandbox::new().unwrap();
    let outcome = run(&sandbox, Path::new(PROGRAM), &[]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(outcome.stderr.contains("--programs"), "{outcome}");
}
