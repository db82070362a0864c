//! The tests. Each is what a user or administrator does, told by its name; what it leaves behind is removed through
//! `klee`, and if the host is not as it was then, the test has failed.

mod containers;
mod crashes;
mod hosts;
mod images;
mod networks;
mod volumes;

use crate::host::Need;
use crate::world::World;

/// A test.
pub struct Case {
    /// What is so if it passes.
    pub name: &'static str,
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// Panics if it is not so.
    pub run: fn(&mut World),
}

/// A test that every host can run.
const fn case(name: &'static str, run: fn(&mut World)) -> Case {
    Case {
        name,
        needs: &[],
        run,
    }
}

/// A test that some hosts cannot run.
const fn needing(needs: &'static [Need], name: &'static str, run: fn(&mut World)) -> Case {
    Case { name, needs, run }
}

/// All of them, simple things first.
pub fn all() -> Vec<Case> {
    let subjects = [
        hosts::cases(),
        images::cases(),
        containers::cases(),
        volumes::cases(),
        networks::cases(),
        crashes::cases(),
    ];
    subjects.into_iter().flatten().collect()
}
