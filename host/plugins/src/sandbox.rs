//! The engine that runs plugins and the walls around one call: memory, time, log lines.

use std::sync::Arc;

use tracing::{Level, event};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ResourceLimiter, Store};

use crate::bindings::{log, settings};
use crate::config::{EngineKind, Limits};
use crate::error::PluginError;
use crate::ticker::{AT_ONCE, TICK};

/// Entries of a table: a plugin's functions that are called indirectly. An interpreter has a few thousand.
const TABLE_ENTRIES: usize = 1 << 14;
/// Core modules and tables of a component.
const MODULES: u32 = 8;
/// Bytes of a memory or table that stay with the pool between calls.
const KEPT: usize = 64 << 10;
/// Bytes of one log line that are kept.
const LOG_LINE: usize = 1024;
/// Bytes of stack a plugin may use.
const STACK: usize = 512 << 10;

/// The engine for this machine.
///
/// # Errors
/// If the machine cannot run it.
pub(crate) fn engine(kind: EngineKind, limits: &Limits) -> Result<Engine, PluginError> {
    let failed = |error: wasmtime::Error| PluginError::Engine(format!("{error:#}"));
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK);
    // A plugin's memory is small and limited: the 4 GiB that wasmtime reserves otherwise would only cost page tables.
    config.memory_reservation(limits.memory as u64);
    config.memory_reservation_for_growth(0);
    config.memory_guard_size(64 << 10);
    config.allocation_strategy(pool(limits));
    if kind == EngineKind::Pulley {
        config.target(pulley_target()).map_err(failed)?;
    }
    Engine::new(&config).map_err(failed)
}

/// Room for [`AT_ONCE`] calls, reserved once: making and unmaking it would be the larger part of a call. What a call
/// used is given back to the system but for a few pages.
fn pool(limits: &Limits) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(AT_ONCE);
    // A component holds a few small modules besides its own, which adapt calls.
    pool.total_core_instances(AT_ONCE * MODULES);
    pool.total_memories(AT_ONCE);
    pool.total_tables(AT_ONCE * MODULES);
    pool.table_elements(TABLE_ENTRIES);
    pool.max_memory_size(limits.memory);
    pool.linear_memory_keep_resident(KEPT);
    pool.table_keep_resident(KEPT);
    InstanceAllocationStrategy::Pooling(pool)
}

fn pulley_target() -> &'static str {
    match (cfg!(target_pointer_width = "64"), cfg!(target_endian = "little")) {
        (true, true) => "pulley64",
        (true, false) => "pulley64be",
        (false, true) => "pulley32",
        (false, false) => "pulley32be",
    }
}

/// What a plugin may import: the log and its settings, and nothing else.
///
/// # Errors
/// If the interface cannot be linked; it cannot happen with the interface this crate was built with.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Call>, PluginError> {
    let mut linker = Linker::new(engine);
    let failed = |error: wasmtime::Error| PluginError::Engine(format!("{error:#}"));
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call).map_err(failed)?;
    settings::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call).map_err(failed)?;
    Ok(linker)
}

/// What the host keeps for one call.
pub(crate) struct Call {
    plugin: String,
    call: &'static str,
    memory_limit: usize,
    /// Whether memory was asked for above the limit.
    pub(crate) out_of_memory: bool,
    lines_left: usize,
    lines_dropped: usize,
    settings: Option<Arc<str>>,
}

impl Call {
    /// A fresh store for one call, with its clock set.
    pub(crate) fn store(
        engine: &Engine,
        plugin: &str,
        call: &'static str,
        limits: &Limits,
        settings: Option<Arc<str>>,
    ) -> Store<Self> {
        let mut store = Store::new(
            engine,
            Self {
                plugin: plugin.to_owned(),
                call,
                memory_limit: limits.memory,
                out_of_memory: false,
                lines_left: limits.log_lines,
                lines_dropped: 0,
                settings,
            },
        );
        store.limiter(|call| call);
        // What an answer makes the host allocate is limited as well: a list can name the same bytes again and again.
        store.set_hostcall_fuel(limits.memory);
        let ticks = limits.deadline.as_micros().div_ceil(TICK.as_micros());
        // One more, because the tick that is under way is not a whole one.
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1));
        store
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.lines_dropped > 0 {
            event!(
                Level::WARN,
                plugin = self.plugin,
                call = self.call,
                "{} further log lines were dropped",
                self.lines_dropped
            );
        }
    }
}

impl ResourceLimiter for Call {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.memory_limit;
        self.out_of_memory |= !granted;
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= TABLE_ENTRIES;
        self.out_of_memory |= !granted;
        Ok(granted)
    }
}

impl log::Host for Call {
    fn write(&mut self, level: log::Level, message: String) {
        if self.lines_left == 0 {
            self.lines_dropped += 1;
            return;
        }
        self.lines_left -= 1;
        let line = one_line(&message);
        let (plugin, call) = (&self.plugin, self.call);
        match level {
            log::Level::Debug => event!(Level::DEBUG, plugin, call, "{line}"),
            log::Level::Info => event!(Level::INFO, plugin, call, "{line}"),
            log::Level::Warn => event!(Level::WARN, plugin, call, "{line}"),
            log::Level::Error => event!(Level::ERROR, plugin, call, "{line}"),
        }
    }
}

impl settings::Host for Call {
    fn get(&mut self) -> Option<String> {
        self.settings.as_deref().map(str::to_owned)
    }
}

/// A message as one line of bounded length, so that a plugin cannot forge lines of the daemon's log.
fn one_line(message: &str) -> String {
    message
        .chars()
        .scan(0, |size, c| {
            *size += c.len_utf8();
            (*size <= LOG_LINE).then_some(if c.is_control() { ' ' } else { c })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_a_second_line() {
        assert_eq!(one_line("a\nERROR b\x1b[0m"), "a ERROR b [0m");
    }

    #[test]
    fn a_message_is_cut_at_a_character() {
        let line = one_line(&"ä".repeat(LOG_LINE));
        assert_eq!((line.len(), line.chars().count()), (LOG_LINE, LOG_LINE / 2));
    }
}
