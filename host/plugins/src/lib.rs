//! Plugins: finding them, loading them, asking them for plans, and not being harmed by them.
//!
//! The only crate that knows wasmtime. It speaks `kleene_plan` to the engine: facts in, checked [`Plan`]s out.
//! Nothing here touches the host. Calls block; a fresh store per call means that no plugin remembers anything, so
//! that the same facts always give the same plan.
//!
//! A plan that comes out of here is well formed (every name parsed), within the plugin's grant, and stays with what
//! was reserved for the request. Everything else a plugin can do (trap, loop, eat memory, flood the log) ends in a
//! [`PluginError`] that names the plugin and the call.
//!
//! [`Plan`]: kleene_plan::Plan

mod action;
mod bindings;
mod builder;
mod cache;
mod config;
mod convert;
mod dockerfile;
mod error;
mod guest;
mod health;
mod info;
mod loaded;
mod loading;
mod manifest;
mod network;
mod plugins;
mod policy;
mod sandbox;
mod scope;
mod section;
mod step;
mod ticker;
mod volume;

pub use action::{BuildAction, CopyAction, FetchAction, InlineFile, Process};
pub use builder::Builder;
pub use config::{EngineKind, Limits, PluginsConfig};
pub use dockerfile::{
    Argument, BuildState, Command, CopyFiles, Dialect, Healthcheck, HereDocument, Instruction,
    InstructionKind, Label, ParseError, Parsed, Variable,
};
pub use error::{PluginError, Refusal, RefusalCode};
pub use info::{PluginInfo, PluginState};
pub use manifest::{Manifest, ManifestError, OnFailure, PluginKind};
pub use network::NetworkDriver;
pub use plugins::Plugins;
pub use policy::Subject;
pub use step::BuildSteps;
pub use volume::VolumeDriver;
