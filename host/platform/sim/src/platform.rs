//! The simulated host as a platform.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kleene_plan::{DatasetName, HostDataset, Id, Launch, Op, SnapshotName, StopSignal};
use kleene_platform::{
    DatasetInfo, Gateways, InterfaceInfo, JailInfo, Listener, Platform, PlatformError, Result, Usage, Watch,
    host_signal,
};
use kleene_supervisor::Connection;

use crate::Sim;
use crate::fault::When;
use crate::program::Program;
use crate::shared::{Host, Shared};
use crate::supervisor::{Lines, Supervisor};

/// Processes end without delay when they are killed; this is for a machine under load.
const PATIENCE: Duration = Duration::from_secs(10);

const SIGKILL: u8 = 9;
const SIGTERM: u8 = 15;

impl Platform for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn would_change(&self, op: &Op) -> Result<bool> {
        self.shared.look()?.would_change(op)
    }

    fn apply(&self, op: &Op) -> Result<()> {
        self.shared.host().apply(op)
    }

    fn render(&self, op: &Op) -> String {
        op.to_string()
    }

    fn full_name(&self, dataset: &DatasetName) -> String {
        format!("sim/kleene/{dataset}")
    }

    fn mountpoint(&self, dataset: &DatasetName) -> Result<PathBuf> {
        Ok(self.shared.look()?.storage.mountpoint(dataset))
    }

    fn datasets(&self) -> Result<Vec<DatasetInfo>> {
        Ok(self.shared.look()?.storage.infos())
    }

    fn dependents(&self, dataset: &DatasetName) -> Result<Vec<DatasetName>> {
        self.shared.look()?.storage.dependents(dataset)
    }

    fn usage(&self, dataset: &DatasetName) -> Result<Usage> {
        self.shared.look()?.storage.usage(dataset)
    }

    fn written(&self, snapshot: &SnapshotName) -> Result<u64> {
        self.shared.look()?.storage.written(snapshot)
    }

    fn origin(&self, dataset: &DatasetName) -> Result<Option<SnapshotName>> {
        self.shared.look()?.storage.origin(dataset)
    }

    fn has_host_dataset(&self, dataset: &HostDataset) -> Result<bool> {
        Ok(self.shared.look()?.storage.of_host.has(dataset))
    }

    fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        Ok(self.shared.look()?.network.infos())
    }

    fn gateways(&self) -> Result<Gateways> {
        Ok(self.shared.look()?.gateways.clone())
    }

    fn next_hops(&self) -> Result<Vec<IpAddr>> {
        Ok(self.shared.look()?.next_hops.clone())
    }

    fn listeners(&self) -> Result<Vec<Listener>> {
        Ok(self.shared.look()?.listeners.clone())
    }

    fn watch(&self) -> Result<Option<Box<dyn Watch>>> {
        Ok(Some(Box::new(FlushWatch {
            seen: self.shared.look()?.flushes,
            shared: Arc::clone(&self.shared),
        })))
    }

    fn jails(&self) -> Result<Vec<JailInfo>> {
        Ok(self.shared.look()?.jails.infos())
    }

    fn launch(&self, run_dir: &Path, launch: &Launch) -> Result<Connection> {
        let action = format!(
            "start '{}' in jail {}",
            launch.process.argv.join(" "),
            launch.jail.id
        );
        let (fault, pid) = {
            let mut host = self.shared.look()?;
            let fault = host.faults.on_change();
            host.faults.strike(fault, When::Before, &action)?;
            (fault, host.jails.next_pid())
        };
        let connection = self.start(run_dir, launch, pid);
        let connection = connection.map_err(|error| PlatformError::failed(&action, error))?;
        self.shared.host().faults.strike(fault, When::After, &action)?;
        Ok(connection)
    }

    fn stop_jail(&self, id: &Id, signal: Option<StopSignal>, grace: Duration) -> Result<()> {
        let action = match signal {
            None => format!("stop jail {id}"),
            Some(signal) => format!("stop jail {id} by {signal}"),
        };
        let fault = {
            let mut host = self.shared.look()?;
            let fault = host.faults.on_change();
            host.faults.strike(fault, When::Before, &action)?;
            match signal
                .and_then(host_signal)
                .and_then(|signal| signal.as_raw().try_into().ok())
            {
                None => host.jails.signal(id, SIGTERM),
                Some(signal) => host.jails.signal_first(id, signal),
            }
            fault
        };
        if !self.shared.wait_for_end(id, grace) {
            self.shared.host().jails.signal(id, SIGKILL);
            if !self.shared.wait_for_end(id, PATIENCE) {
                return Err(PlatformError::failed(action, "its processes do not end"));
            }
        }
        self.shared.host().faults.strike(fault, When::After, &action)
    }
}

impl Sim {
    /// What goes wrong with the process itself is told over the connection.
    fn start(&self, run_dir: &Path, launch: &Launch, pid: u32) -> std::io::Result<Connection> {
        let program = Program::of(&launch.process);
        let played = program.clone().unwrap_or(Program::Stubborn);
        let (supervisor, Lines { connection, messages }) =
            Supervisor::new(run_dir, launch, pid, played, &self.shared)?;
        let entered = program.and_then(|_| {
            let mut host = self.shared.host();
            let Host { jails, network, .. } = &mut *host;
            jails.enter(launch, pid, messages, network)
        });
        match entered {
            Ok(()) => supervisor.begin(),
            Err(reason) => supervisor.refuse(reason),
        }
        Ok(connection)
    }
}

/// Waits for [`Sim::flush_rules`].
#[derive(Debug)]
struct FlushWatch {
    shared: Arc<Shared>,
    seen: u64,
}

impl Watch for FlushWatch {
    fn wait(&mut self) -> Result<()> {
        self.seen = self.shared.wait_for_flush(self.seen);
        Ok(())
    }
}
