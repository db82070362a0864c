//! Hidden top-level commands: `klee run` for `klee container run`, `klee rmi` for `klee image rm`, and so on.

use clap::Subcommand;

use crate::{container, image, network, volume};

/// What the root help says of them, in groups where there are many alike.
const SUMMARY: &[(&str, &str)] = &[
    ("build", "klee image build"),
    ("commit", "klee image commit"),
    ("create", "klee container create"),
    ("exec", "klee container exec"),
    ("restart", "klee container restart"),
    ("run", "klee container run"),
    ("start", "klee container start"),
    ("stop", "klee container stop"),
    (
        "isX",
        "klee … inspect, where X is c (container), i (image), n (network) or v (volume)",
    ),
    ("lsX", "klee … ls"),
    ("rmX", "klee … rm"),
];

/// The shortcuts and what they are short for.
pub fn summary() -> Vec<(String, String)> {
    SUMMARY
        .iter()
        .map(|&(name, meaning)| (name.to_owned(), meaning.to_owned()))
        .collect()
}

/// Whether a top-level command is a shortcut.
pub fn is_one(name: &str) -> bool {
    Shortcut::has_subcommand(name)
}

/// One shortcut each.
#[derive(Debug, Subcommand)]
pub enum Shortcut {
    #[command(hide = true)]
    Build(Box<image::Build>),
    #[command(hide = true)]
    Commit(image::Commit),
    #[command(hide = true)]
    Create(container::Create),
    #[command(hide = true)]
    Exec(container::Exec),
    #[command(hide = true)]
    Isc(container::Inspect),
    #[command(hide = true)]
    Isi(image::Inspect),
    #[command(hide = true)]
    Isn(network::Inspect),
    #[command(hide = true)]
    Isv(volume::Inspect),
    #[command(hide = true)]
    Lsc(container::Ls),
    #[command(hide = true)]
    Lsi(image::Ls),
    #[command(hide = true)]
    Lsn(network::Ls),
    #[command(hide = true)]
    Lsv(volume::Ls),
    #[command(hide = true)]
    Restart(container::Restart),
    #[command(hide = true)]
    Rmc(container::Rm),
    #[command(hide = true)]
    Rmi(image::Rm),
    #[command(hide = true)]
    Rmn(network::Rm),
    #[command(hide = true)]
    Rmv(volume::Rm),
    #[command(hide = true)]
    Run(container::Run),
    #[command(hide = true)]
    Start(container::Start),
    #[command(hide = true)]
    Stop(container::Stop),
}
