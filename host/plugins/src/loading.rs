//! Loading plugins: found, read, checked against what is there already, compiled, asked who they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kleene_plan::Capability;

use crate::bindings::types;
use crate::cache::Cache;
use crate::config::PluginsConfig;
use crate::error::PluginError;
use crate::guest::Host;
use crate::loaded::{AnyGuest, Loaded, name_of};
use crate::manifest::{Manifest, PluginKind};
use crate::sandbox;
use crate::ticker::Ticker;

/// All plugins of the directory, in the order of their file names.
///
/// # Errors
/// If a directory cannot be used, or the machine cannot run plugins at all.
pub(crate) fn load(config: &PluginsConfig) -> Result<Vec<Loaded>, PluginError> {
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
    Ok(loaded)
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
struct Opening<'a> {
    host: Arc<Host>,
    cache: Cache,
    config: &'a PluginsConfig,
    /// What is served already (with the kind before it), and plugin names, and by whom.
    taken: BTreeMap<(Option<PluginKind>, String), PathBuf>,
    /// Files of the cache that are in use.
    compiled: Vec<PathBuf>,
}

impl Opening<'_> {
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
