//! What the README and CI call.

mod plugins;
mod toolchain;

use std::path::Path;

use anyhow::Result;
use clap::Parser;

/// Builds, shows and tests Kleene.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Build the plugins to components.
    Plugins,
}

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    match Task::parse() {
        Task::Plugins => {
            let directory = plugins::build_all(workspace)?;
            println!("plugins are in {}", directory.display());
        }
    }
    Ok(())
}
