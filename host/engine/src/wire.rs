//! Records as the API shows them, and the API's words as records have them.

use jiff::Timestamp;
use kleene_api as api;
use kleene_plan::{DatasetName, Protocol};
use kleene_platform::Platform;
use kleene_store as store;

use crate::error::{EngineError, Result};

/// UTC, always with six digits of a second: `2024-02-29T14:54:05.317207Z`.
pub(crate) fn timestamp(time: Timestamp) -> String {
    format!("{time:.6}")
}

pub(crate) fn container(
    container: &store::Container,
    endpoints: &[store::Endpoint],
    platform: &dyn Platform,
) -> api::Container {
    // The first endpoint with an address of a family receives what is published.
    let ip4 = endpoints.iter().find_map(|endpoint| endpoint.ip4);
    let ip6 = endpoints.iter().find_map(|endpoint| endpoint.ip6);
    let port = |port: &store::Port| api::PublishedPort {
        container_port: port.container_ports.to_string(),
        host_port: port.host_ports.to_string(),
        interfaces: port.interfaces.iter().map(ToString::to_string).collect(),
        ip_address: text(ip4),
        ip_address6: text(ip6),
        protocol: match port.protocol {
            Protocol::Udp => api::Protocol::Udp,
            Protocol::Tcp | Protocol::Icmp => api::Protocol::Tcp,
        },
    };
    api::Container {
        cmd: container.cmd.clone(),
        created: timestamp(container.created),
        dataset: platform.full_name(&DatasetName::container(&container.id)),
        env: container.env.clone(),
        id: container.id.to_string(),
        image_id: container.image.to_string(),
        jail_param: container.jail_param.clone(),
        labels: container.labels.clone(),
        name: container.name.as_ref().map(ToString::to_string),
        network_driver: match container.network_driver {
            store::NetworkDriver::Ipnet => api::NetworkDriver::Ipnet,
            store::NetworkDriver::Host => api::NetworkDriver::Host,
            store::NetworkDriver::Vnet => api::NetworkDriver::Vnet,
            store::NetworkDriver::Disabled => api::NetworkDriver::Disabled,
        },
        persist: container.persist,
        public_ports: container.ports.iter().map(port).collect(),
        restart_policy: match container.restart_policy {
            store::RestartPolicy::No => api::RestartPolicy::No,
            store::RestartPolicy::OnStartup => api::RestartPolicy::OnStartup,
        },
        running: container.started.is_some(),
        stop_signal: container.stop_signal.clone(),
        user: container.user.clone(),
        working_dir: container.working_dir.clone(),
    }
}

pub(crate) fn endpoint(endpoint: &store::Endpoint, container: &store::Container) -> api::EndPoint {
    let has_pair = container.network_driver == store::NetworkDriver::Vnet && container.started.is_some();
    let pair = || pair_name(endpoint.host_interface.as_str());
    api::EndPoint {
        container_id: endpoint.container.to_string(),
        epair: has_pair.then(pair),
        id: endpoint.id.to_string(),
        ip_address: text(endpoint.ip4),
        ip_address6: text(endpoint.ip6),
        network_id: endpoint.network.to_string(),
    }
}

/// A pair's name is that of the host's side less the side itself, one `a`; what stands before it may end so, too.
fn pair_name(host_side: &str) -> String {
    host_side.strip_suffix('a').unwrap_or(host_side).to_owned()
}

pub(crate) fn mount(mount: &store::Mount, container: &kleene_plan::Id) -> api::MountPoint {
    api::MountPoint {
        container_id: container.to_string(),
        destination: mount.destination.clone(),
        read_only: mount.read_only,
        source: mount.source.clone(),
        kind: match mount.kind {
            store::MountKind::Volume => api::MountType::Volume,
            store::MountKind::Nullfs => api::MountType::Nullfs,
        },
    }
}

pub(crate) fn image(image: &store::Image, platform: &dyn Platform) -> api::Image {
    let instruction = |(line, snapshot): &(String, String)| api::Instruction(line.clone(), snapshot.clone());
    api::Image {
        cmd: image.cmd.clone(),
        created: timestamp(image.created),
        dataset: platform.full_name(&DatasetName::image(&image.id)),
        env: image.env.clone(),
        id: image.id.to_string(),
        instructions: image.instructions.iter().map(instruction).collect(),
        name: image.name.clone(),
        settings: settings(&image.settings),
        size: image.size.map(|size| api::ImageSize {
            own: size.own,
            total: size.total,
        }),
        tag: image.tag.clone(),
        user: image.user.clone(),
    }
}

fn settings(settings: &store::ImageSettings) -> api::ImageSettings {
    let healthcheck = |healthcheck: &store::Healthcheck| api::Healthcheck {
        interval: healthcheck.interval,
        retries: healthcheck.retries,
        start_period: healthcheck.start_period,
        test: healthcheck.test.clone(),
        timeout: healthcheck.timeout,
    };
    api::ImageSettings {
        entrypoint: settings.entrypoint.clone(),
        exposed_ports: settings.exposed_ports.clone(),
        healthcheck: settings.healthcheck.as_ref().map(healthcheck),
        labels: settings.labels.clone(),
        platform: settings.platform.clone(),
        shell: settings.shell.clone(),
        stop_signal: settings.stop_signal.clone(),
        volumes: settings.volumes.clone(),
        working_dir: settings.working_dir.clone(),
    }
}

pub(crate) fn network(network: &store::Network) -> Result<api::Network> {
    Ok(api::Network {
        gateway: network.gateway.to_string(),
        gateway6: network.gateway6.to_string(),
        icc: network.icc,
        id: network.id.to_string(),
        interface: network.interface.to_string(),
        internal: network.internal,
        name: network.name.to_string(),
        nat: text(network.nat.as_ref()),
        subnet: text(network.subnet),
        subnet6: text(network.subnet6),
        kind: network
            .kind
            .to_string()
            .parse()
            .map_err(|error| EngineError::conflict(format!("{error}")))?,
    })
}

pub(crate) fn volume(volume: &store::Volume, platform: &dyn Platform) -> Result<api::Volume> {
    let dataset = DatasetName::volume(&volume.name);
    Ok(api::Volume {
        created: timestamp(volume.created),
        dataset: platform.full_name(&dataset),
        mountpoint: platform.mountpoint(&dataset)?.display().to_string(),
        name: volume.name.to_string(),
    })
}

pub(crate) fn driver_from(driver: api::NetworkDriver) -> store::NetworkDriver {
    match driver {
        api::NetworkDriver::Ipnet => store::NetworkDriver::Ipnet,
        api::NetworkDriver::Host => store::NetworkDriver::Host,
        api::NetworkDriver::Vnet => store::NetworkDriver::Vnet,
        api::NetworkDriver::Disabled => store::NetworkDriver::Disabled,
    }
}

pub(crate) fn policy_from(policy: api::RestartPolicy) -> store::RestartPolicy {
    match policy {
        api::RestartPolicy::No => store::RestartPolicy::No,
        api::RestartPolicy::OnStartup => store::RestartPolicy::OnStartup,
    }
}

pub(crate) fn protocol_from(protocol: api::Protocol) -> Protocol {
    match protocol {
        api::Protocol::Tcp => Protocol::Tcp,
        api::Protocol::Udp => Protocol::Udp,
    }
}

/// What is not there is an empty text on the wire.
fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_whose_name_ends_like_its_side_loses_the_side_alone() {
        assert_eq!(pair_name("k0123456789aba"), "k0123456789ab");
        assert_eq!(pair_name("k0123456789aaa"), "k0123456789aa");
    }
}
