//! Compiled plugins on disk, so that a daemon starts without compiling.
//!
//! The key is the content of the component and everything about the engine that compiled code depends on. A cache
//! that cannot be read or written costs time and is reported; it never stops a plugin.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The directory with compiled code.
pub(crate) struct Cache {
    directory: PathBuf,
    engine: String,
}

impl Cache {
    /// The cache in `directory`, which is made if missing and closed to other users: what lies in it is run.
    ///
    /// # Errors
    /// If the directory cannot be made or closed.
    pub(crate) fn open(directory: &Path, engine: &Engine) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            directory: directory.to_owned(),
            engine: format!("{:016x}", hasher.finish()),
        })
    }

    /// The file which the compiled form of `component` has or gets.
    pub(crate) fn file(&self, component: &[u8]) -> PathBuf {
        let digest = Sha256::digest(component);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(format!("{digest}-{}.cwasm", self.engine))
    }

    /// Compiled code, from the cache or else by compiling, and then kept.
    ///
    /// # Errors
    /// If the component does not compile.
    pub(crate) fn load(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
        let file = self.file(component);
        if file.exists() {
            // SAFETY: the file was written by `keep` from wasmtime's own output: the directory belongs to the daemon
            // and is closed to others (`open`). Wasmtime itself refuses files of another version or configuration.
            #[allow(unsafe_code, reason = "loading compiled code is why there is a cache")]
            let loaded = unsafe { Component::deserialize_file(engine, &file) };
            match loaded {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(file = %file.display(), "compiled plugin is compiled again: {error:#}")
                }
            }
        }
        let compiled = Component::from_binary(engine, component)?;
        if let Err(error) = compiled
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| keep(&file, &code))
        {
            tracing::warn!(file = %file.display(), "compiled plugin is not kept: {error:#}");
        }
        Ok(compiled)
    }

    /// Removes compiled code other than `used`: of plugins and engines that are gone.
    pub(crate) fn forget_others(&self, used: &[PathBuf]) {
        let removed = fs::read_dir(&self.directory).and_then(|entries| {
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "cwasm") && !used.contains(&path) {
                    fs::remove_file(&path)?;
                }
            }
            Ok(())
        });
        if let Err(error) = removed {
            tracing::warn!(directory = %self.directory.display(), "old compiled plugins stay: {error}");
        }
    }
}

/// Writes a file as a whole or not at all: another daemon may be reading it.
fn keep(file: &Path, code: &[u8]) -> io::Result<()> {
    let partial = file.with_extension(format!("partial-{}", std::process::id()));
    fs::write(&partial, code)?;
    fs::rename(&partial, file)
}
