//! Anchors below `kleene/`, by owner: changing one container touches its own anchors only.
//!
//! What was loaded is remembered in a file per anchor, because pfctl(8) prints rules in other words than it reads
//! them. The files end with the host's uptime, as do the anchors.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use kleene_plan::Owner;
use kleene_platform::{PlatformError, Result, Watch};

use crate::aliases::absent_is_fine;
use crate::command::{Command, Tools};
use crate::failure::OrFailed;
use crate::pf::{self, Anchor};
use crate::pfctl;

/// How often the watch looks.
const GLANCE: Duration = Duration::from_millis(500);

/// What stands before the name of an anchor in a file.
const NAME: &str = "# ";

/// What a file holds while its owner's anchors are changed, and for good if that is interrupted: any of the owner's
/// anchors may hold anything.
const UNKNOWN: &str = "being changed\n";

/// Our corner of pf.
#[derive(Debug)]
pub(crate) struct Firewall {
    tools: Tools,
    directory: PathBuf,
    enabled: AtomicBool,
    /// A change and what is remembered of it happen together.
    alone: Mutex<()>,
}

impl Firewall {
    /// Nothing of the firewall is looked at or changed before the first rules come.
    pub(crate) fn open(tools: Tools, directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).or_failed(|| format!("create '{}'", directory.display()))?;
        Ok(Self {
            tools,
            directory,
            enabled: AtomicBool::new(false),
            alone: Mutex::new(()),
        })
    }

    fn file(&self, owner: &Owner) -> PathBuf {
        self.directory.join(owner.to_string())
    }

    fn loaded(&self, owner: &Owner) -> Result<Option<String>> {
        let file = self.file(owner);
        match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            text => text.map(Some).or_failed(|| format!("read '{}'", file.display())),
        }
    }

    fn remember(&self, owner: &Owner, text: &str) -> Result<()> {
        let (file, unfinished) = (self.file(owner), self.directory.join(".unfinished"));
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &file))
            .or_failed(|| format!("write '{}'", file.display()))
    }

    /// Whether other rules are loaded than these; `None`: no rules at all are wanted.
    pub(crate) fn would_change(&self, owner: &Owner, anchors: Option<&[Anchor]>) -> Result<bool> {
        Ok(self.loaded(owner)? != anchors.map(text_of))
    }

    /// Checks rules and loads them, even if they are remembered: somebody may have flushed them. Until they are loaded
    /// the old ones hold.
    pub(crate) fn set(&self, owner: &Owner, anchors: &[Anchor]) -> Result<()> {
        let action = || format!("load the rules of {owner}");
        let _alone = self.lock();
        self.enable()?;
        for anchor in anchors.iter().filter(|anchor| !anchor.text.is_empty()) {
            self.tools
                .run(&pfctl::check(&anchor.name, &anchor.text))
                .or_failed(action)?;
        }
        self.remember(owner, UNKNOWN)?;
        for anchor in anchors {
            self.tools.run(&load(anchor)).or_failed(action)?;
        }
        self.remember(owner, &text_of(anchors))
    }

    /// No rules of an owner's. One that has none is a success, also where there is no pf at all.
    pub(crate) fn clear(&self, owner: &Owner) -> Result<()> {
        let _alone = self.lock();
        if self.loaded(owner)?.is_none() {
            return Ok(());
        }
        self.remember(owner, UNKNOWN)?;
        for name in pf::anchors(owner) {
            self.tools
                .run(&pfctl::clear(&name))
                .or_failed(|| format!("remove the rules of {owner}"))?;
        }
        let file = self.file(owner);
        absent_is_fine(fs::remove_file(&file)).or_failed(|| format!("remove '{}'", file.display()))
    }

    /// Forgets the rules of owners whose anchors are gone; whether there were such.
    fn forget_lost(&self) -> Result<bool> {
        let _alone = self.lock();
        let remembered = self.owners()?;
        if remembered.is_empty() {
            return Ok(false);
        }
        let action = || "list the firewall's anchors".to_owned();
        let printed = self.tools.run(&pfctl::show_anchors()).or_failed(action)?;
        let present = pfctl::parse_anchors(&printed);
        let mut lost = false;
        for owner in remembered {
            let is_present = |name: &String| present.iter().any(|found| format!("kleene/{found}") == *name);
            if !self.names(&owner)?.iter().all(is_present) {
                tracing::warn!("somebody removed the firewall rules of {owner}");
                let file = self.file(&owner);
                absent_is_fine(fs::remove_file(&file))
                    .or_failed(|| format!("remove '{}'", file.display()))?;
                lost = true;
            }
        }
        Ok(lost)
    }

    fn owners(&self) -> Result<Vec<Owner>> {
        let entries =
            fs::read_dir(&self.directory).or_failed(|| format!("read '{}'", self.directory.display()))?;
        let owner = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.flatten().filter_map(owner).collect())
    }

    /// The anchors in which an owner has rules.
    fn names(&self, owner: &Owner) -> Result<Vec<String>> {
        let text = self.loaded(owner)?.unwrap_or_default();
        let names = text
            .lines()
            .filter_map(|line| line.strip_prefix(NAME))
            .map(str::to_owned);
        Ok(names.collect())
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches pf on, once, and says so if the administrator's ruleset does not lead to our anchors.
    fn enable(&self) -> Result<()> {
        if self.enabled.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.tools.run(&pfctl::enable()) {
            Err(error) if !pfctl::is_enabled_already(&error) => {
                return Err(PlatformError::failed(
                    "enable the firewall (is the module loaded? try: kldload pf)",
                    error,
                ));
            }
            _ => {}
        }
        let missing = self.missing_lines()?;
        if !missing.is_empty() {
            tracing::warn!(
                "published ports and isolation do not work: /etc/pf.conf lacks {}; see 'kleened init'",
                missing.join(", ")
            );
        }
        self.enabled.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Which lines the main ruleset lacks.
    fn missing_lines(&self) -> Result<Vec<&'static str>> {
        let action = || "read the firewall's main ruleset".to_owned();
        let nat = self.tools.run(&pfctl::show_nat()).or_failed(action)?;
        let rules = self.tools.run(&pfctl::show_rules()).or_failed(action)?;
        Ok(pfctl::missing_lines(&nat, &rules))
    }
}

/// What makes an anchor hold what it shall.
pub(crate) fn load(anchor: &Anchor) -> Command {
    if anchor.text.is_empty() {
        pfctl::clear(&anchor.name)
    } else {
        pfctl::load(&anchor.name, &anchor.text)
    }
}

/// What is remembered, in a form that an administrator can read.
fn text_of(anchors: &[Anchor]) -> String {
    let anchors = anchors.iter().filter(|anchor| !anchor.text.is_empty());
    anchors
        .map(|anchor| format!("{NAME}{}\n{}", anchor.name, anchor.text))
        .collect()
}

/// Looks, twice a second, whether our anchors are there: one whose rules are flushed vanishes.
#[derive(Debug)]
pub(crate) struct FirewallWatch(pub(crate) Arc<Firewall>);

impl Watch for FirewallWatch {
    fn wait(&mut self) -> Result<()> {
        while !self.0.forget_lost()? {
            thread::sleep(GLANCE);
        }
        Ok(())
    }
}
