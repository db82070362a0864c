//! Who asks a registry: as the user says, or as `podman login` and `docker login` have noted.

use std::env;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kleene_api::RegistryCredentials;
use serde_json::Value;

use crate::failure::Failure;

/// What `docker login` calls Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// User and password for the registry of `reference`: `given` as `user:password`, or what is noted; or nobody.
///
/// # Errors
/// If `given` has no password, or a file that the environment names cannot be read.
pub(super) fn find(given: Option<&str>, reference: &str) -> Result<Option<RegistryCredentials>, Failure> {
    if let Some(given) = given {
        return match given.split_once(':') {
            Some((username, password)) if !username.is_empty() => Ok(Some(RegistryCredentials {
                password: password.to_owned(),
                username: username.to_owned(),
            })),
            _ => Err(Failure::BadValue("--creds must be USER:PASSWORD".to_owned())),
        };
    }
    let registry = registry_of(reference);
    for file in files(|name| env::var_os(name).map(PathBuf::from)) {
        // Nobody has to have logged in.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        if let Some(found) = noted(&text, registry, &file)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Files where credentials are noted, the first first.
fn files(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let home = variable("HOME");
    let below = |directory: Option<PathBuf>, path: &str| directory.map(|directory| directory.join(path));
    [
        variable("REGISTRY_AUTH_FILE"),
        below(variable("XDG_RUNTIME_DIR"), "containers/auth.json"),
        below(home.clone(), ".config/containers/auth.json"),
        below(variable("DOCKER_CONFIG"), "config.json"),
        below(home, ".docker/config.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The registry of a reference: what stands before the first slash, if it can be a host.
fn registry_of(reference: &str) -> &str {
    let plain = reference.strip_prefix("docker://").unwrap_or(reference);
    match plain.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

fn noted(text: &str, registry: &str, file: &Path) -> Result<Option<RegistryCredentials>, Failure> {
    let unreadable = |reason: &str| {
        Failure::BadConfig(format!(
            "{} cannot be read: {reason}. Log in again, or use --creds.",
            file.display()
        ))
    };
    let document: Value = serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
    let keys = match registry {
        "docker.io" => &[DOCKER_HUB, "docker.io", "index.docker.io"][..],
        other => &[other][..],
    };
    let with_scheme = format!("https://{registry}");
    let mut keys = keys.iter().copied().chain([with_scheme.as_str()]);
    let Some(auth) = keys.find_map(|key| document["auths"][key]["auth"].as_str()) else {
        return Ok(None);
    };
    if auth.is_empty() {
        // Kept by a credential helper, which klee does not ask.
        return Ok(None);
    }
    let decoded = BASE64_STANDARD
        .decode(auth.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| unreadable("what it notes is not base64"))?;
    let (username, password) = decoded
        .split_once(':')
        .ok_or_else(|| unreadable("what it notes is no user and password"))?;
    Ok(Some(RegistryCredentials {
        password: password.trim_end_matches('\0').to_owned(),
        username: username.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_reference_is_what_can_be_a_host() {
        for (reference, registry) in [
            ("alpine", "docker.io"),
            ("library/alpine:3", "docker.io"),
            ("ghcr.io/org/app", "ghcr.io"),
            ("localhost/app", "localhost"),
            ("docker://host:5000/app", "host:5000"),
        ] {
            assert_eq!(registry_of(reference), registry, "{reference}");
        }
    }

    #[test]
    fn what_was_noted_at_a_login_is_found() {
        let file = Path::new("auth.json");
        let text = r#"{"auths": {"host:5000": {"auth": "bWU6c2VjOnJldA=="},
            "https://index.docker.io/v1/": {"auth": "aHViOng="}, "kept.example": {}}}"#;
        let found = |registry: &str| noted(text, registry, file).unwrap();
        let me = found("host:5000").unwrap();
        assert_eq!((me.username.as_str(), me.password.as_str()), ("me", "sec:ret"));
        assert_eq!(found("docker.io").unwrap().username, "hub");
        assert_eq!(found("kept.example"), None);
        assert_eq!(found("other"), None);
        assert!(noted("{", "x", file).is_err());
        assert!(noted(r#"{"auths": {"x": {"auth": "%"}}}"#, "x", file).is_err());
    }

    #[test]
    fn what_is_given_counts_and_must_be_whole() {
        let given = find(Some("me:secret"), "host/x").unwrap().unwrap();
        assert_eq!(
            (given.username.as_str(), given.password.as_str()),
            ("me", "secret")
        );
        assert!(find(Some("me"), "host/x").is_err());
        assert!(find(Some(":secret"), "host/x").is_err());
    }
}
