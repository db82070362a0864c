//! The complete command tree: usage lines, usage errors, help, and what is generated from the same definition.

use std::process::Command;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::daemon::{klee, run};

/// Every command with its arguments, and whether it shows its help when it is given none, as commands of 0.1.1 do.
pub const COMMANDS: &[(&str, &str, bool)] = &[
    ("container create", "IMAGE [COMMAND]...", true),
    ("container exec", "CONTAINER [COMMAND]...", true),
    ("container inspect", "CONTAINER", true),
    ("container ls", "", false),
    ("container prune", "", false),
    ("container rename", "CONTAINER NEW_NAME", true),
    ("container restart", "CONTAINERS...", true),
    ("container rm", "CONTAINERS...", true),
    ("container run", "IMAGE [COMMAND]...", true),
    ("container start", "CONTAINERS...", true),
    ("container stop", "CONTAINERS...", true),
    ("container update", "CONTAINER [COMMAND]...", true),
    ("context add", "NAME", false),
    ("context inspect", "[CONTEXT]", false),
    ("context ls", "", false),
    ("context rm", "CONTEXTS...", false),
    ("context show", "", false),
    ("context use", "CONTEXT", false),
    ("image build", "PATH", true),
    ("image commit", "CONTAINER [TAG]", false),
    ("image create", "METHOD [SOURCE]...", true),
    ("image history", "IMAGE", false),
    ("image inspect", "IMAGE", true),
    ("image load", "", false),
    ("image ls", "", false),
    ("image prune", "", false),
    ("image pull", "REFERENCE", false),
    ("image push", "IMAGE REFERENCE", false),
    ("image rm", "IMAGES...", true),
    ("image save", "IMAGE", false),
    ("image tag", "SOURCE_IMAGE NAMETAG", true),
    ("network connect", "NETWORK CONTAINER", true),
    ("network create", "NAME", true),
    ("network disconnect", "NETWORK CONTAINER", true),
    ("network inspect", "NETWORK", true),
    ("network ls", "", false),
    ("network prune", "", false),
    ("network rm", "NETWORKS...", true),
    ("system doctor", "", false),
    ("system repair", "", false),
    ("volume create", "VOLUME_NAME", true),
    ("volume inspect", "VOLUME", true),
    ("volume ls", "", false),
    ("volume prune", "", false),
    ("volume rm", "VOLUMES...", true),
    ("completion", "SHELL", false),
    ("man", "DIRECTORY", false),
];

/// Every shortcut and what it is short for.
const SHORTCUTS: &[(&str, &str)] = &[
    ("build", "image build"),
    ("commit", "image commit"),
    ("create", "container create"),
    ("exec", "container exec"),
    ("isc", "container inspect"),
    ("isi", "image inspect"),
    ("isn", "network inspect"),
    ("isv", "volume inspect"),
    ("lsc", "container ls"),
    ("lsi", "image ls"),
    ("lsn", "network ls"),
    ("lsv", "volume ls"),
    ("restart", "container restart"),
    ("rmc", "container rm"),
    ("rmi", "image rm"),
    ("rmn", "network rm"),
    ("rmv", "volume rm"),
    ("run", "container run"),
    ("start", "container start"),
    ("stop", "container stop"),
];

/// All commands and shortcuts with their arguments.
fn everything() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let shortcuts = SHORTCUTS.iter().map(|&(shortcut, source)| {
        let &(_, arguments, shows_help) = COMMANDS.iter().find(|(path, ..)| *path == source).unwrap();
        (shortcut, arguments, shows_help)
    });
    COMMANDS.iter().copied().chain(shortcuts)
}

/// The lines before the error itself.
fn usage(path: &str, arguments: &str) -> String {
    let usage = format!("Usage: klee {path} [OPTIONS] {arguments}");
    format!("{}\nTry 'klee {path} --help' for help.\n\n", usage.trim_end())
}

fn words<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    path.split(' ').chain(more.iter().copied()).collect()
}

#[test]
fn an_unknown_option_is_a_usage_error_of_every_command() {
    for (path, arguments, _) in everything() {
        let ending = run(&words(path, &["--zzz"]));
        assert_eq!(ending.code, Some(2), "{path}: {ending}");
        assert_eq!(ending.stdout, "", "{path}");
        assert_eq!(
            ending.stderr,
            format!("{}Error: No such option: --zzz\n", usage(path, arguments)),
            "{path}"
        );
    }
}

#[test]
fn commands_that_need_arguments_show_their_help_without_any() {
    for (path, arguments, _) in everything().filter(|(.., shows_help)| *shows_help) {
        let ending = run(&words(path, &[]));
        assert_eq!(ending.code, Some(0), "{path}");
        let first = arguments.split(' ').next().unwrap();
        assert_eq!(
            ending.stderr,
            format!("Error: Missing argument '{first}'.\n"),
            "{path}"
        );
        assert_eq!(ending.stdout, run(&words(path, &["--help"])).stdout, "{path}");
    }
}

#[test]
fn commands_that_0_1_1_did_not_have_need_their_arguments() {
    for (path, arguments, _) in everything().filter(|(_, arguments, shows_help)| {
        !shows_help && !arguments.is_empty() && !arguments.starts_with('[')
    }) {
        let ending = run(&words(path, &[]));
        assert_eq!((ending.code, ending.stdout.as_str()), (Some(2), ""), "{path}");
        let missing = match path {
            "context add" => "Missing option '--host'.".to_owned(),
            _ => format!("Missing argument '{}'.", arguments.split(' ').next().unwrap()),
        };
        assert_eq!(
            ending.stderr,
            format!("{}Error: {missing}\n", usage(path, arguments)),
            "{path}"
        );
    }
}

#[test]
fn a_missing_argument_is_a_usage_error_of_every_command_with_two() {
    for (path, arguments, missing) in [
        ("container rename", "CONTAINER NEW_NAME", "NEW_NAME"),
        ("image tag", "SOURCE_IMAGE NAMETAG", "NAMETAG"),
        ("network connect", "NETWORK CONTAINER", "CONTAINER"),
        ("network disconnect", "NETWORK CONTAINER", "CONTAINER"),
    ] {
        let ending = run(&words(path, &["one"]));
        assert_eq!(ending.code, Some(2), "{path}");
        assert_eq!(
            ending.stderr,
            format!("{}Error: Missing argument '{missing}'.\n", usage(path, arguments))
        );
    }
}

#[test]
fn a_missing_argument_is_a_usage_error_where_options_were_given() {
    for (path, options, arguments, missing) in [
        (
            "container rm",
            &["-f"] as &[&str],
            "CONTAINERS...",
            "CONTAINERS...",
        ),
        ("container start", &["-d"], "CONTAINERS...", "CONTAINERS..."),
        ("container create", &["-P"], "IMAGE [COMMAND]...", "IMAGE"),
        ("container run", &["-it"], "IMAGE [COMMAND]...", "IMAGE"),
        ("container exec", &["-d"], "CONTAINER [COMMAND]...", "CONTAINER"),
        (
            "container update",
            &["--name", "x"],
            "CONTAINER [COMMAND]...",
            "CONTAINER",
        ),
        ("image build", &["-q"], "PATH", "PATH"),
        ("image create", &["-a"], "METHOD [SOURCE]...", "METHOD"),
        ("network create", &["--internal"], "NAME", "NAME"),
    ] {
        let ending = run(&words(path, options));
        assert_eq!(ending.code, Some(2), "{path}");
        assert_eq!(
            ending.stderr,
            format!("{}Error: Missing argument '{missing}'.\n", usage(path, arguments))
        );
    }
}

#[test]
fn an_extra_argument_is_a_usage_error_of_every_command_that_takes_no_more() {
    for (path, arguments, _) in everything().filter(|(_, arguments, _)| !arguments.ends_with("...")) {
        let mut given = vec!["bash"; arguments.split_whitespace().count()];
        given.push("extra");
        let ending = run(&words(path, &given));
        assert_eq!(ending.code, Some(2), "{path}: {ending}");
        assert_eq!(
            ending.stderr,
            format!(
                "{}Error: Got unexpected extra argument (extra)\n",
                usage(path, arguments)
            )
        );
    }
}

#[test]
fn an_unknown_command_is_a_usage_error_of_every_group() {
    for group in ["container", "context", "image", "network", "system", "volume"] {
        let ending = run(&[group, "frob"]);
        assert_eq!(ending.code, Some(2));
        assert_eq!(
            ending.stderr,
            format!(
                "Usage: klee {group} [OPTIONS] COMMAND [ARGS]...\nTry 'klee {group} --help' for help.\n\n\
                 Error: No such command 'frob'.\n"
            )
        );
    }
}

#[test]
fn an_option_without_its_value_is_named_as_it_was_typed() {
    for (arguments, option) in [
        (&["create", "-e"] as &[&str], "-e"),
        (&["create", "--env"], "--env"),
        (&["run", "-ite"], "-e"),
        (&["network", "create", "-t"], "-t"),
        (&["build", "--build-arg"], "--build-arg"),
    ] {
        let ending = run(arguments);
        assert_eq!(ending.code, Some(2));
        let expected = format!("\nError: Option '{option}' requires an argument.\n");
        assert!(ending.stderr.ends_with(&expected), "{ending}");
    }
}

#[test]
fn groups_show_their_help_without_a_command() {
    for group in ["container", "context", "image", "network", "system", "volume"] {
        let ending = run(&[group]);
        assert_eq!((ending.code, ending.stderr.as_str()), (Some(0), ""));
        assert_eq!(ending.stdout, run(&[group, "--help"]).stdout);
        for (path, ..) in COMMANDS {
            if let Some(command) = path.strip_prefix(&format!("{group} ")) {
                assert!(
                    ending.stdout.contains(&format!("│ {command} ")),
                    "{path}: {ending}"
                );
            }
        }
    }
}

#[test]
fn there_is_no_short_option_for_help() {
    let ending = run(&["lsc", "-h"]);
    assert_eq!(ending.code, Some(2));
    assert!(ending.stderr.ends_with("Error: No such option: -h\n"), "{ending}");
}

#[test]
fn commands_are_listed_in_alphabetical_order() {
    let help = run(&["--theme", "simple", "container", "--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn the_simple_theme_lists_every_shortcut_with_what_it_does() {
    let help = run(&["--theme", "simple", "--help"]).stdout;
    assert!(help.is_ascii(), "{help}");
    let (_, shortcuts) = help.split_once("Shortcuts:\n").unwrap();
    for (shortcut, _) in SHORTCUTS {
        assert!(
            shortcuts
                .lines()
                .any(|line| line.starts_with(&format!("  {shortcut} "))),
            "{shortcut} in {help}"
        );
    }
}

#[test]
fn help_is_drawn_in_the_theme_of_the_environment() {
    let help = |theme: &str| {
        let output = klee(&["lsc", "--help"])
            .env("KLEE_THEME", theme)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(help("fancy").contains("╭─ Options ──"));
    assert!(help("simple").contains("\nOptions:\n"));
}

#[test]
fn the_help_of_every_command() {
    let mut text = String::new();
    for (path, ..) in COMMANDS {
        let ending = run(&words("--theme simple", &words(path, &["--help"])));
        assert_eq!((ending.code, ending.stderr.as_str()), (Some(0), ""), "{path}");
        assert!(ending.stdout.lines().all(|line| line.len() <= 80), "{ending}");
        text.push_str(&ending.stdout);
        text.push_str("----\n");
    }
    assert_snapshot!("help", text);
}

#[test]
fn panels_of_help_are_as_wide_as_the_terminal() {
    assert_snapshot!(run(&["rmv", "--help"]).stdout, @r"
    Usage: klee rmv [OPTIONS] VOLUMES...

      Remove volumes

    ╭─ Arguments ──────────────────────────────────────────────────────────────────╮
    │ VOLUMES...  Name of the volume                                               │
    ╰──────────────────────────────────────────────────────────────────────────────╯
    ╭─ Options ────────────────────────────────────────────────────────────────────╮
    │ --help  Show help and exit                                                   │
    ╰──────────────────────────────────────────────────────────────────────────────╯
    ");
}

/// What bash offers after these words.
fn completed(words: &[&str]) -> Vec<String> {
    let script = format!(
        "source <(\"$0\" completion bash); COMP_WORDS=({}); COMP_CWORD={}; _klee klee \"${{COMP_WORDS[COMP_CWORD]}}\"; echo \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1
    );
    let output = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_klee")])
        .output()
        .unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let offered = String::from_utf8(output.stdout).unwrap();
    offered.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_shortcuts_and_options() {
    assert_eq!(completed(&["klee", "container", "re"]), ["rename", "restart"]);
    assert_eq!(completed(&["klee", "rm"]), ["rmc", "rmi", "rmn", "rmv"]);
    assert_eq!(completed(&["klee", "run", "--pers"]), ["--persist"]);
}

#[test]
fn every_shell_gets_a_script() {
    for (shell, mark) in [
        ("bash", "complete -F _klee"),
        ("zsh", "#compdef klee"),
        ("fish", "complete -c klee"),
    ] {
        let ending = run(&["completion", shell]);
        assert_eq!((ending.code, ending.stderr.as_str()), (Some(0), ""));
        assert!(ending.stdout.contains(mark), "{shell}");
        assert!(ending.stdout.contains("jailparam"), "{shell}");
    }
    let ending = run(&["completion", "tcsh"]);
    assert_eq!(ending.code, Some(2));
    assert!(
        ending.stderr.ends_with("'tcsh' is not one of bash, fish, zsh.\n"),
        "{ending}"
    );
}

#[test]
fn every_command_has_a_man_page() {
    let directory = TempDir::new().unwrap();
    let pages = directory.path().join("man1");
    let ending = run(&["man", pages.to_str().unwrap()]);
    assert_eq!((ending.code, ending.stderr.as_str()), (Some(0), ""));
    for (path, ..) in COMMANDS {
        let page = pages.join(format!("klee-{}.1", path.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(text.contains(".SH OPTIONS"), "{page:?}");
    }
    let root = std::fs::read_to_string(pages.join("klee.1")).unwrap();
    assert!(root.contains("\\-\\-theme"), "{root}");
}

#[test]
fn man_pages_that_cannot_be_written_are_told_with_the_place() {
    let ending = run(&["man", "/dev/null/man1"]);
    assert_eq!(ending.code, Some(1));
    assert!(
        ending
            .stderr
            .starts_with("cannot write man pages to '/dev/null/man1': "),
        "{ending}"
    );
}
