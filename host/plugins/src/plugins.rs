//! All plugins of a daemon: found, checked, loaded, and looked up by what they serve.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kleene_plan::{Capability, Grant, Plan};
use wasmtime::Store;
use wasmtime::component::{Component, Instance};

use crate::bindings::build::BuildPluginIndices;
use crate::bindings::network::NetworkPluginIndices;
use crate::bindings::policy::PolicyPluginIndices;
use crate::bindings::step::StepPluginIndices;
use crate::bindings::types;
use crate::bindings::volume::VolumePluginIndices;
use crate::builder::Builder;
use crate::cache::Cache;
use crate::config::PluginsConfig;
use crate::error::PluginError;
use crate::guest::{Guest, Host};
use crate::manifest::{Manifest, OnFailure, PluginKind};
use crate::network::NetworkDriver;
use crate::policy::{Policy, Subject};
use crate::sandbox::{self, Call};
use crate::step::{BuildSteps, Step};
use crate::ticker::Ticker;
use crate::volume::VolumeDriver;

/// The instruction whose plugin reads whole Dockerfiles.
const BUILDER_SERVES: &str = "FROM";

/// All plugins. Cheap to share in an [`Arc`]; every method may be called from many threads at once.
pub struct Plugins {
    loaded: Vec<Loaded>,
}

/// What is known of a plugin.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// Its file.
    pub file: PathBuf,
    /// Its manifest; `None` where the file has none that can be read.
    pub manifest: Option<Manifest>,
    /// What it may plan.
    pub grant: Vec<Capability>,
    /// Whether it can be asked.
    pub state: PluginState,
}

/// Whether a plugin can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginState {
    /// Yes.
    Ready,
    /// Not for the moment: it failed too often. The text says how.
    Resting(String),
    /// No, and why.
    Broken(String),
}

struct Loaded {
    file: PathBuf,
    manifest: Option<Manifest>,
    grant: Vec<Capability>,
    guest: Result<AnyGuest, String>,
}

/// A plugin of any kind.
enum AnyGuest {
    Network(Arc<Guest<NetworkPluginIndices>>),
    Volume(Arc<Guest<VolumePluginIndices>>),
    Build(Arc<Guest<BuildPluginIndices>>),
    Step(Arc<Guest<StepPluginIndices>>),
    Policy(Arc<Guest<PolicyPluginIndices>>),
}

impl Plugins {
    /// Loads all plugins of a directory, in the order of their file names. A damaged one is reported by
    /// [`Plugins::list`] and in the log, and does not keep the others from working.
    ///
    /// # Errors
    /// If a directory cannot be used, the machine cannot run plugins at all, or the site's configuration of a plugin is
    /// wrong.
    pub fn open(config: PluginsConfig) -> Result<Self, PluginError> {
        let files = component_files(&config.directory)?;
        let engine = sandbox::engine(config.engine, &config.limits)?;
        let cache = Cache::open(&config.cache, &engine).map_err(|source| PluginError::Directory {
            path: config.cache.clone(),
            source,
        })?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| PluginError::Engine(error.to_string()))?;
        let host = Arc::new(Host {
            linker: sandbox::linker(&engine)?,
            engine,
            ticker,
            limits: config.limits,
        });
        let mut opening = Opening {
            host,
            cache,
            config,
            taken: BTreeMap::new(),
            compiled: Vec::new(),
        };
        let loaded = opening.load_all(files);
        opening.cache.forget_others(&opening.compiled);
        let plugins = Self { loaded };
        plugins.check_settings(&opening.config)?;
        Ok(plugins)
    }

    /// # Errors
    /// [`PluginError::Settings`] for what nobody reads, and for what its plugin cannot use.
    fn check_settings(&self, config: &PluginsConfig) -> Result<(), PluginError> {
        for name in config.settings.keys() {
            let wrong = |reason: String| PluginError::Settings {
                plugin: name.clone(),
                key: String::new(),
                reason,
            };
            let named = |plugin: &&Loaded| name_of(plugin.manifest.as_ref(), &plugin.file) == *name;
            match self.loaded.iter().find(named) {
                None => {
                    return Err(wrong(format!(
                        "there is no plugin of this name in {}; there are: {}",
                        config.directory.display(),
                        self.names().join(", ")
                    )));
                }
                Some(plugin) if !plugin.is(PluginKind::Policy) => {
                    return Err(wrong(
                        "this plugin has no configuration; remove the section".to_owned(),
                    ));
                }
                Some(_) => {}
            }
        }
        let policies = self.loaded.iter().filter_map(|plugin| match &plugin.guest {
            Ok(AnyGuest::Policy(guest)) => Some(Policy(Arc::clone(guest))),
            _ => None,
        });
        for policy in policies {
            match policy.check_settings() {
                Err(error @ PluginError::Settings { .. }) => return Err(error),
                // It has no opinion on its configuration, and will be told of when it is asked for a verdict.
                Err(error) => tracing::error!("{error}"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        self.loaded
            .iter()
            .map(|plugin| name_of(plugin.manifest.as_ref(), &plugin.file))
            .collect()
    }

    /// All plugins, usable or not.
    #[must_use]
    pub fn list(&self) -> Vec<PluginInfo> {
        self.loaded
            .iter()
            .map(|plugin| PluginInfo {
                file: plugin.file.clone(),
                manifest: plugin.manifest.clone(),
                grant: plugin.grant.clone(),
                state: plugin.state(),
            })
            .collect()
    }

    /// The plugin that plans networks of this kind.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub fn network_driver(&self, kind: &str) -> Result<NetworkDriver, PluginError> {
        match self.serving(PluginKind::Network, kind)? {
            Some(AnyGuest::Network(guest)) => Ok(NetworkDriver(Arc::clone(guest))),
            _ => Err(PluginError::UnknownNetwork {
                kind: kind.to_owned(),
                known: self.served(PluginKind::Network),
            }),
        }
    }

    /// The plugin that plans volumes of this driver.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub fn volume_driver(&self, name: &str) -> Result<VolumeDriver, PluginError> {
        match self.serving(PluginKind::Volume, name)? {
            Some(AnyGuest::Volume(guest)) => Ok(VolumeDriver(Arc::clone(guest))),
            _ => Err(PluginError::UnknownVolumeDriver {
                name: name.to_owned(),
                known: self.served(PluginKind::Volume),
            }),
        }
    }

    /// The plugin that reads Dockerfiles: the one that serves `FROM`.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub fn builder(&self) -> Result<Builder, PluginError> {
        match self.serving(PluginKind::Build, BUILDER_SERVES)? {
            Some(AnyGuest::Build(guest)) => Ok(Builder(Arc::clone(guest))),
            _ => Err(PluginError::NoBuilder),
        }
    }

    /// The build steps of the site, by their keywords.
    #[must_use]
    pub fn build_steps(&self) -> BuildSteps {
        let built_in: BTreeSet<_> = self
            .loaded
            .iter()
            .filter(|plugin| plugin.is(PluginKind::Build))
            .flat_map(Loaded::serves)
            .collect();
        let steps = || self.loaded.iter().filter(|plugin| plugin.is(PluginKind::Step));
        // Those that work come last, and so replace one that lost a conflict with them.
        let broken = steps().filter(|plugin| plugin.guest.is_err());
        let usable = steps().filter(|plugin| plugin.guest.is_ok());
        broken
            .chain(usable)
            .flat_map(|plugin| {
                let step = plugin.step();
                plugin.serves().map(move |keyword| (keyword, step.clone()))
            })
            .filter(|(keyword, _)| !built_in.contains(keyword))
            .filter_map(|(keyword, step)| Some((keyword.to_owned(), step?)))
            .collect()
    }

    /// Shows a plan to every policy of the site, one after the other in the order of their file names. Returns the
    /// plan with what they added.
    ///
    /// # Errors
    /// If one refuses or fails: a site's policy that cannot be asked has not agreed, unless its manifest says that it
    /// has then.
    pub fn review(&self, subject: Subject<'_>, plan: Plan) -> Result<Plan, PluginError> {
        self.loaded
            .iter()
            .filter(|plugin| plugin.is(PluginKind::Policy))
            .try_fold(plan, |plan, plugin| plugin.review(subject, plan))
    }

    fn serving(&self, kind: PluginKind, what: &str) -> Result<Option<&AnyGuest>, PluginError> {
        // A plugin that lost a conflict serves as well, by its manifest; the one that works comes first.
        let serves = |plugin: &&Loaded| plugin.is(kind) && plugin.serves().any(|served| served == what);
        let candidates = || self.loaded.iter().filter(serves);
        candidates()
            .find(|plugin| plugin.guest.is_ok())
            .or_else(|| candidates().next())
            .map(Loaded::usable)
            .transpose()
    }

    fn served(&self, kind: PluginKind) -> Vec<String> {
        let mut served: Vec<_> = self
            .loaded
            .iter()
            .filter(|plugin| plugin.is(kind) && plugin.guest.is_ok())
            .flat_map(Loaded::serves)
            .map(str::to_owned)
            .collect();
        served.sort_unstable();
        served
    }
}

impl Loaded {
    fn is(&self, kind: PluginKind) -> bool {
        self.manifest
            .as_ref()
            .is_some_and(|manifest| manifest.kind == kind)
    }

    fn serves(&self) -> impl Iterator<Item = &str> {
        self.manifest
            .iter()
            .flat_map(|manifest| manifest.serves.iter().map(|served| served.as_str()))
    }

    fn usable(&self) -> Result<&AnyGuest, PluginError> {
        self.guest.as_ref().map_err(|reason| PluginError::Broken {
            plugin: name_of(self.manifest.as_ref(), &self.file),
            reason: reason.clone(),
        })
    }

    /// As a build step, if it is one.
    fn step(&self) -> Option<Step> {
        match &self.guest {
            Ok(AnyGuest::Step(guest)) => Some(Step::Ready(Arc::clone(guest))),
            Ok(_) => None,
            Err(reason) => Some(Step::Broken {
                plugin: name_of(self.manifest.as_ref(), &self.file),
                reason: reason.clone(),
            }),
        }
    }

    /// The plan as this policy wants it.
    fn review(&self, subject: Subject<'_>, plan: Plan) -> Result<Plan, PluginError> {
        let proposed = plan.clone();
        let reviewed = self.usable().and_then(|guest| match guest {
            AnyGuest::Policy(guest) => Policy(Arc::clone(guest)).review(subject, proposed),
            _ => Ok(proposed),
        });
        match reviewed {
            Err(error) if !error.is_verdict() && self.fails_open() => {
                tracing::warn!("a plan is applied without the policy that cannot be asked: {error}");
                Ok(plan)
            }
            reviewed => reviewed,
        }
    }

    fn fails_open(&self) -> bool {
        let manifest = self.manifest.as_ref();
        manifest.is_some_and(|manifest| manifest.on_failure == Some(OnFailure::Allow))
    }

    fn state(&self) -> PluginState {
        match &self.guest {
            Err(reason) => PluginState::Broken(reason.clone()),
            Ok(guest) => match guest.check_health() {
                Ok(()) => PluginState::Ready,
                Err(resting) => PluginState::Resting(resting.to_string()),
            },
        }
    }
}

/// A plugin's name for messages: the manifest's, else the file's.
fn name_of(manifest: Option<&Manifest>, file: &Path) -> String {
    match manifest {
        Some(manifest) => manifest.name.to_string(),
        None => file.file_name().unwrap_or(file.as_os_str()).display().to_string(),
    }
}

/// The `*.wasm` files of a directory, sorted.
fn component_files(directory: &Path) -> Result<Vec<PathBuf>, PluginError> {
    let unusable = |source| PluginError::Directory {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// A component and its manifest, or why there is none.
type Read = Result<(Vec<u8>, Manifest), String>;

/// What is known while plugins are loaded.
struct Opening {
    host: Arc<Host>,
    cache: Cache,
    config: PluginsConfig,
    /// What is served already (with the kind before it), and plugin names, and by whom.
    taken: BTreeMap<(Option<PluginKind>, String), PathBuf>,
    /// Files of the cache that are in use.
    compiled: Vec<PathBuf>,
}

impl Opening {
    /// Loads builders before all others: no build step takes an instruction of theirs. The result is in the order of
    /// the files.
    fn load_all(&mut self, files: Vec<PathBuf>) -> Vec<Loaded> {
        let mut components: Vec<_> = files.into_iter().map(|file| (self.read(&file), file)).collect();
        let is_builder =
            |read: &Read| matches!(read, Ok((_, manifest)) if manifest.kind == PluginKind::Build);
        components.sort_by_key(|(read, _)| !is_builder(read));
        let mut loaded: Vec<_> = components
            .into_iter()
            .map(|(read, file)| self.load(file, read))
            .collect();
        loaded.sort_by(|a, b| a.file.cmp(&b.file));
        loaded
    }

    fn load(&mut self, file: PathBuf, read: Read) -> Loaded {
        let (manifest, grant, guest) = match read {
            Err(reason) => (None, Vec::new(), Err(reason)),
            Ok((bytes, manifest)) => {
                let grant = self.grant(&manifest);
                let guest = self.start(&file, &bytes, &manifest, &grant);
                (Some(manifest), grant, guest)
            }
        };
        let plugin = name_of(manifest.as_ref(), &file);
        match &guest {
            Ok(_) => tracing::info!(plugin, file = %file.display(), "plugin loaded"),
            Err(reason) => tracing::error!(plugin, file = %file.display(), "plugin cannot be used: {reason}"),
        }
        Loaded {
            file,
            manifest,
            grant,
            guest,
        }
    }

    fn read(&self, file: &Path) -> Read {
        let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
        let limit = self.config.limits.file;
        if size > limit {
            return Err(format!("it has {size} bytes, more than the {limit} it may"));
        }
        let bytes = fs::read(file).map_err(|error| error.to_string())?;
        let manifest = Manifest::of_component(&bytes).map_err(|error| error.to_string())?;
        Ok((bytes, manifest))
    }

    /// What the manifest asks for and the operator allows.
    fn grant(&self, manifest: &Manifest) -> Vec<Capability> {
        let allowed = self.config.allow.get(manifest.name.as_str());
        manifest
            .grant
            .iter()
            .copied()
            .filter(|capability| allowed.is_none_or(|allowed| allowed.contains(capability)))
            .collect()
    }

    fn start(
        &mut self,
        file: &Path,
        bytes: &[u8],
        manifest: &Manifest,
        grant: &[Capability],
    ) -> Result<AnyGuest, String> {
        self.claim(file, manifest)?;
        self.compiled.push(self.cache.file(bytes));
        let component = self
            .cache
            .load(&self.host.engine, bytes)
            .map_err(|error| format!("it does not compile: {error:#}"))?;
        let settings = self.config.settings.get(manifest.name.as_str());
        let told = (
            grant.iter().copied().collect(),
            settings.map(|settings| settings.to_string().into()),
        );
        let guest = AnyGuest::link(&self.host, manifest, &component, told).map_err(|error| {
            format!(
                "it is not a {} plugin of kleene:plugin@0.1.0: {error:#}",
                manifest.kind
            )
        })?;
        let described = guest.describe().map_err(|error| error.to_string())?;
        agrees(manifest, &described)?;
        Ok(guest)
    }

    /// Takes the plugin's name and what it serves, or says who has it.
    fn claim(&mut self, file: &Path, manifest: &Manifest) -> Result<(), String> {
        let name = (None, manifest.name.to_string());
        let served = manifest
            .serves
            .iter()
            .map(|served| (Some(namespace(manifest.kind)), served.to_string()));
        let claims: Vec<_> = std::iter::once(name).chain(served).collect();
        for claim in &claims {
            if let Some(holder) = self.taken.get(claim) {
                let what = if claim.0.is_some() {
                    "what it serves,"
                } else {
                    "its name,"
                };
                return Err(format!(
                    "{what} '{}', is taken by {}; remove one of the two",
                    claim.1,
                    holder.display()
                ));
            }
        }
        self.taken
            .extend(claims.into_iter().map(|claim| (claim, file.to_owned())));
        Ok(())
    }
}

/// Instructions are instructions, whoever serves them.
fn namespace(kind: PluginKind) -> PluginKind {
    match kind {
        PluginKind::Step => PluginKind::Build,
        kind => kind,
    }
}

/// # Errors
/// If a plugin's code says something else about it than its manifest.
fn agrees(manifest: &Manifest, described: &types::PluginInfo) -> Result<(), String> {
    let same = described.name == manifest.name.as_str()
        && described.version == manifest.version
        && described
            .serves
            .iter()
            .eq(manifest.serves.iter().map(|served| served.as_str()));
    if same {
        return Ok(());
    }
    Err(format!(
        "its manifest does not fit its code, which says it is '{}' {}, serving {}",
        described.name,
        described.version,
        described.serves.join(", ")
    ))
}

/// Asks a plugin who it is; the worlds have the same function in different types.
macro_rules! describe {
    ($guest:expr) => {
        $guest.call(
            "describe",
            |world, store: &mut Store<Call>, instance: &Instance| {
                world.load(&mut *store, instance)?.call_describe(store)
            },
        )
    };
}

impl AnyGuest {
    fn link(
        host: &Arc<Host>,
        manifest: &Manifest,
        component: &Component,
        told: (Grant, Option<Arc<str>>),
    ) -> wasmtime::Result<Self> {
        let (host, name) = (Arc::clone(host), manifest.name.to_string());
        Ok(match manifest.kind {
            PluginKind::Network => {
                Self::Network(Guest::link(host, name, component, told, NetworkPluginIndices::new)?.into())
            }
            PluginKind::Volume => {
                Self::Volume(Guest::link(host, name, component, told, VolumePluginIndices::new)?.into())
            }
            PluginKind::Build => {
                Self::Build(Guest::link(host, name, component, told, BuildPluginIndices::new)?.into())
            }
            PluginKind::Step => {
                Self::Step(Guest::link(host, name, component, told, StepPluginIndices::new)?.into())
            }
            PluginKind::Policy => {
                Self::Policy(Guest::link(host, name, component, told, PolicyPluginIndices::new)?.into())
            }
        })
    }

    fn describe(&self) -> Result<types::PluginInfo, PluginError> {
        match self {
            Self::Network(guest) => describe!(guest),
            Self::Volume(guest) => describe!(guest),
            Self::Build(guest) => describe!(guest),
            Self::Step(guest) => describe!(guest),
            Self::Policy(guest) => describe!(guest),
        }
    }

    fn check_health(&self) -> Result<(), PluginError> {
        match self {
            Self::Network(guest) => guest.check_health(),
            Self::Volume(guest) => guest.check_health(),
            Self::Build(guest) => guest.check_health(),
            Self::Step(guest) => guest.check_health(),
            Self::Policy(guest) => guest.check_health(),
        }
    }
}
