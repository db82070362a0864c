//! The guest's side of `wit/kleene.wit`, generated. Plugins use it through the modules of the crate's root.

#![allow(missing_docs, reason = "generated: the documentation is in wit/kleene.wit")]

/// What the worlds share, bound once, so that a plan is a plan in each of them.
pub mod vocabulary {
    wit_bindgen::generate!({
        path: "../wit",
        world: "vocabulary",
        generate_all,
        additional_derives: [PartialEq, Eq],
    });
}

/// Binds a world whose shared types are [`vocabulary`]'s. `$export` becomes the macro that exports a type.
macro_rules! world {
    ($(#[$doc:meta])* $module:ident, $world:literal, $export:literal, $path:literal, with $with:tt) => {
        $(#[$doc])*
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                world: $world,
                with: $with,
                additional_derives: [PartialEq, Eq],
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $path,
            });
        }
    };
}

world!(
    /// Network drivers.
    network, "network-plugin", "export_network_world", "kleene_sdk::bindings::network", with {
        "kleene:plugin/types@0.1.0": super::vocabulary::kleene::plugin::types,
        "kleene:plugin/firewall@0.1.0": super::vocabulary::kleene::plugin::firewall,
        "kleene:plugin/planning@0.1.0": super::vocabulary::kleene::plugin::planning,
        "kleene:plugin/facts@0.1.0": super::vocabulary::kleene::plugin::facts,
        "kleene:plugin/log@0.1.0": super::vocabulary::kleene::plugin::log,
    }
);

world!(
    /// Volume drivers.
    volume, "volume-plugin", "export_volume_world", "kleene_sdk::bindings::volume", with {
        "kleene:plugin/types@0.1.0": super::vocabulary::kleene::plugin::types,
        "kleene:plugin/firewall@0.1.0": super::vocabulary::kleene::plugin::firewall,
        "kleene:plugin/planning@0.1.0": super::vocabulary::kleene::plugin::planning,
        "kleene:plugin/facts@0.1.0": super::vocabulary::kleene::plugin::facts,
        "kleene:plugin/log@0.1.0": super::vocabulary::kleene::plugin::log,
    }
);

world!(
    /// Builders.
    build, "build-plugin", "export_build_world", "kleene_sdk::bindings::build", with {
        "kleene:plugin/types@0.1.0": super::vocabulary::kleene::plugin::types,
        "kleene:plugin/facts@0.1.0": super::vocabulary::kleene::plugin::facts,
        "kleene:plugin/building@0.1.0": super::vocabulary::kleene::plugin::building,
        "kleene:plugin/log@0.1.0": super::vocabulary::kleene::plugin::log,
    }
);

world!(
    /// Build steps.
    step, "step-plugin", "export_step_world", "kleene_sdk::bindings::step", with {
        "kleene:plugin/types@0.1.0": super::vocabulary::kleene::plugin::types,
        "kleene:plugin/facts@0.1.0": super::vocabulary::kleene::plugin::facts,
        "kleene:plugin/building@0.1.0": super::vocabulary::kleene::plugin::building,
        "kleene:plugin/log@0.1.0": super::vocabulary::kleene::plugin::log,
    }
);

world!(
    /// Policies.
    policy, "policy-plugin", "export_policy_world", "kleene_sdk::bindings::policy", with {
        "kleene:plugin/settings@0.1.0": super::vocabulary::kleene::plugin::settings,
        "kleene:plugin/types@0.1.0": super::vocabulary::kleene::plugin::types,
        "kleene:plugin/firewall@0.1.0": super::vocabulary::kleene::plugin::firewall,
        "kleene:plugin/planning@0.1.0": super::vocabulary::kleene::plugin::planning,
        "kleene:plugin/facts@0.1.0": super::vocabulary::kleene::plugin::facts,
        "kleene:plugin/log@0.1.0": super::vocabulary::kleene::plugin::log,
    }
);
