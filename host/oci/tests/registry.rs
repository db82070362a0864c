//! Pulling from registries that behave well and badly.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kleene_oci::{Credentials, Digest, OciError, Progress, Reference, Registry};
use kleene_rootfs::Root;
use kleene_rootfs::archive::Limits;
use support::{Layout, files};
use tempfile::TempDir;

/// What a registry does besides serving.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Wants a token, which it gives to `me` with the password `secret`, and to nobody else.
    Guarded,
    /// Each layer's first download breaks in the middle.
    Breaking,
    /// As before, and knows nothing of parts.
    Forgetful,
    /// Layers are not what their digests say.
    Forging,
    /// Layers are larger than the manifest says.
    Flooding,
    /// Layers never come.
    Silent,
    /// Has had enough.
    Tired,
}

/// A registry with the repository `team/app`, on a port of its own.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(manner: Manner, layout: &Layout, tags: &[(&str, Digest)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shelf = Arc::new(Shelf {
            manner,
            address: address.clone(),
            blobs: layout.0.clone().into_iter().collect(),
            tags: tags
                .iter()
                .map(|(tag, digest)| ((*tag).to_owned(), digest.clone()))
                .collect(),
            broken: Mutex::default(),
            requests: Arc::clone(&requests),
        });
        thread::spawn(move || {
            for connection in listener.incoming() {
                let shelf = Arc::clone(&shelf);
                thread::spawn(move || shelf.serve(connection.unwrap()));
            }
        });
        Self { address, requests }
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/team/app{rest}", self.address).parse().unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

struct Shelf {
    manner: Manner,
    address: String,
    blobs: Vec<(String, Vec<u8>)>,
    tags: Vec<(String, Digest)>,
    broken: Mutex<HashSet<String>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    fn serve(&self, mut connection: TcpStream) {
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
        let Some(Ok(request)) = lines.next() else { return };
        let headers: Vec<String> = lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .map(|line| line.to_lowercase())
            .collect();
        let header = |name: &str| {
            let prefix = format!("{name}: ");
            headers
                .iter()
                .find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
        };
        self.requests.lock().unwrap().push(request.clone());
        let path = request.split(' ').nth(1).unwrap_or_default();
        let authorization = header("authorization").unwrap_or_default();
        let (status, extra, body) = self.answer(path, &authorization, header("range"));
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n",
            body.len()
        );
        let _ = connection.write_all(head.as_bytes());
        let is_layer = path.contains("/blobs/") && body.len() > 2000;
        if is_layer && self.manner == Manner::Silent {
            thread::sleep(Duration::from_secs(60));
        }
        let breaks = matches!(self.manner, Manner::Breaking | Manner::Forgetful);
        let sent = match is_layer && breaks && self.broken.lock().unwrap().insert(path.to_owned()) {
            true => &body[..body.len() / 2],
            false => &body[..],
        };
        let _ = connection.write_all(sent);
    }

    fn answer(&self, path: &str, authorization: &str, range: Option<String>) -> (String, String, Vec<u8>) {
        let say = |status: &str, body: &str| (status.to_owned(), String::new(), body.as_bytes().to_vec());
        if self.manner == Manner::Tired {
            let error = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}"#;
            return say("429 Too Many Requests", error);
        }
        if path.starts_with("/token?") {
            // `me:secret` in base64, in lower case as all headers here.
            return match authorization {
                "basic bwu6c2vjcmv0" => say("200 OK", r#"{"token":"open"}"#),
                _ => say("401 Unauthorized", "{}"),
            };
        }
        if self.manner == Manner::Guarded && authorization != "bearer open" {
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"test\"\r\n",
                self.address
            );
            return ("401 Unauthorized".to_owned(), challenge, b"{}".to_vec());
        }
        if path == "/v2/" {
            return say("200 OK", "{}");
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let digest = match name.parse::<Digest>() {
            Ok(digest) => Some(digest),
            Err(_) => self
                .tags
                .iter()
                .find(|(tag, _)| tag == name)
                .map(|(_, digest)| digest.clone()),
        };
        let blob = digest.and_then(|digest| {
            let file = format!("blobs/sha256/{}", digest.hex());
            self.blobs
                .iter()
                .find(|(name, _)| *name == file)
                .map(|(_, blob)| blob.clone())
        });
        let Some(mut blob) = blob else {
            let error = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            return say("404 Not Found", error);
        };
        if path.contains("/blobs/") && blob.len() > 2000 {
            match self.manner {
                Manner::Forging => {
                    let middle = blob.len() / 2;
                    blob[middle] ^= 1;
                }
                Manner::Flooding => blob.extend_from_slice(&[0; 100]),
                _ => {}
            }
        }
        let from = range
            .filter(|_| self.manner != Manner::Forgetful)
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse::<usize>()
                    .ok()
            });
        match from {
            Some(from) => (
                "206 Partial Content".to_owned(),
                String::new(),
                blob[from..].to_vec(),
            ),
            None => ("200 OK".to_owned(), String::new(), blob),
        }
    }
}

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        fs::create_dir(room.path("root")).unwrap();
        fs::create_dir(room.path("scratch")).unwrap();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pull(
        &self,
        reference: Reference,
        who: Option<&str>,
        platform: &str,
    ) -> Result<Vec<Progress>, OciError> {
        self.pull_unless(reference, who, platform, &|| false)
    }

    fn pull_unless(
        &self,
        reference: Reference,
        who: Option<&str>,
        platform: &str,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Progress>, OciError> {
        let credentials = who.map(|password| Credentials {
            username: "me".to_owned(),
            password: password.to_owned(),
        });
        let registry = Registry::new(reference, credentials, &[])?;
        let limits = Limits::default();
        let mut image = registry.pull(&platform.parse()?, &self.path("scratch"), &limits, given_up)?;
        let mut told = Vec::new();
        let root = Root::open(self.path("root")).unwrap();
        image.unpack(&root, limits, given_up, &mut |progress| told.push(progress))?;
        Ok(told)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("root").join(name)).unwrap()
    }
}

/// Does not compress well, so that layers are larger than documents.
fn noise(seed: u32) -> String {
    let mut state = seed;
    (0..4000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'!' + (state >> 24) as u8 % 90)
        })
        .collect()
}

fn layers() -> Vec<Vec<u8>> {
    vec![
        files(&[("a", &noise(1)), ("gone", "x")]),
        files(&[("b", &noise(2)), (".wh.gone", "")]),
        files(&[("c", &noise(3))]),
    ]
}

/// A server of one image for `linux/amd64`, and the digest of its manifest.
fn server(manner: Manner) -> (Server, Digest) {
    let mut layout = Layout::default();
    let entry = layout.image("amd64", &layers());
    let digest: Digest = entry["digest"].as_str().unwrap().parse().unwrap();
    (Server::start(manner, &layout, &[("1", digest.clone())]), digest)
}

#[test]
fn an_image_is_pulled_by_tag_and_by_digest() {
    let (server, digest) = server(Manner::Honest);
    for rest in [":1".to_owned(), format!("@{digest}"), format!(":1@{digest}")] {
        let room = Room::new();
        let told = room.pull(server.reference(&rest), None, "linux/amd64").unwrap();
        assert_eq!((room.read("a"), room.read("c")), (noise(1), noise(3)));
        assert!(!room.path("root/gone").exists());
        let fetched = told
            .iter()
            .filter(|told| matches!(told, Progress::Fetched { .. }))
            .count();
        assert_eq!(fetched, 3);
        assert_eq!(fs::read_dir(room.path("scratch")).unwrap().count(), 0);
    }
}

#[test]
fn the_image_for_the_platform_is_pulled() {
    let mut layout = Layout::default();
    let entries = ["amd64", "arm64"].map(|arch| layout.image(arch, &[files(&[("arch", arch)])]));
    let index = serde_json::json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let (digest, _) = layout.blob(index.as_bytes());
    let server = Server::start(Manner::Honest, &layout, &[("1", digest)]);
    for arch in ["amd64", "arm64"] {
        let room = Room::new();
        room.pull(server.reference(":1"), None, &format!("linux/{arch}"))
            .unwrap();
        assert_eq!(room.read("arch"), arch);
    }
    let refused = Room::new()
        .pull(server.reference(":1"), None, "freebsd/amd64")
        .unwrap_err();
    let expected = "has no image for freebsd/amd64, but for linux/amd64, linux/arm64";
    assert!(refused.to_string().contains(expected), "{refused}");
}

#[test]
fn a_registry_that_wants_to_know_who_asks_is_told() {
    let (server, _) = server(Manner::Guarded);
    Room::new()
        .pull(server.reference(":1"), Some("secret"), "linux/amd64")
        .unwrap();
    let wrong = Room::new()
        .pull(server.reference(":1"), Some("guess"), "linux/amd64")
        .unwrap_err();
    assert!(
        wrong.to_string().contains("does not know this user and password"),
        "{wrong}"
    );
    let nobody = Room::new()
        .pull(server.reference(":1"), None, "linux/amd64")
        .unwrap_err();
    assert!(nobody.to_string().contains("user and password"), "{nobody}");
    assert!(!wrong.to_string().contains("guess"));
}

#[test]
fn a_download_that_breaks_goes_on_where_it_was() {
    for manner in [Manner::Breaking, Manner::Forgetful] {
        let (server, _) = server(manner);
        let room = Room::new();
        room.pull(server.reference(":1"), None, "linux/amd64").unwrap();
        assert_eq!(
            (room.read("a"), room.read("b"), room.read("c")),
            (noise(1), noise(2), noise(3))
        );
        let of_layers = server
            .requests()
            .iter()
            .filter(|request| request.contains("/blobs/"))
            .count();
        // Twice each, and once the configuration.
        assert_eq!(of_layers, 7);
    }
}

#[test]
fn what_is_not_what_it_should_be_is_refused() {
    for (manner, expected) in [
        (Manner::Forging, "is damaged: its digest is"),
        (Manner::Flooding, "is larger than the"),
        (
            Manner::Tired,
            "has had too many requests (pull rate limit); try again later",
        ),
    ] {
        let (server, _) = server(manner);
        let room = Room::new();
        let refused = room
            .pull(server.reference(":1"), None, "linux/amd64")
            .unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!(fs::read_dir(room.path("scratch")).unwrap().count(), 0);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let (server, _) = server(Manner::Honest);
    let absent = Room::new()
        .pull(server.reference(":2"), None, "linux/amd64")
        .unwrap_err();
    assert_eq!(
        absent.to_string(),
        format!(
            "{0}/team/app:2: {0} has no such image; check name and tag",
            server.address
        )
    );
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let reference = format!("{closed}/app").parse().unwrap();
    let refused = Room::new().pull(reference, None, "linux/amd64").unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("no connection to 127.0.0.1: Connection refused"),
        "{refused}"
    );
    let unknown = "registry.invalid/app".parse().unwrap();
    let refused = Room::new().pull(unknown, None, "linux/amd64").unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the name registry.invalid cannot be resolved"),
        "{refused}"
    );
}

#[test]
fn a_pull_that_nobody_waits_for_ends_soon() {
    let (server, _) = server(Manner::Silent);
    let room = Room::new();
    let began = Instant::now();
    let given_up = || began.elapsed() > Duration::from_millis(300);
    let pulled = room.pull_unless(server.reference(":1"), None, "linux/amd64", &given_up);
    assert!(matches!(pulled, Err(OciError::GivenUp)), "{pulled:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}
