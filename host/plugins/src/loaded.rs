//! One plugin of the directory, usable or not, whose kind is known only at run time.

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
use crate::error::PluginError;
use crate::guest::{Guest, Host};
use crate::info::PluginState;
use crate::manifest::{Manifest, OnFailure, PluginKind};
use crate::policy::{Policy, Subject};
use crate::sandbox::Call;
use crate::step::Step;

/// A file of the plugin directory.
pub(crate) struct Loaded {
    pub(crate) file: PathBuf,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) grant: Vec<Capability>,
    pub(crate) guest: Result<AnyGuest, String>,
}

/// A plugin of any kind.
pub(crate) enum AnyGuest {
    Network(Arc<Guest<NetworkPluginIndices>>),
    Volume(Arc<Guest<VolumePluginIndices>>),
    Build(Arc<Guest<BuildPluginIndices>>),
    Step(Arc<Guest<StepPluginIndices>>),
    Policy(Arc<Guest<PolicyPluginIndices>>),
}

impl Loaded {
    pub(crate) fn is(&self, kind: PluginKind) -> bool {
        self.manifest
            .as_ref()
            .is_some_and(|manifest| manifest.kind == kind)
    }

    pub(crate) fn serves(&self) -> impl Iterator<Item = &str> {
        self.manifest
            .iter()
            .flat_map(|manifest| manifest.serves.iter().map(|served| served.as_str()))
    }

    pub(crate) fn usable(&self) -> Result<&AnyGuest, PluginError> {
        self.guest.as_ref().map_err(|reason| PluginError::Broken {
            plugin: name_of(self.manifest.as_ref(), &self.file),
            reason: reason.clone(),
        })
    }

    /// As a build step, if it is one.
    pub(crate) fn step(&self) -> Option<Step> {
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
    pub(crate) fn review(&self, subject: Subject<'_>, plan: Plan) -> Result<Plan, PluginError> {
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

    pub(crate) fn fails_open(&self) -> bool {
        let manifest = self.manifest.as_ref();
        manifest.is_some_and(|manifest| manifest.on_failure == Some(OnFailure::Allow))
    }

    pub(crate) fn state(&self) -> PluginState {
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
pub(crate) fn name_of(manifest: Option<&Manifest>, file: &Path) -> String {
    match manifest {
        Some(manifest) => manifest.name.to_string(),
        None => file.file_name().unwrap_or(file.as_os_str()).display().to_string(),
    }
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
    pub(crate) fn link(
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

    pub(crate) fn describe(&self) -> Result<types::PluginInfo, PluginError> {
        match self {
            Self::Network(guest) => describe!(guest),
            Self::Volume(guest) => describe!(guest),
            Self::Build(guest) => describe!(guest),
            Self::Step(guest) => describe!(guest),
            Self::Policy(guest) => describe!(guest),
        }
    }

    pub(crate) fn check_health(&self) -> Result<(), PluginError> {
        match self {
            Self::Network(guest) => guest.check_health(),
            Self::Volume(guest) => guest.check_health(),
            Self::Build(guest) => guest.check_health(),
            Self::Step(guest) => guest.check_health(),
            Self::Policy(guest) => guest.check_health(),
        }
    }
}
