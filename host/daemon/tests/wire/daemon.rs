//! A daemon of its own for each test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kleene_daemon::address::ListenAddress;
use kleene_daemon::app::App;
use kleene_daemon::config::{Config, Listener};
use kleene_daemon::{listen, serve};
use kleene_engine::{Engine, EngineConfig};
use kleene_plugins::{Plugins, PluginsConfig};
use kleene_sim::Sim;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, Answer, Conversation, Place, Server};

/// Listens as long as it lives.
pub struct Daemon {
    directory: TempDir,
}

impl Daemon {
    /// A daemon with the first-party plugins, on an empty host.
    pub fn start() -> Self {
        Self::configured(Config::default())
    }

    /// As [`Daemon::start`], with this configuration.
    pub fn configured(config: Config) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let plugins = target.join("plugins");
        assert!(
            plugins.is_dir(),
            "{} is missing: run `cargo xtask plugins` first",
            plugins.display()
        );
        Self::with(&plugins, &target.join("plugin-cache"), Vec::new(), config)
    }

    /// A daemon which has no plugins: for what needs none.
    pub fn bare() -> Self {
        Self::bare_at(Vec::new())
    }

    /// One that listens at further places.
    pub fn bare_at(further: Vec<Listener>) -> Self {
        let empty = tempfile::tempdir().unwrap();
        let cache = empty.path().join("cache");
        Self::with(empty.path(), &cache, further, Config::default())
    }

    fn with(plugins: &Path, cache: &Path, further: Vec<Listener>, settings: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins = Plugins::open(PluginsConfig::new(plugins, cache)).unwrap();
        let config = EngineConfig {
            state_dir: directory.path().join("state"),
            run_dir: directory.path().join("run"),
            insecure_registries: Vec::new(),
            add_urls: false,
        };
        let engine = Engine::open(
            config,
            Arc::new(Sim::new_in(directory.path()).unwrap()),
            Arc::new(plugins),
        )
        .unwrap();
        let daemon = Self { directory };
        let mut listeners = vec![Listener::plain(ListenAddress::unix(daemon.socket()))];
        listeners.extend(further);
        let sockets = listen::open(&listeners).unwrap();
        let config = Arc::new(settings);
        tokio::spawn(async move { serve::serve(&App { engine, config }, sockets).await });
        daemon
    }

    /// The build contexts that it holds at this moment.
    pub fn uploads(&self) -> Vec<PathBuf> {
        let uploads = std::fs::read_dir(self.directory.path().join("state/uploads"));
        uploads.map_or_else(
            |_| Vec::new(),
            |uploads| uploads.map(|entry| entry.unwrap().path()).collect(),
        )
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("kleened.sock")
    }

    /// Its UNIX socket without TLS.
    pub fn server(&self) -> Server {
        Server {
            place: Place::Unix(self.socket()),
            tls: None,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        client::request(&self.server(), "GET", path, None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        client::request(&self.server(), "DELETE", path, None).await
    }

    /// Without a body.
    pub async fn post(&self, path: &str) -> Answer {
        client::request(&self.server(), "POST", path, None).await
    }

    /// With a JSON body.
    pub async fn send(&self, path: &str, body: Value) -> Answer {
        let body = ("application/json", body.to_string());
        client::request(&self.server(), "POST", path, Some(body)).await
    }

    /// With any method, media type and body.
    pub async fn request(&self, method: &str, path: &str, body: Option<(&str, &str)>) -> Answer {
        let body = body.map(|(media_type, text)| (media_type, text.to_owned()));
        client::request(&self.server(), method, path, body).await
    }

    /// Opens a WebSocket and says nothing.
    pub async fn open(&self, path: &str) -> Conversation {
        Conversation::open(&self.server(), path).await
    }

    /// Opens a WebSocket and sends the first frame.
    pub async fn converse(&self, path: &str, opening: Value) -> Conversation {
        self.converse_raw(path, &opening.to_string()).await
    }

    /// Opens a WebSocket and sends any text as the first frame.
    pub async fn converse_raw(&self, path: &str, opening: &str) -> Conversation {
        let mut conversation = self.open(path).await;
        conversation.say(opening).await;
        conversation
    }

    /// Makes an image and gives its id.
    pub async fn image(&self, tag: &str) -> String {
        let config = json!({"method": "host", "programs": ["/bin/true"], "tag": tag, "dns": false, "localtime": false});
        let (frames, close) = self.converse("/images/create", config).await.hear_out().await;
        assert_eq!(close.code, 1000, "{frames:?} {close:?}");
        close.reason["data"].as_str().unwrap().to_owned()
    }

    /// Makes a container and gives its id.
    pub async fn container(&self, name: &str, image: &str, cmd: &[&str]) -> String {
        let config = json!({"name": name, "image": image, "cmd": cmd, "network_driver": "host"});
        self.send("/containers/create", config).await.id(201)
    }

    /// Prepares an execution instance and gives its id.
    pub async fn exec(&self, container: &str, cmd: &[&str]) -> String {
        self.send("/exec/create", json!({"container_id": container, "cmd": cmd}))
            .await
            .id(201)
    }

    /// Starts a container with its own command, detached.
    pub async fn start_container(&self, container: &str) {
        let exec = self.exec(container, &[]).await;
        let opening = json!({"exec_id": exec, "attach": false, "start_container": true});
        let (frames, close) = self.converse("/exec/start", opening).await.hear_out().await;
        assert_eq!(close.code, 1001, "{frames:?} {close:?}");
    }
}
