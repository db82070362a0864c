//! The small languages of option values: mounts, published ports, build arguments, booleans, paths.
//!
//! Each is split here and no further; whether a path or an address makes sense is the daemon's to say.

mod ports;

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use kleene_api::{MountPointConfig, MountType};

use crate::failure::{Failure, MountError};

pub use ports::published_port;

/// Reads `SOURCE:DESTINATION[:rw|ro]`. A source that starts with `/` is a path of the host, any other a volume.
pub fn mount(text: &str) -> Result<MountPointConfig, MountError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, read_only) = match parts[..] {
        [source, destination] | [source, destination, "rw"] => (source, destination, false),
        [source, destination, "ro"] => (source, destination, true),
        [_, _, _] => return Err(MountError::UnknownAccess(text.to_owned())),
        [] | [_] => return Err(MountError::TooFewParts(text.to_owned())),
        _ => return Err(MountError::TooManyParts(text.to_owned())),
    };
    let kind = if source.starts_with('/') {
        MountType::Nullfs
    } else {
        MountType::Volume
    };
    Ok(MountPointConfig {
        destination: destination.to_owned(),
        read_only,
        source: source.to_owned(),
        kind,
    })
}

/// A word that is not among those that a field of a container's configuration can have; `kind` is the name
/// that 0.1.1 gives to the field's type.
pub fn invalid_container_value(word: &str, kind: &str, expected: &[&str]) -> Failure {
    Failure::BadValue(format!(
        "Error! Could not validate container configuration: '{word}' is not a valid {kind}\n\
         Possible values are: {}.",
        expected.join(", ")
    ))
}

/// Reads `VAR=value`, or `VAR` whose value `environment` knows.
pub fn build_argument(
    text: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(String, String), Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match environment(text) {
        Some(value) => Ok((text.to_owned(), value)),
        None => Err(Failure::BadValue(format!(
            "build argument '{text}' has no value: write '{text}=value', or set {text} in the environment"
        ))),
    }
}

/// Reads `KEY=VALUE`, or `KEY` with nothing noted about it.
pub fn label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// A subnet, which may be none. The daemon takes an address for a subnet of that address alone; nobody means that.
pub fn subnet(text: &str) -> Result<String, Failure> {
    let length = match text.parse() {
        Ok(IpAddr::V4(_)) => 24,
        Ok(IpAddr::V6(_)) => 64,
        Err(_) => return Ok(text.to_owned()),
    };
    Err(Failure::BadValue(format!(
        "subnet '{text}' has no prefix length: write how large it is, as in '{text}/{length}'"
    )))
}

/// The words that are a boolean on the command line.
pub fn boolean(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "t" | "yes" | "y" | "on" => Ok(true),
        "false" | "0" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(format!("'{word}' is not a valid boolean")),
    }
}

/// `path` made absolute against `directory` and freed of `.` and `..`, without a look at the file system,
/// because it names a path on the daemon's host.
pub fn absolute_path(path: &Path, directory: &Path) -> PathBuf {
    let mut absolute = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(other),
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_source_with_a_leading_slash_is_a_host_path() {
        let mount = mount("/a:/b").unwrap();
        assert_eq!(
            (mount.kind, mount.source.as_str(), mount.destination.as_str()),
            (MountType::Nullfs, "/a", "/b")
        );
        assert!(!mount.read_only);
    }

    #[test]
    fn a_source_without_a_leading_slash_is_a_volume() {
        let mount = mount("vol:/x:ro").unwrap();
        assert_eq!((mount.kind, mount.read_only), (MountType::Volume, true));
    }

    #[test]
    fn mounts_that_cannot_be_read_are_refused_in_the_contracts_words() {
        let message = |text| mount(text).unwrap_err().to_string();
        assert_eq!(
            message("a:b:ro:d"),
            "invalid mount format 'a:b:ro:d'. Max 3 elements seperated by ':'."
        );
        assert_eq!(
            message("a"),
            "invalid mount format 'a'. Must have at least 2 elements seperated by ':'."
        );
        assert_eq!(
            message("a:b:RO"),
            "invalid mount format 'a:b:RO'. Last element should be either 'ro' or 'rw'."
        );
        assert_eq!(Failure::from(mount("a").unwrap_err()).exit().0, 125);
    }

    #[test]
    fn a_build_argument_is_split_at_the_first_equals_sign() {
        assert_eq!(
            build_argument("A=b=c", |_| None).unwrap(),
            ("A".into(), "b=c".into())
        );
        assert_eq!(
            build_argument("A=", |_| None).unwrap(),
            ("A".into(), String::new())
        );
    }

    #[test]
    fn a_build_argument_without_a_value_takes_it_from_the_environment() {
        let environment = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        assert_eq!(
            build_argument("HOME", environment).unwrap(),
            ("HOME".into(), "/root".into())
        );
        assert!(
            build_argument("NONE", environment)
                .unwrap_err()
                .to_string()
                .contains("'NONE' has no value")
        );
    }

    #[test]
    fn booleans_have_many_words_in_any_case() {
        for word in ["true", "1", "T", "YES", "y", "On"] {
            assert_eq!(boolean(word), Ok(true), "{word}");
        }
        for word in ["False", "0", "f", "no", "N", "OFF"] {
            assert_eq!(boolean(word), Ok(false), "{word}");
        }
        assert!(boolean("net1").is_err());
    }

    #[test]
    fn paths_become_absolute_without_touching_the_file_system() {
        let absolute = |path| absolute_path(Path::new(path), Path::new("/home/me"));
        assert_eq!(absolute("."), Path::new("/home/me"));
        assert_eq!(absolute("../ctx/./a/"), Path::new("/home/ctx/a"));
        assert_eq!(absolute("/srv/x"), Path::new("/srv/x"));
    }

    fn written(mount: &MountPointConfig) -> String {
        let access = if mount.read_only { "ro" } else { "rw" };
        format!("{}:{}:{access}", mount.source, mount.destination)
    }

    proptest! {
        #[test]
        fn a_mount_means_the_same_when_it_is_written_again(text in "[/a-z]{0,4}(:[/a-z]{0,4}){0,3}(:r[ow])?") {
            if let Ok(read) = mount(&text) {
                prop_assert_eq!(&mount(&written(&read)), &Ok(read.clone()));
                let beginning = format!("{}:{}", read.source, read.destination);
                prop_assert!(text.starts_with(&beginning));
            } else {
                prop_assert!(text.split(':').count() != 2);
            }
        }

        #[test]
        fn a_build_argument_is_its_name_and_its_value(name in "[^=]{0,8}", value in ".{0,8}") {
            let read = build_argument(&format!("{name}={value}"), |_| None).map_err(|failure| failure.to_string());
            prop_assert_eq!(read, Ok((name, value)));
        }

        #[test]
        fn no_text_makes_a_value_panic(text in "\\PC{0,16}") {
            let _ = mount(&text);
            let _ = build_argument(&text, |_| None);
            let _ = boolean(&text);
            let path = absolute_path(Path::new(&text), Path::new("/home/me"));
            prop_assert!(path.is_absolute());
        }
    }
}
