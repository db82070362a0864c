//! The macros that make a type a plugin.
//!
//! They do something only where a component is built: natively a plugin is an ordinary library, which tests call.

/// Makes a type that implements [`network::Driver`](crate::network::Driver) and
/// [`network::Plugin`](crate::network::Plugin) the plugin of this crate.
#[macro_export]
macro_rules! export_network_plugin {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::network::export_network_world!($plugin with_types_in $crate::bindings::network);
    };
}

/// Makes a type that implements [`volume::Driver`](crate::volume::Driver) and
/// [`volume::Plugin`](crate::volume::Plugin) the plugin of this crate.
#[macro_export]
macro_rules! export_volume_plugin {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::volume::export_volume_world!($plugin with_types_in $crate::bindings::volume);
    };
}

/// Makes a type that implements [`build::Builder`](crate::build::Builder) and
/// [`build::Plugin`](crate::build::Plugin) the plugin of this crate.
#[macro_export]
macro_rules! export_build_plugin {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::build::export_build_world!($plugin with_types_in $crate::bindings::build);
    };
}

/// Makes a type that implements [`step::BuildStep`](crate::step::BuildStep) and
/// [`step::Plugin`](crate::step::Plugin) the plugin of this crate.
#[macro_export]
macro_rules! export_step_plugin {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::step::export_step_world!($plugin with_types_in $crate::bindings::step);
    };
}

/// Makes a type that implements [`policy::Policy`](crate::policy::Policy) and
/// [`policy::Plugin`](crate::policy::Plugin) the plugin of this crate.
#[macro_export]
macro_rules! export_policy_plugin {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::policy::export_policy_world!($plugin with_types_in $crate::bindings::policy);
    };
}
