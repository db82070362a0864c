//! Unpacking archives: what honest ones become, and that hostile ones never reach a path outside the root.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    fs,
    io::Write,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

use kleene_rootfs::{
    Error,
    archive::{Limits, Unpacked, unpack},
};
use support::{Place, Tar};
use tar::{Builder, EntryType, Header};

fn refusal(result: Result<Unpacked, Error>) -> (String, String) {
    match result {
        Err(Error::EntryRefused { entry, reason }) => (entry, reason),
        other => panic!("expected a refused entry, got {other:?}"),
    }
}

fn hello() -> Vec<u8> {
    Tar::new()
        .dir("./", 0o755)
        .dir("./bin/", 0o755)
        .file("./bin/hello", b"hello\n")
        .bytes()
}

fn assert_unpacks_to_hello(bytes: &[u8]) {
    let place = Place::new();
    let unpacked = place.unpack(bytes).unwrap();
    assert_eq!(
        unpacked,
        Unpacked {
            entries: 3,
            bytes: 6,
            attributes_lost: 0
        }
    );
    assert_eq!(fs::read_to_string(place.path("bin/hello")).unwrap(), "hello\n");
}

fn xz(bytes: &[u8], block: Option<u64>) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(6);
    options.set_block_size(block.and_then(std::num::NonZeroU64::new));
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_plain_archive_is_recognised_by_its_content() {
    assert_unpacks_to_hello(&hello());
}

#[test]
fn a_gzip_archive_is_recognised_by_its_content() {
    assert_unpacks_to_hello(&gzip(&hello()));
}

#[test]
fn an_xz_archive_is_recognised_by_its_content() {
    assert_unpacks_to_hello(&xz(&hello(), None));
}

#[test]
fn an_xz_archive_may_have_many_blocks_and_streams() {
    let whole = hello();
    let (head, tail) = whole.split_at(700);
    let streams = [xz(head, Some(64 << 10)), xz(tail, Some(64 << 10))].concat();
    assert_unpacks_to_hello(&streams);
}

#[test]
fn a_zstd_archive_may_have_many_frames_and_skippable_ones() {
    let whole = hello();
    let (head, tail) = whole.split_at(700);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    assert_unpacks_to_hello(&[skippable.clone(), zstd(head), skippable, zstd(tail)].concat());
}

#[test]
fn what_is_no_archive_is_named() {
    for (content, found) in [
        (&b""[..], "empty"),
        (b"BZh91AY", "bzip2"),
        (b"<!DOCTYPE html>", "web page"),
        (b"PK\x03\x04", "zip"),
        (&[7; 1024], "no known format"),
    ] {
        let error = Place::new().unpack(content).unwrap_err();
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[test]
fn an_archive_without_entries_is_an_error() {
    let error = Place::new().unpack(&gzip(&Tar::new().bytes())).unwrap_err();
    assert!(error.to_string().contains("no entries"), "{error}");
}

#[test]
fn a_truncated_archive_is_damaged() {
    let content = vec![1; 100_000];
    let tar = Tar::new().file("big", &content).bytes();
    let packed = gzip(
        &Tar::new()
            .file(
                "noise",
                &(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>(),
            )
            .bytes(),
    );
    for cut in [
        &tar[..50_000],
        &packed[..packed.len() / 2],
        &packed[..packed.len() - 4],
    ] {
        let error = Place::new().unpack(cut).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[test]
fn the_global_header_of_git_archive_is_skipped() {
    let place = Place::new();
    let comment = b"52 comment=0123456789012345678901234567890123456789\n";
    let tar = Tar::new()
        .entry("pax_global_header", EntryType::XGlobalHeader, "", 0o666, comment)
        .file("README", b"text")
        .bytes();
    assert_eq!(place.unpack(&tar).unwrap().entries, 1);
    assert!(!place.path("pax_global_header").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn file_capabilities_are_kept() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    // cap_net_raw=ep, as ping has it (capabilities(7), revision 2).
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("SCHILY.xattr.security.capability", &value[..])])
        .unwrap();
    let tar = builder.into_inner().unwrap();
    let headers = &tar[..tar.len() - 1024];
    let place = Place::new();
    place
        .unpack(&[headers, &Tar::new().file("ping", b"").bytes()].concat())
        .unwrap();
    let mut found = [0; 20];
    rustix::fs::getxattr(place.path("ping"), "security.capability", &mut found[..]).unwrap();
    assert_eq!(found, value);
}

#[test]
fn modes_and_times_are_kept() {
    let place = Place::new();
    let tar = Tar::new()
        .dir("closed/", 0o500)
        .entry("closed/su", EntryType::Regular, "", 0o4755, b"x")
        .dir("tmp/", 0o1777)
        .bytes();
    place.unpack(&tar).unwrap();
    let mode = |path: &str| fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode("closed"), mode("closed/su"), mode("tmp")),
        (0o500, 0o4755, 0o1777)
    );
    assert_eq!(fs::metadata(place.path("closed")).unwrap().mtime(), 1_000_000_000);
    assert_eq!(
        fs::metadata(place.path("closed/su")).unwrap().mtime(),
        1_000_000_000
    );
}

#[test]
fn owners_are_kept_as_numbers() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_path("file").unwrap();
    header.set_mode(0o640);
    header.set_uid(4711);
    header.set_gid(815);
    header.set_size(0);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let place = Place::new();
    place.unpack(&builder.into_inner().unwrap()).unwrap();
    let metadata = fs::metadata(place.path("file")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4711, 815));
}

#[test]
fn links_inside_are_made_as_they_are() {
    let place = Place::new();
    let tar = Tar::new()
        .file("a/file", b"one")
        .hard_link("a/second", "a/file")
        .symlink("a/link", "/etc/passwd")
        .bytes();
    place.unpack(&tar).unwrap();
    assert_eq!(fs::metadata(place.path("a/file")).unwrap().nlink(), 2);
    assert_eq!(
        fs::read_link(place.path("a/link")).unwrap(),
        Path::new("/etc/passwd")
    );
}

#[test]
fn a_later_entry_replaces_an_earlier_one_and_not_what_it_pointed_to() {
    let place = Place::new();
    let target = format!("{}/secret", place.outside());
    let tar = Tar::new().symlink("x", &target).file("x", b"mine").bytes();
    place.unpack(&tar).unwrap();
    assert_eq!(fs::read_to_string(place.path("x")).unwrap(), "mine");
    place.assert_outside_untouched();
}

#[test]
fn entries_below_a_relative_link_inside_go_where_it_points() {
    let place = Place::new();
    place
        .unpack(
            &Tar::new()
                .dir("usr/bin/", 0o755)
                .symlink("bin", "usr/bin")
                .file("bin/sh", b"#")
                .bytes(),
        )
        .unwrap();
    assert_eq!(fs::read_to_string(place.path("usr/bin/sh")).unwrap(), "#");
}

#[test]
fn absolute_names_are_refused() {
    let place = Place::new();
    let (entry, reason) = refusal(place.unpack(&Tar::new().file("/etc/passwd", b"x").bytes()));
    assert_eq!(entry, "/etc/passwd");
    assert!(reason.contains("absolute"), "{reason}");
}

#[test]
fn names_with_dot_dot_are_refused() {
    let place = Place::new();
    for name in ["../outside/secret", "a/../../outside/secret", ".."] {
        let (entry, _) = refusal(place.unpack(&Tar::new().file(name, b"x").bytes()));
        assert_eq!(entry, name);
    }
    place.assert_outside_untouched();
}

#[test]
fn an_entry_through_an_absolute_link_is_refused() {
    let place = Place::new();
    let tar = Tar::new()
        .symlink("x", &place.outside())
        .file("x/secret", b"pwned")
        .bytes();
    assert!(matches!(place.unpack(&tar), Err(Error::Escapes { .. })));
    place.assert_outside_untouched();
}

#[test]
fn an_entry_through_a_climbing_link_is_refused() {
    let place = Place::new();
    let tar = Tar::new()
        .symlink("x", "../outside")
        .file("x/secret", b"pwned")
        .bytes();
    assert!(matches!(place.unpack(&tar), Err(Error::Escapes { .. })));
    let tar = Tar::new()
        .dir("d/", 0o755)
        .symlink("d/y", "..")
        .symlink("z", "d/y/../outside")
        .file("z/new", b"x")
        .bytes();
    assert!(matches!(place.unpack(&tar), Err(Error::Escapes { .. })));
    place.assert_outside_untouched();
}

#[test]
fn a_directory_entry_does_not_change_what_a_link_of_its_name_points_to() {
    let place = Place::new();
    let before = fs::metadata(place.outside()).unwrap().permissions().mode();
    place
        .unpack(
            &Tar::new()
                .symlink("d", &place.outside())
                .dir("d/", 0o700)
                .file("d/x", b"x")
                .bytes(),
        )
        .unwrap();
    assert_eq!(
        fs::metadata(place.outside()).unwrap().permissions().mode(),
        before
    );
    assert!(fs::symlink_metadata(place.path("d")).unwrap().is_dir());
    place.assert_outside_untouched();
}

#[test]
fn a_directory_that_becomes_a_link_later_gets_no_mode_through_it() {
    let place = Place::new();
    let before = fs::metadata(place.outside()).unwrap().permissions().mode();
    place
        .unpack(&Tar::new().dir("d/", 0o700).symlink("d", &place.outside()).bytes())
        .unwrap();
    assert_eq!(
        fs::metadata(place.outside()).unwrap().permissions().mode(),
        before
    );
}

#[test]
fn hard_links_to_outside_are_refused() {
    let place = Place::new();
    let secret = format!("{}/secret", place.outside());
    refusal(place.unpack(&Tar::new().hard_link("x", &secret).bytes()));
    refusal(place.unpack(&Tar::new().hard_link("x", "../outside/secret").bytes()));
    let through = Tar::new()
        .symlink("up", "..")
        .hard_link("x", "up/outside/secret")
        .bytes();
    assert!(matches!(place.unpack(&through), Err(Error::Escapes { .. })));
    assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
}

#[test]
fn a_hard_link_to_a_link_does_not_lead_through_it() {
    let place = Place::new();
    let secret = format!("{}/secret", place.outside());
    place
        .unpack(&Tar::new().symlink("s", &secret).hard_link("h", "s").bytes())
        .unwrap();
    assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
    assert!(fs::symlink_metadata(place.path("h")).unwrap().is_symlink());
}

#[test]
fn devices_are_refused_unless_allowed() {
    let place = Place::new();
    let tar = Tar::new()
        .entry("dev/null", EntryType::Char, "", 0o666, b"")
        .bytes();
    let mut header = Header::from_byte_slice(tar[..512].try_into().unwrap()).clone();
    header.set_device_major(1).unwrap();
    header.set_device_minor(3).unwrap();
    header.set_cksum();
    let tar = [header.as_bytes(), &tar[512..]].concat();
    let (entry, reason) = refusal(place.unpack(&tar));
    assert_eq!(entry, "dev/null");
    assert!(reason.contains("device"), "{reason}");
    if rustix::process::getuid().is_root() {
        place
            .unpack_within(
                &tar,
                &Limits {
                    devices: true,
                    ..Limits::default()
                },
            )
            .unwrap();
        assert!(
            fs::metadata(place.path("dev/null"))
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }
}

#[test]
fn more_entries_than_allowed_are_refused() {
    let place = Place::new();
    let tar = Tar::new().file("a", b"").file("b", b"").file("c", b"").bytes();
    let error = place
        .unpack_within(
            &tar,
            &Limits {
                entries: 2,
                ..Limits::default()
            },
        )
        .unwrap_err();
    assert!(error.to_string().contains("more than 2 entries"), "{error}");
}

#[test]
fn more_bytes_than_allowed_are_refused_before_they_are_written() {
    let place = Place::new();
    let tar = Tar::new().file("big", &vec![0; 1 << 20]).bytes();
    let error = place
        .unpack_within(
            &gzip(&tar),
            &Limits {
                bytes: 1 << 19,
                ..Limits::default()
            },
        )
        .unwrap_err();
    assert!(matches!(error, Error::LimitReached { .. }), "{error}");
    assert!(!place.path("big").exists());
}

#[test]
fn a_sparse_file_that_claims_more_than_allowed_is_refused() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("sparse").unwrap();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 40);
    gnu.sparse[0].offset = *b"000000000000";
    gnu.sparse[0]
        .offset
        .copy_from_slice(b"\x80\0\0\0\0\0\x01\0\0\0\0\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let place = Place::new();
    let error = place.unpack(&builder.into_inner().unwrap()).unwrap_err();
    assert!(matches!(error, Error::LimitReached { .. }), "{error}");
}

#[test]
fn a_bomb_is_recognised_by_its_ratio() {
    let place = Place::new();
    // 300 MiB of zeros in 0.3 MB: a thousand times.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path("bomb").unwrap();
    header.set_mode(0o644);
    header.set_uid(rustix::process::getuid().as_raw().into());
    header.set_gid(rustix::process::getgid().as_raw().into());
    header.set_size(300 << 20);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&zeros).unwrap();
    }
    let limits = Limits {
        ratio: 100,
        ..Limits::default()
    };
    let error = place
        .unpack_within(&encoder.finish().unwrap(), &limits)
        .unwrap_err();
    assert!(error.to_string().contains("100 times"), "{error}");
}

#[test]
fn a_name_of_megabytes_is_refused_before_it_is_held_in_memory() {
    let place = Place::new();
    let tar = Tar::new()
        .entry(
            "././@LongLink",
            EntryType::GNULongName,
            "",
            0o644,
            &vec![b'a'; 3 << 20],
        )
        .file("x", b"")
        .bytes();
    let error = place.unpack(&tar).unwrap_err();
    assert!(error.to_string().contains("headers"), "{error}");
}

#[test]
fn progress_counts_entries() {
    let place = Place::new();
    let mut seen = Vec::new();
    unpack(&hello()[..], &place.root, &Limits::default(), &mut |entries| {
        seen.push(entries)
    })
    .unwrap();
    assert_eq!(seen, [1, 2, 3]);
}
