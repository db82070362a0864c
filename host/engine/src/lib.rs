//! The use cases of Kleene: containers, images, networks, volumes and execution instances, and the transactions in
//! which they change the host. The engine knows nothing of HTTP; its callers are threads that may wait.
//!
//! Where to look: one folder per kind of object with one file per verb; [`transaction`] for how a change is made and
//! taken back, [`recovery`] for what happens when the daemon starts, [`process`] for what runs.

mod cancel;
mod container;
mod dry_run;
mod error;
mod exec;
mod image;
mod locks;
mod network;
mod parse;
mod planning;
mod process;
mod recovery;
mod repair;
mod review;
mod root;
mod transaction;
mod volume;
mod watch;
mod wire;

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

pub use cancel::Cancel;
pub use container::STOP_GRACE;
pub use error::{EngineError, Result};
pub use image::{BuildError, BuildEvent, BuildProblem, ImageArchive, UploadError, UploadedContext};
use kleene_platform::Platform;
use kleene_plugins::Plugins;
use kleene_store::Store;
pub use process::{ProcessEvent, Subscriber};

/// Where an engine keeps what is its own.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The directory of what lasts: the database `kleene.sqlite`, and `log/<container>.log`. `uploads` holds build contexts
    /// while they are built from.
    pub state_dir: PathBuf,
    /// The directory of what lasts as long as the host runs: the supervisors' files.
    pub run_dir: PathBuf,
    /// Registries (`host[:port]`) that are spoken to without TLS, besides those on this host.
    pub insecure_registries: Vec<String>,
    /// Whether builds may fetch files (`ADD` of a URL) from wherever this host gets them.
    pub add_urls: bool,
}

/// The use cases. Its clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What all clones of an engine share.
pub struct Shared {
    platform: Arc<dyn Platform>,
    plugins: Arc<Plugins>,
    store: Store,
    state_dir: PathBuf,
    run_dir: PathBuf,
    insecure_registries: Vec<String>,
    add_urls: bool,
    log_dir: PathBuf,
    uploads: PathBuf,
    execs: exec::Execs,
    locks: locks::Locks,
    pins: image::pins::Pins,
    /// Held while networks, endpoints and their addresses change: one at a time, as in 0.1.1.
    networks: Mutex<()>,
    /// Held to write while volumes come and go, to read while a container that mounts some starts.
    volumes: RwLock<()>,
}

impl Deref for Engine {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("platform", &self.platform)
            .field("run_dir", &self.run_dir)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the state, takes back or finishes what an earlier daemon left half done, makes the host what the state
    /// says, and follows the containers that run.
    ///
    /// # Errors
    /// If the state or the directories cannot be used. What cannot be repaired on the host is logged and recorded,
    /// and is no reason not to start.
    pub fn open(config: EngineConfig, platform: Arc<dyn Platform>, plugins: Arc<Plugins>) -> Result<Self> {
        let log_dir = config.state_dir.join("log");
        for directory in [&log_dir, &config.run_dir] {
            std::fs::create_dir_all(directory).map_err(|error| {
                EngineError::invalid(format!(
                    "could not create the directory {}: {error}",
                    directory.display()
                ))
            })?;
        }
        let uploads = config.state_dir.join("uploads");
        image::upload::remove_leftovers(&uploads);
        let engine = Self(Arc::new(Shared {
            platform,
            plugins,
            store: Store::open(config.state_dir.join("kleene.sqlite"))?,
            state_dir: config.state_dir,
            run_dir: config.run_dir,
            insecure_registries: config.insecure_registries,
            add_urls: config.add_urls,
            log_dir,
            uploads,
            execs: exec::Execs::default(),
            locks: locks::Locks::default(),
            pins: image::pins::Pins::default(),
            networks: Mutex::new(()),
            volumes: RwLock::new(()),
        }));
        engine.recover()?;
        engine.reconcile()?;
        engine.apply_todays_policies()?;
        engine.measure_unmeasured()?;
        Ok(engine)
    }
}
