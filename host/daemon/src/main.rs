//! kleened, the daemon. Everything of substance is in the library beside this file; here its parts are put together.
//!
//! The same program is the supervisor of each process (`kleened supervise <directory>`), which is decided before
//! anything else: its start-up is part of the start-up of every container.

mod host;

use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use kleene_daemon::app::App;
use kleene_daemon::arguments::{Arguments, Command};
use kleene_daemon::config::{Config, Loaded};
use kleene_daemon::instance::Instance;
use kleene_daemon::tls_init::{self, Identities};
use kleene_daemon::{init, listen, log, openapi, serve};
use kleene_engine::{Engine, EngineConfig};
use kleene_plugins::{Plugins, PluginsConfig};

/// Threads that serve connections; the work itself is done by others.
const WORKERS: usize = 2;

/// Threads that work: at most this many requests, builds and waiting inputs at a time. Idle ones end.
const BLOCKING_THREADS: usize = 256;

fn main() -> ExitCode {
    if let Some(code) = host::supervise(std::env::args_os().skip(1)) {
        return code;
    }
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kleened: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes. Most of ours tell the cause themselves.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes
        .reduce(|told, cause| match told.ends_with(&cause) {
            true => told,
            false => format!("{told}: {cause}"),
        })
        .unwrap_or_default()
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        None => daemon(&arguments.options.load()?)?,
        Some(Command::CheckConfig) => check_config(&arguments.options.load()?)?,
        Some(Command::Init { dry_run }) => {
            let loaded = arguments.options.load()?;
            if !init::run(&loaded.config, dry_run, &mut stdout())? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Some(Command::Openapi) => stdout().write_all(openapi::document().as_bytes())?,
        Some(Command::TlsInit { directory, names }) => tls_init(&directory, names)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file would have to say for the same effect goes to standard output; the rest is for people.
fn check_config(loaded: &Loaded) -> anyhow::Result<()> {
    listen::load_all(&loaded.config.listen)?;
    check_plugins(loaded)?;
    for notice in &loaded.notices {
        eprintln!("note: {notice}");
    }
    print!("{}", loaded.config.to_toml()?);
    Ok(())
}

/// What is configured for plugins, if anything, is for the plugins to judge. The daemon's cache may be closed to whoever asks.
fn check_plugins(loaded: &Loaded) -> anyhow::Result<()> {
    let mut config = loaded.config.plugins()?;
    if config.allow.is_empty() && config.settings.is_empty() {
        return Ok(());
    }
    let cache = tempfile::tempdir().context("cannot make a directory for compiled plugins")?;
    config.cache = cache.path().to_owned();
    open_plugins(config, loaded).map(drop)
}

fn open_plugins(config: PluginsConfig, loaded: &Loaded) -> anyhow::Result<Plugins> {
    Plugins::open(config).with_context(|| match &loaded.source {
        Some(file) => format!("cannot use the plugins as {} wants them", file.display()),
        None => "cannot use the plugins".to_owned(),
    })
}

fn tls_init(directory: &Path, names: Vec<String>) -> anyhow::Result<()> {
    // The configuration wants whole paths, so the advice shows such ones.
    let directory = std::path::absolute(directory)?;
    for path in tls_init::write(&directory, &Identities::of_this_host(names))? {
        println!("{}", path.display());
    }
    print!("{}", tls_init::advice(&directory));
    Ok(())
}

fn daemon(loaded: &Loaded) -> anyhow::Result<()> {
    log::start(&loaded.config).context("cannot write the log")?;
    if let Some(path) = &loaded.source {
        tracing::info!(path = %path.display(), "configured by");
    }
    for notice in &loaded.notices {
        tracing::warn!("{notice}");
    }
    let config = &host::with_state_directory(&loaded.config)?;
    let _instance = Instance::claim(&config.kleene_root, &config.run_dir)?;
    let sockets = listen::open(&config.listen)?;
    let app = App {
        engine: open_engine(config, loaded)?,
        config: Arc::new(loaded.config.clone()),
    };
    app.engine.watch_firewall().context("cannot watch the firewall")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    for listener in &config.listen {
        let verifies_clients = listener.tls().is_some_and(|tls| tls.tlsverify);
        tracing::info!(address = %listener.address(), verifies_clients, "listening");
    }
    runtime.block_on(async {
        app.block(Engine::start_containers_at_startup);
        serve::serve(&app, sockets).await
    })?;
    // What is still being worked on is taken back by the next daemon, from the journal.
    runtime.shutdown_background();
    Ok(())
}

/// `config` is the one that was loaded, with a directory for what lasts.
fn open_engine(config: &Config, loaded: &Loaded) -> anyhow::Result<Engine> {
    let plugins = open_plugins(config.plugins()?, loaded)?;
    let directories = EngineConfig {
        state_dir: config.kleene_root.clone(),
        run_dir: config.run_dir.clone(),
        insecure_registries: config.insecure_registries.clone(),
        add_urls: config.add_urls,
    };
    Ok(Engine::open(
        directories,
        host::open(&loaded.config)?,
        Arc::new(plugins),
    )?)
}
