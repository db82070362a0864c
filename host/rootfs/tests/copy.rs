//! Every rule of `COPY`, golden: a small context, an instruction, the files that come out.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use kleene_rootfs::{
    Error, Owner, Root, TreeReport,
    copy::{CopyOptions, Origin, Rules},
};
use tempfile::TempDir;

/// A context with these files, beside a directory that is not part of it, and a root with `/etc`, `/app` and `/lib -> usr/lib`.
struct Build {
    dir: TempDir,
    root: Root,
    options: CopyOptions,
    rules: Rules,
}

const CONTEXT: [&str; 9] = [
    ".env",
    "README.md",
    "a.txt",
    "b.txt",
    "src/.hidden/x",
    "src/lib.rs",
    "src/main.rs",
    "src/net/dns.rs",
    "web/index.html",
];

impl Build {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in CONTEXT {
            let path = dir.path().join("context").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/secret"), "secret").unwrap();
        for name in ["etc", "app", "usr/lib"] {
            fs::create_dir_all(dir.path().join("root").join(name)).unwrap();
        }
        symlink("usr/lib", dir.path().join("root/lib")).unwrap();
        let root = Root::open(dir.path().join("root")).unwrap();
        // Tests also run as ordinary users, who can only own files themselves.
        let options = CopyOptions {
            owner: Some(Owner {
                uid: rustix::process::getuid().as_raw(),
                gid: rustix::process::getgid().as_raw(),
            }),
            ..CopyOptions::default()
        };
        Self {
            dir,
            root,
            options,
            rules: Rules::Classic,
        }
    }

    fn in_workdir(mut self, workdir: &str) -> Self {
        self.options.workdir = PathBuf::from(workdir);
        self
    }

    fn context(&self) -> PathBuf {
        self.dir.path().join("context")
    }

    fn copy(&self, sources: &[&str], destination: &str) -> Result<TreeReport, Error> {
        let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
        let context = Root::open(self.context())?;
        Origin::context(&context, None)
            .select(&sources, self.rules)?
            .copy(&self.root, destination, &self.options)
    }

    /// All files and links in the root, sorted.
    fn files(&self) -> Vec<String> {
        fn collect(at: &Path, below: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    collect(&path, below, found);
                } else {
                    found.push(path.strip_prefix(below).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let mut found = Vec::new();
        collect(self.root.host_path(), self.root.host_path(), &mut found);
        found.retain(|path| path != "lib");
        found.sort();
        found
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.host_path().join(inside)
    }
}

/// What comes out of one instruction in a fresh root.
fn copied(sources: &[&str], destination: &str) -> Vec<String> {
    let build = Build::new();
    build.copy(sources, destination).unwrap();
    build.files()
}

#[test]
fn a_file_gets_the_name_of_the_destination() {
    assert_eq!(copied(&["a.txt"], "/etc/new/name"), ["etc/new/name"]);
}

#[test]
fn a_file_goes_into_an_existing_directory() {
    assert_eq!(copied(&["a.txt"], "/etc"), ["etc/a.txt"]);
}

#[test]
fn a_destination_with_a_slash_is_made() {
    assert_eq!(copied(&["a.txt"], "/new/dir/"), ["new/dir/a.txt"]);
}

#[test]
fn a_file_replaces_a_file() {
    let build = Build::new();
    fs::write(build.path("etc/motd"), "old").unwrap();
    build.copy(&["a.txt"], "/etc/motd").unwrap();
    assert_eq!(fs::read_to_string(build.path("etc/motd")).unwrap(), "a.txt");
}

#[test]
fn several_files_go_into_a_directory() {
    assert_eq!(copied(&["a.txt", "b.txt"], "/app"), ["app/a.txt", "app/b.txt"]);
    assert_eq!(copied(&["a.txt", "b.txt"], "/new/"), ["new/a.txt", "new/b.txt"]);
}

#[test]
fn several_files_need_a_directory() {
    let build = Build::new();
    let error = build.copy(&["*.txt"], "/etc/both").unwrap_err();
    assert_eq!(
        error.to_string(),
        "COPY of 2 sources needs a directory as destination, and /etc/both is none: end it with a slash"
    );
    assert_eq!(build.files(), [""; 0]);
}

#[test]
fn a_directory_becomes_the_new_name() {
    let expected = ["srv/web/index.html"];
    assert_eq!(copied(&["web"], "/srv/web"), expected);
    assert_eq!(copied(&["web/"], "/srv/web"), expected);
    assert_eq!(copied(&["web/."], "/srv/web"), expected);
}

#[test]
fn a_directory_goes_into_an_existing_one() {
    assert_eq!(copied(&["web"], "/app"), ["app/web/index.html"]);
    assert_eq!(copied(&["web"], "/new/"), ["new/web/index.html"]);
}

#[test]
fn the_content_of_a_directory_goes_into_an_existing_one() {
    assert_eq!(copied(&["web/"], "/app"), ["app/index.html"]);
    assert_eq!(copied(&["web/."], "/app/"), ["app/index.html"]);
}

#[test]
fn a_directory_is_copied_with_its_hidden_files() {
    let expected = [
        "app/src/.hidden/x",
        "app/src/lib.rs",
        "app/src/main.rs",
        "app/src/net/dns.rs",
    ];
    assert_eq!(copied(&["src"], "/app"), expected);
}

#[test]
fn the_whole_context_is_a_dot() {
    let expected: Vec<String> = CONTEXT.iter().map(|name| format!("app/{name}")).collect();
    for (source, destination) in [(".", "/app"), ("./", "/app/"), ("/", "/app"), (".", "app")] {
        assert_eq!(copied(&[source], destination), expected, "{source} {destination}");
    }
    let fresh: Vec<String> = CONTEXT.iter().map(|name| format!("fresh/{name}")).collect();
    assert_eq!(copied(&["."], "/fresh"), fresh);
}

#[test]
fn a_directory_is_merged_into_one_of_the_same_name() {
    let build = Build::new();
    fs::create_dir_all(build.path("app/web")).unwrap();
    fs::write(build.path("app/web/kept"), "").unwrap();
    build.copy(&["web"], "/app").unwrap();
    assert_eq!(build.files(), ["app/web/index.html", "app/web/kept"]);
}

#[test]
fn a_directory_is_merged_through_a_link_inside_the_root() {
    let build = Build::new();
    fs::create_dir(build.context().join("lib")).unwrap();
    fs::write(build.context().join("lib/libx.so"), "").unwrap();
    build.copy(&["lib"], "/").unwrap();
    assert!(build.path("lib").is_symlink());
    assert_eq!(build.files(), ["usr/lib/libx.so"]);
}

#[test]
fn a_directory_does_not_replace_a_file() {
    let build = Build::new();
    fs::write(build.path("app/web"), "").unwrap();
    assert!(matches!(
        build.copy(&["web"], "/app/"),
        Err(Error::NotADirectory { .. })
    ));
}

#[test]
fn a_file_does_not_replace_a_directory() {
    let build = Build::new();
    fs::create_dir(build.path("app/a.txt")).unwrap();
    assert!(matches!(
        build.copy(&["a.txt"], "/app/"),
        Err(Error::NotAFile { .. })
    ));
}

#[test]
fn a_relative_destination_is_below_the_working_directory() {
    for destination in ["conf/", "./conf/", "../app/conf/"] {
        let build = Build::new().in_workdir("/app");
        build.copy(&["a.txt"], destination).unwrap();
        assert_eq!(build.files(), ["app/conf/a.txt"], "{destination}");
    }
}

#[test]
fn a_dot_as_destination_is_the_working_directory() {
    let build = Build::new().in_workdir("/new/dir");
    build.copy(&["a.txt"], ".").unwrap();
    assert_eq!(build.files(), ["new/dir/a.txt"]);
}

#[test]
fn an_absolute_destination_is_absolute_whatever_the_working_directory() {
    let build = Build::new().in_workdir("/app");
    build.copy(&["a.txt"], "/etc/").unwrap();
    assert_eq!(build.files(), ["etc/a.txt"]);
}

#[test]
fn wildcards_do_not_match_hidden_files() {
    assert_eq!(
        copied(&["*"], "/app"),
        [
            "app/README.md",
            "app/a.txt",
            "app/b.txt",
            "app/src/.hidden/x",
            "app/src/lib.rs",
            "app/src/main.rs",
            "app/src/net/dns.rs",
            "app/web/index.html"
        ]
    );
    assert_eq!(copied(&[".e*"], "/app"), ["app/.env"]);
    assert!(matches!(
        Build::new().copy(&["?env"], "/app"),
        Err(Error::NoMatch { .. })
    ));
    assert!(matches!(
        Build::new().copy(&["[.]env"], "/app"),
        Err(Error::NoMatch { .. })
    ));
}

#[test]
fn each_kind_of_pattern_matches_what_it_says() {
    for (pattern, expected) in [
        ("?.txt", &["app/a.txt", "app/b.txt"][..]),
        ("[b-z].txt", &["app/b.txt"]),
        ("[!b].txt", &["app/a.txt"]),
        ("{b,a}.txt", &["app/a.txt", "app/b.txt"]),
        (
            "{README.md,src/{lib,main}.rs}",
            &["app/README.md", "app/lib.rs", "app/main.rs"],
        ),
        ("src/*.rs", &["app/lib.rs", "app/main.rs"]),
        ("s*/net/*", &["app/dns.rs"]),
        ("**/*.rs", &["app/dns.rs", "app/lib.rs", "app/main.rs"]),
        ("src/**/*.rs", &["app/dns.rs", "app/lib.rs", "app/main.rs"]),
        ("*/net/", &["app/dns.rs"]),
        ("/a.txt", &["app/a.txt"]),
        ("src/../a.txt", &["app/a.txt"]),
    ] {
        assert_eq!(copied(&[pattern], "/app"), expected, "{pattern}");
    }
}

#[test]
fn a_backslash_takes_a_wildcards_meaning() {
    let build = Build::new();
    fs::write(build.context().join("a*"), "").unwrap();
    build.copy(&["a\\*"], "/app").unwrap();
    assert_eq!(build.files(), ["app/a*"]);
}

#[test]
fn a_source_that_matches_nothing_is_named_and_nothing_is_written() {
    let build = Build::new();
    for source in ["missing", "*.zip", "a.txt/", "a.txt/x", "src/**/*.c"] {
        let error = build.copy(&["b.txt", source], "/new/").unwrap_err();
        assert!(
            matches!(&error, Error::NoMatch { source_pattern } if source_pattern == source),
            "{error}"
        );
    }
    assert!(!build.path("new").exists());
}

#[test]
fn a_broken_pattern_is_named() {
    for pattern in ["[a", "{a,b"] {
        let error = Build::new().copy(&[pattern], "/app").unwrap_err();
        assert!(matches!(error, Error::BadPattern { .. }), "{error}");
    }
}

#[test]
fn braces_cannot_explode() {
    let error = Build::new()
        .copy(&["{a,b}".repeat(30).as_str()], "/app")
        .unwrap_err();
    assert!(matches!(error, Error::BadPattern { .. }), "{error}");
}

#[test]
fn the_context_is_not_left_by_dot_dot() {
    let build = Build::new();
    for source in [
        "../outside/secret",
        "src/../../outside/secret",
        "../*/secret",
        "..",
    ] {
        assert!(
            matches!(build.copy(&[source], "/app"), Err(Error::Escapes { .. })),
            "{source}"
        );
    }
}

#[test]
fn the_context_is_not_left_by_links() {
    let build = Build::new();
    symlink("../outside", build.context().join("climbing")).unwrap();
    symlink(build.dir.path().join("outside"), build.context().join("absolute")).unwrap();
    for source in ["climbing/secret", "absolute/secret", "climbing/", "absolute/*"] {
        assert!(
            matches!(build.copy(&[source], "/app"), Err(Error::Escapes { .. })),
            "{source}"
        );
    }
}

#[test]
fn links_are_copied_as_links() {
    let build = Build::new();
    symlink("a.txt", build.context().join("link")).unwrap();
    symlink("/etc/passwd", build.context().join("src/away")).unwrap();
    build.copy(&["link", "src"], "/app/").unwrap();
    assert_eq!(fs::read_link(build.path("app/link")).unwrap(), Path::new("a.txt"));
    assert_eq!(
        fs::read_link(build.path("app/src/away")).unwrap(),
        Path::new("/etc/passwd")
    );
}

#[test]
fn links_in_the_root_do_not_lead_out_of_it() {
    let build = Build::new();
    symlink(build.dir.path().join("outside"), build.path("trap")).unwrap();
    symlink("../../../../outside/secret", build.path("etc/motd")).unwrap();
    build.copy(&["a.txt"], "/trap/").unwrap();
    build.copy(&["a.txt"], "/trap/secret").unwrap();
    build.copy(&["a.txt"], "/etc/motd").unwrap();
    assert_eq!(
        fs::read_to_string(build.dir.path().join("outside/secret")).unwrap(),
        "secret"
    );
    assert_eq!(fs::read_dir(build.dir.path().join("outside")).unwrap().count(), 1);
}

#[test]
fn the_destination_does_not_climb_out_of_the_root() {
    let build = Build::new().in_workdir("/app");
    assert!(matches!(
        build.copy(&["a.txt"], "../../outside/"),
        Err(Error::Escapes { .. })
    ));
}

#[test]
fn modes_are_kept_but_for_set_id_bits_of_files() {
    let build = Build::new();
    let set = |path: &str, mode| {
        fs::set_permissions(build.context().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("a.txt", 0o4755);
    set("b.txt", 0o640);
    set("web", 0o3775);
    build.copy(&["a.txt", "b.txt", "web"], "/app/").unwrap();
    let mode = |path: &str| fs::metadata(build.path(path)).unwrap().mode() & 0o7777;
    assert_eq!(
        (mode("app/a.txt"), mode("app/b.txt"), mode("app/web")),
        (0o755, 0o640, 0o3775)
    );
}

#[test]
fn everything_belongs_to_root_unless_told_otherwise() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let mut build = Build::new();
    std::os::unix::fs::chown(build.context().join("a.txt"), Some(1000), Some(1000)).unwrap();
    symlink("x", build.context().join("web/link")).unwrap();
    build.options = CopyOptions::default();
    build.copy(&["a.txt", "web"], "/app/").unwrap();
    build.options = CopyOptions {
        owner: Some(Owner { uid: 80, gid: 81 }),
        ..CopyOptions::default()
    };
    build.copy(&["web"], "/www").unwrap();
    let owner = |path: &str| {
        let metadata = fs::symlink_metadata(build.path(path)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    assert_eq!((owner("app/a.txt"), owner("app/web")), ((0, 0), (0, 0)));
    assert_eq!(
        (owner("www"), owner("www/index.html"), owner("www/link")),
        ((80, 81), (80, 81), (80, 81))
    );
}

#[test]
fn sockets_are_refused_by_name() {
    let build = Build::new();
    let _listener = std::os::unix::net::UnixListener::bind(build.context().join("web/s")).unwrap();
    let error = build.copy(&["web"], "/app").unwrap_err();
    assert_eq!(
        error.to_string(),
        "web/s is a socket and cannot be copied: remove it or leave it out"
    );
}

#[test]
fn a_copy_without_sources_is_an_error() {
    assert!(matches!(
        Build::new().copy(&[], "/app"),
        Err(Error::NoSource { .. })
    ));
}

#[test]
fn the_report_counts_what_was_copied() {
    let report = Build::new().copy(&["src", "a.txt"], "/app/").unwrap();
    assert_eq!(
        (report.files, report.directories, report.links_and_pipes),
        (5, 3, 0)
    );
}
