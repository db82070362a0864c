//! What Docker's rules, `.dockerignore`, `ADD`, `--from`, `--chown` and `--chmod` make of a copy, and what its digest says.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::Path,
};

use kleene_rootfs::{
    Error, Owner, Root, TreeReport,
    archive::Limits,
    copy::{CopyOptions, InlineFile, Origin, Rules, Visible},
};
use tempfile::TempDir;

/// An origin with a few files, and a root with `/etc`, `/app` and accounts.
struct Build {
    dir: TempDir,
    origin: Root,
    root: Root,
}

impl Build {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.txt",
            ".env",
            "src/lib.rs",
            "src/.hidden",
            "src/net/dns.rs",
            "{a,b}",
        ] {
            let path = dir.path().join("origin").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        for name in ["etc", "app"] {
            fs::create_dir_all(dir.path().join("root").join(name)).unwrap();
        }
        let etc = dir.path().join("root/etc");
        fs::write(
            etc.join("passwd"),
            "root:x:0:0::/:/bin/sh\nwww:x:80:81::/:/bin/sh\nodd\n",
        )
        .unwrap();
        fs::write(etc.join("group"), "wheel:x:0:\nstaff:x:20:www\n").unwrap();
        Self {
            origin: Root::open(dir.path().join("origin")).unwrap(),
            root: Root::open(dir.path().join("root")).unwrap(),
            dir,
        }
    }

    fn copy_with(
        &self,
        sources: &[&str],
        destination: &str,
        options: &CopyOptions,
    ) -> Result<TreeReport, Error> {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        Origin::context(&self.origin, None)
            .select(&sources, Rules::Docker)?
            .copy(&self.root, destination, options)
    }

    fn copy(&self, sources: &[&str], destination: &str) -> Result<TreeReport, Error> {
        self.copy_with(sources, destination, &options())
    }

    fn digest(&self, sources: &[&str], rules: Rules) -> [u8; 32] {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let origin = Origin::context(&self.origin, None);
        origin.select(&sources, rules).unwrap().digest().unwrap()
    }

    /// All files and links below a directory of the root, sorted.
    fn files(&self, directory: &str) -> Vec<String> {
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
        let directory = self.root.host_path().join(directory);
        collect(&directory, &directory, &mut found);
        found.sort();
        found
    }

    fn path(&self, inside: &str) -> std::path::PathBuf {
        self.root.host_path().join(inside)
    }
}

/// Tests also run as ordinary users, who can only own files themselves.
fn options() -> CopyOptions {
    CopyOptions {
        owner: Some(Owner {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        }),
        ..CopyOptions::default()
    }
}

#[test]
fn a_directory_stands_for_its_content() {
    let build = Build::new();
    build.copy(&["src"], "/app").unwrap();
    assert_eq!(build.files("app"), [".hidden", "lib.rs", "net/dns.rs"]);
    build.copy(&["src"], "/new").unwrap();
    assert_eq!(build.files("new"), [".hidden", "lib.rs", "net/dns.rs"]);
}

#[test]
fn wildcards_match_hidden_files_and_braces_are_letters() {
    let build = Build::new();
    build.copy(&["*e*v"], "/app/").unwrap();
    build.copy(&["{a,b}"], "/app/").unwrap();
    assert_eq!(build.files("app"), [".env", "{a,b}"]);
}

#[test]
fn a_source_that_is_a_link_stands_for_what_it_points_to() {
    let build = Build::new();
    let origin = build.dir.path().join("origin");
    symlink("a.txt", origin.join("link")).unwrap();
    symlink("src", origin.join("to-src")).unwrap();
    symlink("nowhere", origin.join("src/dangling")).unwrap();
    build.copy(&["link"], "/app/").unwrap();
    assert!(build.path("app/link").is_file() && !build.path("app/link").is_symlink());
    build.copy(&["to-src"], "/from-link").unwrap();
    // Inside of what is copied, links stay links.
    assert_eq!(
        build.files("from-link"),
        [".hidden", "dangling", "lib.rs", "net/dns.rs"]
    );
    assert!(build.path("from-link/dangling").is_symlink());
}

#[test]
fn links_of_a_context_do_not_lead_out_and_those_of_an_image_are_its_own() {
    let build = Build::new();
    let outside = build.dir.path().join("root/etc");
    symlink(&outside, build.dir.path().join("origin/out")).unwrap();
    symlink("/a.txt", build.dir.path().join("origin/own")).unwrap();
    for source in ["out", "out/passwd", "own"] {
        assert!(
            matches!(build.copy(&[source], "/app/"), Err(Error::Escapes { .. })),
            "{source}"
        );
    }
    let copied = Origin::image(&build.origin)
        .select(&["own".to_owned()], Rules::Docker)
        .unwrap()
        .copy(&build.root, "/app/", &options());
    copied.unwrap();
    assert_eq!(fs::read_to_string(build.path("app/own")).unwrap(), "a.txt");
}

#[test]
fn what_is_hidden_is_neither_matched_nor_copied_nor_part_of_the_digest() {
    let build = Build::new();
    let filter = |path: &Path, _: bool| match path.to_str().unwrap() {
        "src" => Visible::Below,
        "src/net" | "a.txt" => Visible::No,
        "src/lib.rs" => Visible::Yes,
        path if path.starts_with("src/") => Visible::No,
        _ => Visible::Yes,
    };
    let origin = Origin::context(&build.origin, Some(&filter));
    let select = |source: &str| origin.select(&[source.to_owned()], Rules::Docker);
    assert!(matches!(select("a.txt"), Err(Error::NoMatch { .. })));
    assert!(matches!(select("src/net/dns.rs"), Err(Error::NoMatch { .. })));
    assert!(select("src/lib.rs").is_ok());
    let all = select(".").unwrap();
    all.copy(&build.root, "/app", &options()).unwrap();
    assert_eq!(build.files("app"), [".env", "src/lib.rs", "{a,b}"]);
    let before = all.digest().unwrap();
    fs::write(build.dir.path().join("origin/src/net/dns.rs"), "changed").unwrap();
    assert_eq!(all.digest().unwrap(), before);
    fs::write(build.dir.path().join("origin/src/lib.rs"), "changed").unwrap();
    assert_ne!(all.digest().unwrap(), before);
}

#[test]
fn modes_are_kept_whole() {
    let build = Build::new();
    let set = |path: &str, mode| {
        let path = build.dir.path().join("origin").join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set("src/lib.rs", 0o4755);
    set("src/net", 0o3775);
    set("a.txt", 0o6711);
    build.copy(&["src"], "/new").unwrap();
    build.copy(&["src", "a.txt"], "/app/").unwrap();
    let mode = |path: &str| fs::metadata(build.path(path)).unwrap().mode() & 0o7777;
    for directory in ["new", "app"] {
        assert_eq!(mode(&format!("{directory}/lib.rs")), 0o4755);
        assert_eq!(mode(&format!("{directory}/net")), 0o3775);
    }
    assert_eq!(mode("app/a.txt"), 0o6711);
}

#[test]
fn files_of_an_image_keep_their_owners_and_those_of_a_context_do_not() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let build = Build::new();
    let origin = build.dir.path().join("origin");
    symlink("lib.rs", origin.join("src/link")).unwrap();
    for path in ["src/net", "src/lib.rs", "src/link"] {
        lchown(origin.join(path), Some(80), Some(81)).unwrap();
    }
    fs::set_permissions(origin.join("src/lib.rs"), fs::Permissions::from_mode(0o6755)).unwrap();
    let sources = ["src".to_owned()];
    let copied = |origin: &Origin<'_>, destination: &str, owner: Option<Owner>| {
        let options = CopyOptions {
            owner,
            ..CopyOptions::default()
        };
        let selected = origin.select(&sources, Rules::Docker).unwrap();
        selected.copy(&build.root, destination, &options).unwrap();
        ["net", "net/dns.rs", "lib.rs", "link"].map(|name| {
            let metadata = fs::symlink_metadata(build.path(destination).join(name)).unwrap();
            (metadata.uid(), metadata.gid())
        })
    };
    let (image, context) = (Origin::image(&build.origin), Origin::context(&build.origin, None));
    assert_eq!(
        copied(&image, "image", None),
        [(80, 81), (0, 0), (80, 81), (80, 81)]
    );
    assert_eq!(copied(&context, "context", None), [(0, 0); 4]);
    assert_eq!(
        copied(&image, "given", Some(Owner { uid: 7, gid: 8 })),
        [(7, 8); 4]
    );
    for directory in ["image", "context", "given"] {
        let mode = fs::metadata(build.path(directory).join("lib.rs")).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o6755, "{directory}");
    }
    // Where owners are copied, they are part of what is copied.
    let digest = |origin: &Origin<'_>| origin.select(&sources, Rules::Docker).unwrap().digest().unwrap();
    let before = (digest(&image), digest(&context));
    lchown(origin.join("src/link"), Some(82), None).unwrap();
    assert_ne!(digest(&image), before.0);
    assert_eq!(digest(&context), before.1);
}

#[test]
fn modes_and_owners_can_be_given() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let build = Build::new();
    let owned = CopyOptions {
        owner: Some(build.root.owner("www:staff").unwrap()),
        mode: Some(0o4750),
        ..CopyOptions::default()
    };
    build.copy_with(&["src"], "/app/new", &owned).unwrap();
    for path in ["app/new/net", "app/new/net/dns.rs"] {
        let metadata = fs::metadata(build.path(path)).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777),
            (80, 20, 0o4750),
            "{path}"
        );
    }
}

#[test]
fn owners_are_names_of_the_image_or_numbers() {
    let build = Build::new();
    let owner = |text: &str| {
        build
            .root
            .owner(text)
            .map(|owner| (owner.uid, owner.gid))
            .map_err(|error| error.to_string())
    };
    for (text, expected) in [
        ("www", (80, 81)),
        ("80", (80, 81)),
        ("1234", (1234, 1234)),
        ("www:", (80, 81)),
        ("www:staff", (80, 20)),
        ("7:9", (7, 9)),
        (":staff", (0, 20)),
    ] {
        assert_eq!(owner(text), Ok(expected), "{text}");
    }
    let unknown = owner("nobody").unwrap_err();
    assert!(
        unknown.starts_with("the image has no user 'nobody' in /etc/passwd"),
        "{unknown}"
    );
    let unknown = owner("www:www").unwrap_err();
    assert!(
        unknown.starts_with("the image has no group 'www' in /etc/group"),
        "{unknown}"
    );
    assert!(owner("-1").is_err());
    let empty = tempfile::tempdir().unwrap();
    assert!(Root::open(empty.path()).unwrap().owner("www").is_err());
}

#[test]
fn files_of_the_dockerfile_are_written_beside_others() {
    let build = Build::new();
    let file = |name: &str| InlineFile {
        name: name.to_owned(),
        content: format!("content of {name}\n"),
    };
    let origin = Origin::context(&build.origin, None);
    let select = |sources: &[String]| origin.select(sources, Rules::Docker).unwrap();
    select(&["a.txt".to_owned()])
        .with_inline([file("one"), file("two")])
        .copy(&build.root, "/app/", &options())
        .unwrap();
    assert_eq!(build.files("app"), ["a.txt", "one", "two"]);
    select(&[])
        .with_inline([file("EOF")])
        .copy(&build.root, "/etc/motd", &options())
        .unwrap();
    assert_eq!(
        fs::read_to_string(build.path("etc/motd")).unwrap(),
        "content of EOF\n"
    );
    assert_eq!(
        fs::metadata(build.path("etc/motd")).unwrap().permissions().mode() & 0o777,
        0o644
    );
    let both = select(&["a.txt".to_owned()]).with_inline([file("one")]);
    assert!(matches!(
        both.copy(&build.root, "/etc/both", &options()),
        Err(Error::DestinationNotADirectory { .. })
    ));
}

fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        // Written as it is: the builder would refuse what leads upwards.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header.set_mtime(0);
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpacking() -> CopyOptions {
    CopyOptions {
        unpack: Some(Limits::default()),
        ..options()
    }
}

#[test]
fn archives_are_unpacked_by_their_content_and_everything_else_is_copied() {
    let build = Build::new();
    let origin = build.dir.path().join("origin");
    let archive = tar(&[("x/y", "1"), ("z", "2")]);
    fs::write(origin.join("plain"), &archive).unwrap();
    fs::write(origin.join("packed.bin"), gzip(&archive)).unwrap();
    fs::write(origin.join("text.tar"), "not an archive").unwrap();
    fs::write(origin.join("text.gz"), gzip(b"nor this")).unwrap();
    build.copy_with(&["plain"], "/opt/tree", &unpacking()).unwrap();
    assert_eq!(build.files("opt/tree"), ["x/y", "z"]);
    build
        .copy_with(&["packed.bin", "text.tar", "text.gz"], "/app/", &unpacking())
        .unwrap();
    assert_eq!(build.files("app"), ["text.gz", "text.tar", "x/y", "z"]);
    // COPY never unpacks.
    build.copy(&["plain"], "/app/").unwrap();
    assert!(build.path("app/plain").is_file());
}

#[test]
fn an_archive_writes_nothing_beside_its_destination() {
    let build = Build::new();
    let origin = build.dir.path().join("origin");
    fs::write(origin.join("up.tar"), tar(&[("../etc/evil", "1")])).unwrap();
    fs::write(origin.join("absolute.tar"), tar(&[("/etc/evil", "1")])).unwrap();
    for source in ["up.tar", "absolute.tar"] {
        let error = build.copy_with(&[source], "/app/", &unpacking()).unwrap_err();
        assert!(matches!(error, Error::EntryRefused { .. }), "{error}");
    }
    // Through a link that leads out of where it is unpacked, nothing either.
    symlink("../etc", build.path("app/link")).unwrap();
    fs::write(origin.join("link.tar"), tar(&[("link/evil", "1")])).unwrap();
    assert!(build.copy_with(&["link.tar"], "/app/", &unpacking()).is_err());
    assert_eq!(build.files("etc"), ["group", "passwd"]);
    let bomb = CopyOptions {
        unpack: Some(Limits {
            bytes: 1,
            ..Limits::default()
        }),
        ..options()
    };
    fs::write(origin.join("large.tar"), tar(&[("x", "12")])).unwrap();
    assert!(matches!(
        build.copy_with(&["large.tar"], "/app/", &bomb),
        Err(Error::LimitReached { .. })
    ));
}

#[test]
fn a_digest_changes_with_what_is_copied_and_with_nothing_else() {
    let build = Build::new();
    let origin = build.dir.path().join("origin");
    let digest = || build.digest(&["src", "a.txt"], Rules::Docker);
    let first = digest();
    // Another time, another inode: the same.
    fs::remove_file(origin.join("a.txt")).unwrap();
    fs::write(origin.join("a.txt"), "a.txt").unwrap();
    assert_eq!(digest(), first);
    let changes: [(&str, &dyn Fn()); 6] = [
        ("content", &|| fs::write(origin.join("a.txt"), "b.txt").unwrap()),
        ("mode", &|| {
            fs::set_permissions(origin.join("src/lib.rs"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("set-id", &|| {
            fs::set_permissions(origin.join("src/lib.rs"), fs::Permissions::from_mode(0o4755)).unwrap();
        }),
        ("name", &|| {
            fs::rename(origin.join("src/lib.rs"), origin.join("src/l.rs")).unwrap()
        }),
        ("directory", &|| fs::create_dir(origin.join("src/empty")).unwrap()),
        ("link", &|| symlink("x", origin.join("src/link")).unwrap()),
    ];
    let mut seen = vec![first];
    for (what, change) in changes {
        change();
        let now = digest();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    }
    fs::remove_file(origin.join("src/link")).unwrap();
    symlink("y", origin.join("src/link")).unwrap();
    assert!(!seen.contains(&digest()), "target of a link");
}

#[test]
fn where_files_lie_is_not_in_the_digest_but_what_they_become_is() {
    let build = Build::new();
    let origin = build.dir.path().join("origin");
    fs::create_dir(origin.join("other")).unwrap();
    for directory in ["src", "other"] {
        fs::write(origin.join(directory).join("same"), "same").unwrap();
    }
    let docker = |source: &str| build.digest(&[source], Rules::Docker);
    assert_eq!(docker("src/same"), docker("other/same"));
    assert_ne!(docker("src/same"), docker("src/lib.rs"));
    // As itself or as its content.
    assert_ne!(docker("src"), build.digest(&["src"], Rules::Classic));
}

#[test]
fn a_stamp_tells_that_something_was_changed() {
    let build = Build::new();
    let origin = Origin::context(&build.origin, None);
    let selection = origin.select(&["src".to_owned()], Rules::Docker).unwrap();
    let before = selection.stamp().unwrap();
    assert_eq!(selection.stamp().unwrap(), before);
    fs::write(build.dir.path().join("origin/src/lib.rs"), "longer than before").unwrap();
    assert_ne!(selection.stamp().unwrap(), before);
}
