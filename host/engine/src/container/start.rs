//! A container starts: its network is planned and made, its files are mounted, and only then does its first process
//! run.

use std::net::IpAddr;

use kleene_plan::{
    DatasetName, ExitStatus, Family, Id, JailInterface, JailNetwork, JailSetting, JailSpec, Launch,
    LaunchMode, Op, Plan, ProcessSpec,
};
use kleene_store::{Container, LastExit, NetworkDriver, Object};
use kleene_supervisor::{Events, Inputs};

use crate::Engine;
use crate::container::mounts::mounts_volumes;
use crate::error::Result;
use crate::locks::unpoisoned_read;
use crate::process::{Process, Subscriber, await_start};

impl Engine {
    /// Starts a container that does not run; the caller holds its lock.
    ///
    /// # Errors
    /// Whatever is in the way; everything done until then is undone.
    pub(crate) fn start_container(
        &self,
        container: &Container,
        exec: &Id,
        process: &ProcessSpec,
        subscriber: Option<Subscriber>,
    ) -> Result<()> {
        self.settle(&Object::Container(container.id.clone()))?;
        let _volumes_stay = mounts_volumes(container).then(|| unpoisoned_read(&self.volumes));
        let plan = self.plan_container(container)?;
        self.lease_ports(container)?;
        let started = self.start_planned(container, exec, process, plan);
        if started.is_err() {
            self.remove_run_dir(&container.id);
            self.remove_empty_log(&container.id);
            self.store.write(|write| write.release_ports(&container.id))?;
        }
        let (events, inputs) = started?;
        let run_dir = self.exec_run_dir(&container.id, exec);
        self.follow(
            Process::new(
                exec.clone(),
                container.id.clone(),
                true,
                run_dir,
                inputs,
                subscriber,
            ),
            events,
        )
    }

    fn start_planned(
        &self,
        container: &Container,
        exec: &Id,
        process: &ProcessSpec,
        plan: Plan,
    ) -> Result<(Events, Inputs)> {
        let launch = Launch {
            jail: JailSpec {
                id: container.id.clone(),
                root: self.container_root(&container.id)?,
                network: jail_network(container.network_driver, plan.jail),
                mounts: self.jail_mounts(&container.mounts)?,
                parameters: container.jail_param.clone(),
            },
            process: process.clone(),
            mode: LaunchMode::Start,
            log: Some(self.log_path(&container.id)),
        };
        let run_dir = self.exec_run_dir(&container.id, exec);
        let object = Object::Container(container.id.clone());
        self.transact_and_keep(
            "start container",
            &object,
            |transaction| {
                transaction.apply(Op::MountDataset(DatasetName::container(&container.id)))?;
                for op in plan.ops {
                    transaction.apply(op)?;
                }
                transaction.launches(&container.id);
                await_start(self.platform.launch(&run_dir, &launch)?)
            },
            |write, _| {
                write.mark_started(&container.id, exec, kleene_store::now())?;
                Ok(())
            },
        )
    }

    /// What the drivers of the container's networks want for it.
    fn plan_container(&self, container: &Container) -> Result<Plan> {
        let mut endpoints = self
            .store
            .read(|read| read.endpoints_of_container(&container.id))?;
        let connected = endpoints.clone();
        // Networks are visited in the order of their ids, as in 0.1.1.
        endpoints.sort_by(|a, b| a.network.cmp(&b.network));
        let mut plan = Plan::default();
        let mut routed = Vec::new();
        for endpoint in endpoints {
            let network = self.network_by_id(&endpoint.network)?;
            let facts = self.network_facts(&network)?;
            let ports = self.published(container, &connected, &endpoint)?;
            let mut endpoint = self.endpoint_facts(container, &network, &endpoint);
            endpoint.ports = ports;
            // One default route per family: the first network that has a gateway, and an address for the container to
            // reach it from, provides it.
            for gateway in facts.subnets.iter().filter_map(|subnet| subnet.gateway) {
                let family = Family::of(gateway);
                let has_address = endpoint
                    .addresses
                    .iter()
                    .any(|net| Family::of(net.addr()) == family);
                if has_address && !routed.contains(&gateway.is_ipv4()) {
                    routed.push(gateway.is_ipv4());
                    endpoint.default_routes.push(gateway);
                }
            }
            let part = self.plan_endpoint(&facts, &endpoint)?;
            plan.ops.extend(part.ops);
            plan.jail.extend(part.jail);
        }
        Ok(plan)
    }

    /// The first process of a container ended. With it goes the container, unless the jail lives on.
    ///
    /// Returns whether the container ended.
    pub(crate) fn first_process_ended(&self, process: &Process, status: ExitStatus) -> bool {
        let ended = self.locks.hold(&process.container, || -> Result<bool> {
            let container = self.store.read(|read| read.container(&process.container))?;
            let running = container.and_then(|container| container.started);
            if running.is_none_or(|running| running.exec != process.exec) {
                // Somebody was faster, and it may run again by now.
                return Ok(true);
            }
            let ended = !self.jail_lives(&process.container)?;
            if ended {
                self.clean_up_behind(&process.container, &process.exec, status);
            }
            Ok(ended)
        });
        ended.unwrap_or_else(|error| {
            tracing::error!(container = %process.container, %error, "cannot tell whether the jail has ended");
            false
        })
    }

    /// A container as it is at this moment: one whose jail has ended is cleaned up before, if nobody did so yet. The
    /// caller holds its lock.
    pub(crate) fn present_container(&self, id: &Id) -> Result<Container> {
        let container = self.container_by_id(id)?;
        match &container.started {
            Some(running) if !self.jail_lives(id)? => {
                self.clean_up_ended(id, &running.exec, self.recorded_status(id, &running.exec))?;
                self.container_by_id(id)
            }
            _ => Ok(container),
        }
    }

    pub(crate) fn jail_lives(&self, container: &Id) -> Result<bool> {
        Ok(self.platform.jail(container)?.is_some())
    }

    /// Takes back what was applied for a container that has ended. What cannot be taken back is recorded and does
    /// not keep the container from being stopped. `exec` says which start is meant: a later one must not be cleaned
    /// up after an earlier one. The caller holds the container's lock.
    pub(crate) fn clean_up_ended(&self, container: &Id, exec: &Id, status: ExitStatus) -> Result<()> {
        let record = self.store.read(|read| read.container(container))?;
        let runs = |record: &Container| record.started.as_ref().is_some_and(|start| start.exec == *exec);
        let Some(record) = record.filter(runs) else {
            return Ok(());
        };
        let object = Object::Container(container.clone());
        let applied = self.store.read(|read| read.applied(&object))?;
        let leftovers = self.take_back(applied.into_iter().rev().filter_map(|applied| applied.undo));
        self.store.write(|write| {
            for leftover in &leftovers {
                write.add_leftover(&object, &leftover.op, &leftover.reason)?;
            }
            write.clear_applied(&object)?;
            write.release_ports(container)?;
            write.mark_exited(
                container,
                record.generation,
                LastExit {
                    status,
                    finished: kleene_store::now(),
                },
            )
        })?;
        self.remove_run_dir(container);
        Ok(())
    }

    /// As [`clean_up_ended`](Self::clean_up_ended), where nobody waits for it.
    pub(crate) fn clean_up_behind(&self, container: &Id, exec: &Id, status: ExitStatus) {
        if let Err(error) = self.clean_up_ended(container, exec, status) {
            tracing::error!(%container, %error, "could not clean up after the container ended");
        }
    }
}

/// What the network drivers set for the jail, put together by the container's own driver.
fn jail_network(driver: NetworkDriver, settings: Vec<JailSetting>) -> JailNetwork {
    match driver {
        NetworkDriver::Host => JailNetwork::Inherit,
        NetworkDriver::Disabled => JailNetwork::Disabled,
        NetworkDriver::Ipnet => {
            let address = |setting| match setting {
                JailSetting::Address(address) => Some(address),
                JailSetting::Interface { .. } | JailSetting::DefaultRoute(_) => None,
            };
            let addresses: Vec<IpAddr> = settings.into_iter().filter_map(address).collect();
            JailNetwork::Addresses(addresses)
        }
        NetworkDriver::Vnet => {
            let mut interfaces = Vec::new();
            let mut default_routes = Vec::new();
            for setting in settings {
                match setting {
                    JailSetting::Interface { name, mac, addresses } => {
                        interfaces.push(JailInterface { name, mac, addresses })
                    }
                    JailSetting::DefaultRoute(gateway) => default_routes.push(gateway),
                    JailSetting::Address(_) => {}
                }
            }
            JailNetwork::Vnet {
                interfaces,
                default_routes,
            }
        }
    }
}
