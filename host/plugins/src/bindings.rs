//! The Rust side of `wit/kleene.wit`, generated. Nothing outside of this crate sees these types.

/// What the worlds share, bound once, so that a plan is a plan whoever gives it.
pub(crate) mod vocabulary {
    wasmtime::component::bindgen!({ path: "../../wit", world: "vocabulary" });
}

pub(crate) use vocabulary::kleene::plugin::{building, facts, firewall, log, planning, settings, types};

/// Network drivers.
pub(crate) mod network {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "network-plugin",
        with: { "kleene:plugin": super::vocabulary::kleene::plugin },
    });
}

/// Volume drivers.
pub(crate) mod volume {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "volume-plugin",
        with: { "kleene:plugin": super::vocabulary::kleene::plugin },
    });
}

/// Builders.
pub(crate) mod build {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "build-plugin",
        with: { "kleene:plugin": super::vocabulary::kleene::plugin },
    });
}

/// Build steps.
pub(crate) mod step {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "step-plugin",
        with: { "kleene:plugin": super::vocabulary::kleene::plugin },
    });
}

/// Policies.
pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "policy-plugin",
        with: { "kleene:plugin": super::vocabulary::kleene::plugin },
    });
}
