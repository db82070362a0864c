//! Between the interface's types and `kleene_plan`'s: facts go out, plans come in and are parsed on the way.

mod action;
mod address;
mod build;
mod facts;
mod name;
mod plan;
mod rule;

pub(crate) use action::actions_from_wit;
pub(crate) use build::{
    dialect_from_wit, instruction_from_wit, instruction_to_wit, state_to_wit, variable_to_wit,
};
pub(crate) use facts::{endpoint_to_wit, network_to_wit, volume_to_wit};
pub(crate) use plan::{length as plan_length, plan_from_wit, plan_to_wit};
pub(crate) use rule::rule_from_wit;
