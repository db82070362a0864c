//! All plugins of a daemon, looked up by what they serve.

use std::collections::BTreeSet;
use std::sync::Arc;

use kleene_plan::Plan;

use crate::builder::Builder;
use crate::config::PluginsConfig;
use crate::error::PluginError;
use crate::info::PluginInfo;
use crate::loaded::{AnyGuest, Loaded, name_of};
use crate::loading;
use crate::manifest::PluginKind;
use crate::network::NetworkDriver;
use crate::policy::{Policy, Subject};
use crate::step::BuildSteps;
use crate::volume::VolumeDriver;

/// The instruction whose plugin reads whole Dockerfiles.
const BUILDER_SERVES: &str = "FROM";

/// All plugins. Cheap to share in an [`Arc`]; every method may be called from many threads at once.
pub struct Plugins {
    loaded: Vec<Loaded>,
}

impl Plugins {
    /// Loads all plugins of a directory, in the order of their file names. A damaged one is reported by
    /// [`Plugins::list`] and in the log, and does not keep the others from working.
    ///
    /// # Errors
    /// If a directory cannot be used, the machine cannot run plugins at all, or the site's configuration of a plugin is
    /// wrong.
    pub fn open(config: PluginsConfig) -> Result<Self, PluginError> {
        let loaded = loading::load(&config)?;
        let plugins = Self { loaded };
        plugins.check_settings(&config)?;
        Ok(plugins)
    }

    /// # Errors
    /// [`PluginError::Unknown`] and [`PluginError::Settings`] for what nobody reads, and for what its plugin cannot use.
    fn check_settings(&self, config: &PluginsConfig) -> Result<(), PluginError> {
        let named = |name: &str| {
            let is_it = |plugin: &&Loaded| name_of(plugin.manifest.as_ref(), &plugin.file) == name;
            self.loaded.iter().find(is_it)
        };
        let sections = [
            ("allow", config.allow.keys().collect::<Vec<_>>()),
            ("config", config.settings.keys().collect()),
        ];
        for (section, names) in sections {
            if let Some(name) = names.into_iter().find(|name| named(name).is_none()) {
                return Err(PluginError::Unknown {
                    section,
                    name: name.clone(),
                    directory: config.directory.clone(),
                    known: self.names(),
                });
            }
        }
        for name in config.settings.keys() {
            if named(name).is_some_and(|plugin| !plugin.is(PluginKind::Policy)) {
                return Err(PluginError::Settings {
                    plugin: name.clone(),
                    key: String::new(),
                    reason: "this plugin has no configuration; remove the section".to_owned(),
                });
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

    /// As [`review`](Self::review), but what one policy refuses the others review nevertheless. Returns the plan with what
    /// they added, and the refusals.
    #[must_use]
    pub fn review_by_all(&self, subject: Subject<'_>, plan: Plan) -> (Plan, Vec<PluginError>) {
        let mut refusals = Vec::new();
        let policies = self.loaded.iter().filter(|plugin| plugin.is(PluginKind::Policy));
        let plan = policies.fold(plan, |plan, plugin| match plugin.review(subject, plan.clone()) {
            Ok(reviewed) => reviewed,
            Err(refusal) => {
                refusals.push(refusal);
                plan
            }
        });
        (plan, refusals)
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
