//! What a request would do, without doing it: the same checks, the same drivers and policies, the same rules as they
//! would be loaded on this host. What has to be reserved for that is reserved in a transaction of the database that is
//! given up at its end, so that conflicts are found and nothing is kept.

use kleene_api::{ContainerPlanConfig, EndPointConfig, NetworkConfig, PlanStep};
use kleene_plan::{DatasetName, Id, Op, Plan, VolumeFacts};
use kleene_store::{Container, Endpoint, Mount, MountKind, Network, StoreError, Write};

use crate::Engine;
use crate::container::wanted_mounts;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;
use crate::network::{Pool, new_endpoint};
use crate::parse;
use crate::volume::DEFAULT_DRIVER;

/// When an operation would be done.
#[derive(Debug, Clone, Copy)]
enum When {
    Now,
    AtStart,
}

impl When {
    fn word(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::AtStart => "start",
        }
    }
}

/// How a rehearsal in the database ends: always by giving up.
enum Rehearsal<T> {
    Done(T),
    Failed(EngineError),
}

impl<T> From<StoreError> for Rehearsal<T> {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Engine {
    /// What [`create_network`](Self::create_network) would do.
    ///
    /// # Errors
    /// As there; a policy's refusal is one of them.
    pub fn plan_create_network(&self, config: &NetworkConfig) -> Result<kleene_api::Plan> {
        let _one_at_a_time = unpoisoned(&self.networks);
        let (network, plan) = self.new_network(config)?;
        self.rehearse(|write| Ok(write.insert_network(&network)?))?;
        Ok(self.shown(&[(When::Now, plan)]))
    }

    /// What [`connect`](Self::connect) would do: now if the container runs, else at its next start.
    ///
    /// # Errors
    /// As there; a policy's refusal is one of them.
    pub fn plan_connect(&self, config: &EndPointConfig) -> Result<kleene_api::Plan> {
        let container = self.find_container(&config.container)?;
        let network = self.find_network(&config.network)?;
        let _one_at_a_time = unpoisoned(&self.networks);
        self.locks.hold(&container, || {
            let container = self.present_container(&container)?;
            let network = self.network_by_id(&network)?;
            let endpoint = self.rehearse_endpoint(&container, &network, config, |_| Ok(()))?;
            let facts = self.network_facts(&network)?;
            let plan = self.plan_connection(&container, &network, &facts, &endpoint)?;
            let when = match container.started {
                Some(_) => When::Now,
                None => When::AtStart,
            };
            Ok(self.shown(&[(when, plan)]))
        })
    }

    /// What creating a container, connecting it and starting it would do.
    ///
    /// # Errors
    /// As those; a policy's refusal is one of them.
    pub fn plan_new_container(&self, config: &ContainerPlanConfig) -> Result<kleene_api::Plan> {
        let name = config
            .container
            .name
            .as_deref()
            .map(parse::container_name)
            .transpose()?;
        if let Some(name) = &name {
            self.refuse_taken_name(name, None)?;
        }
        let image = config.container.image.as_deref().unwrap_or_default();
        let (image, snapshot) = self.find_snapshot(image)?;
        let mut container = self.container_record(Id::generate(), name, &config.container, &image)?;
        container.mounts = Self::mount_records(&wanted_mounts(&config.container, &image))?;
        let dataset = DatasetName::container(&container.id);
        let mut made = Plan::default();
        made.ops.push(Op::CloneDataset {
            snapshot,
            dataset: dataset.clone(),
        });
        made.ops.extend(self.plan_new_volumes(&container.mounts)?);
        let mut started = Plan {
            ops: vec![Op::MountDataset(dataset)],
            jail: Vec::new(),
        };
        let leases = if config.start {
            self.port_leases(&container)?
        } else {
            Vec::new()
        };
        let reserve =
            |write: &mut Write<'_>| -> Result<()> { Ok(write.lease_ports(&container.id, &leases)?) };
        let _one_at_a_time = unpoisoned(&self.networks);
        match &config.endpoint {
            Some(endpoint) => {
                let network = self.network_by_id(&self.find_network(&endpoint.network)?)?;
                let endpoint = self.rehearse_endpoint(&container, &network, endpoint, |write| {
                    write.insert_container(&container)?;
                    reserve(write)
                })?;
                let facts = self.network_facts(&network)?;
                let part = self.plan_connection(&container, &network, &facts, &endpoint)?;
                started.ops.extend(part.ops);
                started.jail.extend(part.jail);
            }
            None => self.rehearse(|write| {
                write.insert_container(&container)?;
                reserve(write)
            })?,
        }
        Ok(self.shown(&[(When::Now, made), (When::AtStart, started)]))
    }

    /// Volumes that do not exist yet would be made with the container.
    fn plan_new_volumes(&self, mounts: &[Mount]) -> Result<Vec<Op>> {
        let mut ops = Vec::new();
        let volumes = mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
        for mount in volumes {
            let invalid = |error| EngineError::invalid(format!("cannot mount volume: {error}"));
            let name = mount.source.parse().map_err(invalid)?;
            let facts = VolumeFacts {
                dataset: DatasetName::volume(&name),
                name,
            };
            let mounting = Op::MountDataset(facts.dataset.clone());
            if ops.contains(&mounting) || self.store.read(|read| read.volume(&facts.name))?.is_some() {
                continue;
            }
            ops.extend(self.plan_volume(DEFAULT_DRIVER, &facts)?.ops);
            ops.push(mounting);
        }
        Ok(ops)
    }

    /// The endpoint that the container would have, if its leases can be had.
    fn rehearse_endpoint(
        &self,
        container: &Container,
        network: &Network,
        config: &EndPointConfig,
        before: impl FnOnce(&mut Write<'_>) -> Result<()>,
    ) -> Result<Endpoint> {
        self.refuse_connection(container, network)?;
        let facts = self.network_facts(network)?;
        let pool = Pool::new(&*self.platform, network, &facts)?;
        self.rehearse(|write| {
            before(write)?;
            let endpoint = new_endpoint(write, &pool, container, config)?;
            write.insert_endpoint(&endpoint)?;
            Ok(endpoint)
        })
    }

    /// Does something in the database and takes it back.
    fn rehearse<T>(&self, work: impl FnOnce(&mut Write<'_>) -> Result<T>) -> Result<T> {
        let given_up = self.store.write(|write| match work(write) {
            Ok(value) => Err::<std::convert::Infallible, _>(Rehearsal::Done(value)),
            Err(error) => Err(Rehearsal::Failed(error)),
        });
        match given_up {
            Ok(never) => match never {},
            Err(Rehearsal::Done(value)) => Ok(value),
            Err(Rehearsal::Failed(error)) => Err(error),
        }
    }

    fn shown(&self, plans: &[(When, Plan)]) -> kleene_api::Plan {
        let step = |when: When, op: &Op| PlanStep {
            commands: self.platform.render(op),
            operation: op.to_string(),
            when: when.word().to_owned(),
        };
        kleene_api::Plan {
            jail: plans
                .iter()
                .flat_map(|(_, plan)| plan.jail.iter().map(ToString::to_string))
                .collect(),
            steps: plans
                .iter()
                .flat_map(|(when, plan)| plan.ops.iter().map(|op| step(*when, op)))
                .collect(),
        }
    }
}
