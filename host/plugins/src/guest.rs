//! One loaded plugin, and one call to it: a fresh store, a clock, and what went wrong in words.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kleene_plan::{Capability, Denied, Grant, Plan, Scope};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store, Trap};

use crate::bindings::{planning, types};
use crate::config::Limits;
use crate::convert;
use crate::error::{PluginError, Refusal, RefusalCode};
use crate::health::Health;
use crate::sandbox::Call;
use crate::ticker::Ticker;

/// What all plugins share.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Call>,
    pub(crate) ticker: Ticker,
    pub(crate) limits: Limits,
}

/// A plugin that can be asked. `B` are the indices of its world's functions.
pub(crate) struct Guest<B> {
    host: Arc<Host>,
    name: String,
    instance: InstancePre<Call>,
    world: B,
    grant: Grant,
    settings: Option<Arc<str>>,
    health: Mutex<Health>,
}

impl<B> Guest<B> {
    /// Links a component; `world` finds the functions of its world. `settings` are JSON.
    ///
    /// # Errors
    /// If the component imports what the host does not offer, or does not export its world.
    pub(crate) fn link(
        host: Arc<Host>,
        name: String,
        component: &Component,
        (grant, settings): (Grant, Option<Arc<str>>),
        world: impl FnOnce(&InstancePre<Call>) -> wasmtime::Result<B>,
    ) -> wasmtime::Result<Self> {
        let instance = host.linker.instantiate_pre(component)?;
        let world = world(&instance)?;
        Ok(Self {
            host,
            name,
            instance,
            world,
            grant,
            settings,
            health: Mutex::default(),
        })
    }

    /// The plugin's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Why the plugin is not asked at the moment, if it is not.
    pub(crate) fn check_health(&self) -> Result<(), PluginError> {
        match self.health().resting(Instant::now()) {
            None => Ok(()),
            Some(resting) => Err(PluginError::Quarantined {
                plugin: self.name.clone(),
                failures: resting.failures,
                rest: resting.rest,
                last: resting.last,
            }),
        }
    }

    /// Asks the plugin: `ask` gets the world's functions, a store and an instance of its own.
    ///
    /// # Errors
    /// If the plugin rests or fails.
    pub(crate) fn call<T>(
        &self,
        call: &'static str,
        ask: impl FnOnce(&B, &mut Store<Call>, &wasmtime::component::Instance) -> wasmtime::Result<T>,
    ) -> Result<T, PluginError> {
        self.check_health()?;
        // Before the store and so dropped after it: the store's place in the pool is free when the next call begins,
        // and waiting for one's turn does not count towards the deadline.
        let _clock = self.host.ticker.run();
        let mut store = Call::store(
            &self.host.engine,
            &self.name,
            call,
            &self.host.limits,
            self.settings.clone(),
        );
        let answer = self
            .instance
            .instantiate(&mut store)
            .and_then(|instance| ask(&self.world, &mut store, &instance));
        let answer = answer.map_err(|error| self.explain(call, &error, store.data().out_of_memory));
        match &answer {
            Err(error) if error.is_failure() => {
                tracing::warn!(plugin = self.name, call, "{error}");
                self.health().failed(error.to_string(), Instant::now());
            }
            _ => self.health().succeeded(),
        }
        answer
    }

    /// Checks a plugin's plan: well formed, not too long, granted, within the request.
    ///
    /// # Errors
    /// If it is not, or the plugin refuses.
    pub(crate) fn accept(
        &self,
        call: &'static str,
        answer: Result<planning::Plan, types::PluginError>,
        scope: &Scope,
    ) -> Result<Plan, PluginError> {
        let plan = answer.map_err(|error| self.refused(error))?;
        self.check_length(call, convert::plan_length(&plan))?;
        let owner = scope.owner.as_ref();
        let plan = convert::plan_from_wit(plan, owner).map_err(|reason| self.invalid(call, reason))?;
        self.check_grant(call, &plan, scope)?;
        Ok(plan)
    }

    /// # Errors
    /// If an answer has more parts than it may.
    pub(crate) fn check_length(&self, call: &'static str, count: usize) -> Result<(), PluginError> {
        let limit = self.host.limits.operations;
        if count > limit {
            return Err(PluginError::TooMany {
                plugin: self.name.clone(),
                call,
                count,
                limit,
            });
        }
        Ok(())
    }

    /// # Errors
    /// If the plugin may not plan this.
    pub(crate) fn check_grant(
        &self,
        call: &'static str,
        plan: &Plan,
        scope: &Scope,
    ) -> Result<(), PluginError> {
        self.grant
            .check(plan, scope)
            .map_err(|denied| self.denied(call, denied))
    }

    /// # Errors
    /// If the plugin was not granted what it takes to do `step`.
    pub(crate) fn holds(&self, capability: Capability, step: &impl std::fmt::Display) -> Result<(), Denied> {
        self.grant.holds(&[capability], step)
    }

    /// The plugin asked for what it may not.
    pub(crate) fn denied(&self, call: &'static str, denied: Denied) -> PluginError {
        PluginError::Denied {
            plugin: self.name.clone(),
            call,
            denied,
        }
    }

    /// The plugin's own error, for the user.
    pub(crate) fn refused(&self, error: types::PluginError) -> PluginError {
        PluginError::Refused(Refusal {
            plugin: self.name.clone(),
            code: match error.code {
                types::ErrorCode::Invalid => RefusalCode::Invalid,
                types::ErrorCode::Conflict => RefusalCode::Conflict,
                types::ErrorCode::NotSupported => RefusalCode::NotSupported,
                types::ErrorCode::Internal => RefusalCode::Internal,
            },
            message: error.message,
            hint: error.hint,
        })
    }

    /// The answer is none.
    pub(crate) fn invalid(&self, call: &'static str, reason: impl Into<String>) -> PluginError {
        PluginError::Invalid {
            plugin: self.name.clone(),
            call,
            reason: reason.into(),
        }
    }

    fn explain(&self, call: &'static str, error: &wasmtime::Error, out_of_memory: bool) -> PluginError {
        let plugin = self.name.clone();
        if out_of_memory {
            let limit = self.host.limits.memory;
            return PluginError::Memory { plugin, call, limit };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => PluginError::Deadline {
                plugin,
                call,
                deadline: self.host.limits.deadline,
            },
            Some(trap) => PluginError::Trapped {
                plugin,
                call,
                reason: trap.to_string(),
            },
            None => PluginError::Trapped {
                plugin,
                call,
                reason: error.root_cause().to_string(),
            },
        }
    }

    /// What it guards is replaced as a whole: a panic elsewhere cannot have spoilt it.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
