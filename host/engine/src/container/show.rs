//! Listing and inspecting: reads of the store, plus one look at the jails for their numbers. No plugin is called and
//! nothing is scanned.

use std::collections::HashMap;

use kleene_api::{ContainerInspect, ContainerSummary};
use kleene_plan::Id;
use kleene_store::{Endpoint, StoreError};

use crate::Engine;
use crate::error::Result;
use crate::wire;

impl Engine {
    /// Containers, the newest first; only those that run unless `all`.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn containers(&self, all: bool) -> Result<Vec<ContainerSummary>> {
        let (containers, images, endpoints) = self
            .store
            .read(|read| Ok::<_, StoreError>((read.containers()?, read.images()?, read.endpoints()?)))?;
        let images: HashMap<_, _> = images
            .into_iter()
            .map(|image| (image.id.clone(), image))
            .collect();
        let mut connected: HashMap<Id, Vec<Endpoint>> = HashMap::new();
        for endpoint in endpoints {
            connected
                .entry(endpoint.container.clone())
                .or_default()
                .push(endpoint);
        }
        let jids: HashMap<Id, i64> = self
            .platform
            .jails()?
            .into_iter()
            .map(|jail| (jail.id, i64::from(jail.jid)))
            .collect();
        let shown = containers
            .into_iter()
            .rev()
            .filter(|container| all || container.started.is_some());
        Ok(shown
            .map(|container| {
                let image = images.get(&container.image);
                let endpoints = connected
                    .get(&container.id)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                ContainerSummary {
                    image_name: image.map(|image| image.name.clone()).unwrap_or_default(),
                    image_tag: image.map(|image| image.tag.clone()).unwrap_or_default(),
                    jid: container
                        .started
                        .as_ref()
                        .and_then(|_| jids.get(&container.id).copied()),
                    container: wire::container(&container, endpoints, self.platform.as_ref()),
                }
            })
            .collect())
    }

    /// One container with its endpoints and mounts.
    ///
    /// # Errors
    /// [`ContainerNotFound`](crate::EngineError::ContainerNotFound).
    pub fn inspect_container(&self, given: &str) -> Result<ContainerInspect> {
        let container = self.container_by_id(&self.find_container(given)?)?;
        let mut endpoints = self
            .store
            .read(|read| read.endpoints_of_container(&container.id))?;
        // Ports lead to the first one connected; shown are all by network.
        let shown = wire::container(&container, &endpoints, self.platform.as_ref());
        endpoints.sort_by(|a, b| a.network.cmp(&b.network));
        Ok(ContainerInspect {
            container: shown,
            container_endpoints: endpoints
                .iter()
                .map(|endpoint| wire::endpoint(endpoint, &container))
                .collect(),
            container_mountpoints: container
                .mounts
                .iter()
                .map(|mount| wire::mount(mount, &container.id))
                .collect(),
        })
    }
}
