//! Jails that run, and the processes in them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::Sender;

use kleene_plan::{Id, JailNetwork, JailSpec, Launch, LaunchMode, Op};
use kleene_platform::{JailInfo, PlatformError, Result};

use crate::message::Message;
use crate::network::Network;

/// All jails.
#[derive(Debug, Default)]
pub(crate) struct Jails {
    running: BTreeMap<Id, Jail>,
    last_pid: u32,
}

#[derive(Debug)]
struct Jail {
    spec: JailSpec,
    /// The first one ends the jail with itself.
    processes: Vec<Process>,
}

/// A process of a jail.
#[derive(Debug)]
struct Process {
    pid: u32,
    argv: Vec<String>,
    messages: Sender<Message>,
}

impl Process {
    /// A process that has ended hears nothing.
    fn tell(&self, message: Message) {
        let _ = self.messages.send(message);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tell(Message::HostGone);
    }
}

impl Jails {
    pub(crate) fn next_pid(&mut self) -> u32 {
        self.last_pid += 1;
        self.last_pid
    }

    pub(crate) fn infos(&self) -> Vec<JailInfo> {
        let first_pid = |jail: &Jail| {
            jail.processes
                .first()
                .and_then(|process| i32::try_from(process.pid).ok())
        };
        self.running
            .iter()
            .map(|(id, jail)| JailInfo {
                id: id.clone(),
                jid: first_pid(jail).unwrap_or(0),
            })
            .collect()
    }

    pub(crate) fn runs(&self, id: &Id) -> bool {
        self.running.contains_key(id)
    }

    /// Starts a process, and its jail if it is to begin with it; or says why not.
    pub(crate) fn enter(
        &mut self,
        launch: &Launch,
        pid: u32,
        messages: Sender<Message>,
        network: &mut Network,
    ) -> std::result::Result<(), String> {
        let id = &launch.jail.id;
        let process = Process {
            pid,
            argv: launch.process.argv.clone(),
            messages,
        };
        match (launch.mode, self.running.get_mut(id)) {
            (LaunchMode::Join, Some(jail)) => jail.processes.push(process),
            (LaunchMode::Join, None) => return Err(format!("jail {id} does not run")),
            (LaunchMode::Start, Some(_)) => return Err(format!("jail {id} runs already")),
            (LaunchMode::Start, None) => {
                prepare(&launch.jail, network)?;
                self.running.insert(
                    id.clone(),
                    Jail {
                        spec: launch.jail.clone(),
                        processes: vec![process],
                    },
                );
            }
        }
        Ok(())
    }

    /// A process has ended; returns whether its jail ended with it.
    pub(crate) fn leave(&mut self, id: &Id, pid: u32, network: &mut Network) -> bool {
        let Some(jail) = self.running.get_mut(id) else {
            return false;
        };
        let is_first = jail.processes.first().is_some_and(|process| process.pid == pid);
        if !is_first {
            jail.processes.retain(|process| process.pid != pid);
            return false;
        }
        const SIGKILL: u8 = 9;
        self.signal(id, SIGKILL);
        self.running.remove(id);
        network.move_out_of(id);
        true
    }

    /// Whether an operation on a running jail would change anything; `None`: it is about something else.
    pub(crate) fn would_change(&self, op: &Op) -> Option<Result<bool>> {
        match op {
            Op::AllowAddress { jail, address } => Some(match self.addresses(jail) {
                Some(addresses) => Ok(!addresses.contains(address)),
                None => Err(PlatformError::NotFound {
                    object: format!("a running jail {jail} with addresses of the host"),
                }),
            }),
            Op::DenyAddress { jail, address } => Some(Ok(self
                .addresses(jail)
                .is_some_and(|addresses| addresses.contains(address)))),
            _ => None,
        }
    }

    fn addresses(&self, id: &Id) -> Option<&Vec<IpAddr>> {
        match &self.running.get(id)?.spec.network {
            JailNetwork::Addresses(addresses) => Some(addresses),
            _ => None,
        }
    }

    /// Carries out an operation that would change something.
    pub(crate) fn perform(&mut self, op: &Op, network: &Network) -> Result<()> {
        let (Op::AllowAddress { jail, address } | Op::DenyAddress { jail, address }) = op else {
            return Ok(());
        };
        if matches!(op, Op::AllowAddress { .. }) && !network.has_address(*address) {
            let action = format!("let jail {jail} use address {address}");
            return Err(PlatformError::failed(action, "it is on no interface of the host"));
        }
        if let Some(Jail { spec, .. }) = self.running.get_mut(jail)
            && let JailNetwork::Addresses(addresses) = &mut spec.network
        {
            addresses.retain(|other| other != address);
            if matches!(op, Op::AllowAddress { .. }) {
                addresses.push(*address);
            }
        }
        Ok(())
    }

    /// Sends a signal to all processes of a jail.
    pub(crate) fn signal(&self, id: &Id, signal: u8) {
        for process in self.running.get(id).into_iter().flat_map(|jail| &jail.processes) {
            process.tell(Message::Signal(signal));
        }
    }

    /// Sends a signal to the first process of a jail.
    pub(crate) fn signal_first(&self, id: &Id, signal: u8) {
        if let Some(first) = self.running.get(id).and_then(|jail| jail.processes.first()) {
            first.tell(Message::Signal(signal));
        }
    }

    /// The jail that has its root at a directory, or something beneath the directory mounted.
    pub(crate) fn user_of(&self, directory: &Path) -> Option<&Id> {
        let uses = |jail: &Jail| {
            jail.spec.root.starts_with(directory)
                || jail
                    .spec
                    .mounts
                    .iter()
                    .any(|mount| mount.source.starts_with(directory))
        };
        self.running.iter().find(|(_, jail)| uses(jail)).map(|(id, _)| id)
    }

    /// A line about each jail, and each process in it.
    pub(crate) fn describe(&self, lines: &mut BTreeMap<String, String>) {
        for (id, jail) in &self.running {
            let network = match &jail.spec.network {
                JailNetwork::Inherit => "the host's network".to_owned(),
                JailNetwork::Disabled => "no network".to_owned(),
                JailNetwork::Addresses(addresses) => addresses
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" "),
                JailNetwork::Vnet { interfaces, .. } => interfaces
                    .iter()
                    .map(|interface| interface.name.to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            lines.insert(format!("jail {id}"), network);
            for (number, process) in jail.processes.iter().enumerate() {
                lines.insert(format!("process {number} of jail {id}"), process.argv.join(" "));
            }
        }
    }
}

/// What must be there for a jail: its root, the sources of its mounts, its addresses, its interfaces.
fn prepare(jail: &JailSpec, network: &mut Network) -> std::result::Result<(), String> {
    let sources = jail.mounts.iter().map(|mount| &mount.source);
    if let Some(missing) = std::iter::once(&jail.root)
        .chain(sources)
        .find(|path| !path.exists())
    {
        return Err(format!("{} does not exist", missing.display()));
    }
    match &jail.network {
        JailNetwork::Inherit | JailNetwork::Disabled => Ok(()),
        JailNetwork::Addresses(addresses) => {
            match addresses.iter().find(|address| !network.has_address(**address)) {
                Some(missing) => Err(format!("address {missing} is on no interface of the host")),
                None => Ok(()),
            }
        }
        JailNetwork::Vnet { interfaces, .. } => {
            let moved = interfaces
                .iter()
                .try_for_each(|interface| network.move_into(interface, &jail.id));
            if moved.is_err() {
                network.move_out_of(&jail.id);
            }
            moved
        }
    }
}
