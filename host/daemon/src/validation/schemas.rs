//! The declared shape of every body and of every set of query parameters, in one place, to be held beside the
//! contract. Fields stand in alphabetical order.

use kleene_api::{
    ContainerConfig, ContainerPlanConfig, ContainerUpdate, EndPointConfig, ExecConfig, ExecStartConfig,
    ImageBuildConfig, ImageCommitConfig, ImageCreateConfig, ImageCreateMethod, ImagePushConfig, MountType,
    NetworkConfig, NetworkDriver, NetworkType, Protocol, RestartPolicy, VolumeConfig,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Described, Field, Kind};

const STRINGS: Kind = Kind::List(&Kind::String);
const TERMINAL_SIDE: Kind = Kind::Integer(u16::MAX as u64);

const CREDENTIALS: &[Field] = &[
    Field::new("password", Kind::String).required(),
    Field::new("username", Kind::String).required(),
];

const MOUNT_POINT: &[Field] = &[
    Field::new("destination", Kind::String).required(),
    Field::new("read_only", Kind::Boolean),
    Field::new("source", Kind::String).required(),
    Field::new("type", Kind::OneOf(MountType::WORDS)).required(),
];

const PUBLISHED_PORT: &[Field] = &[
    Field::new("container_port", Kind::String).required(),
    Field::new("host_port", Kind::String).required(),
    Field::new("interfaces", STRINGS).required(),
    Field::new("protocol", Kind::OneOf(Protocol::WORDS)),
];

/// The body that creates and updates a container; only what may stand in `mounts` differs.
const fn container(mount: &'static Kind) -> [Field; 15] {
    [
        Field::new("cmd", STRINGS).nullable(),
        Field::new("entrypoint", STRINGS).nullable(),
        Field::new("env", STRINGS).nullable(),
        Field::new("image", Kind::String).nullable(),
        Field::new("jail_param", STRINGS).nullable(),
        Field::new("labels", Kind::Map(&Kind::String)).nullable(),
        Field::new("mounts", Kind::List(mount)).nullable(),
        Field::new("name", Kind::String).nullable(),
        Field::new("network_driver", Kind::OneOf(NetworkDriver::WORDS)),
        Field::new("persist", Kind::Boolean).nullable(),
        Field::new("public_ports", Kind::List(&Kind::Object(PUBLISHED_PORT))).nullable(),
        Field::new("restart_policy", Kind::OneOf(RestartPolicy::WORDS)).nullable(),
        Field::new("stop_signal", Kind::String).nullable(),
        Field::new("user", Kind::String).nullable(),
        Field::new("working_dir", Kind::String).nullable(),
    ]
}

impl Described for ContainerConfig {
    const FIELDS: &'static [Field] = &container(&Kind::Deferred(&Kind::Object(MOUNT_POINT)));
}

impl Described for ContainerUpdate {
    const FIELDS: &'static [Field] = &container(&Kind::Anything);
}

impl Described for ExecConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("cmd", STRINGS),
        Field::new("cols", TERMINAL_SIDE).nullable(),
        Field::new("container_id", Kind::String),
        Field::new("env", STRINGS),
        Field::new("rows", TERMINAL_SIDE).nullable(),
        Field::new("tty", Kind::Boolean),
        Field::new("user", Kind::String),
    ];
}

impl Described for ExecStartConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("attach", Kind::Boolean).required(),
        Field::new("control", Kind::Boolean),
        Field::new("exec_id", Kind::String).required(),
        Field::new("start_container", Kind::Boolean).required(),
    ];
}

const CONTEXT_UPLOAD: &[Field] = &[Field::new("dockerfile", Kind::String).nullable()];

impl Described for ImageBuildConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("buildargs", Kind::Map(&Kind::String)),
        Field::new("cache", Kind::Boolean),
        Field::new("cleanup", Kind::Boolean),
        Field::new("container_config", Kind::Object(ContainerConfig::FIELDS)).required(),
        Field::new("context", Kind::String).required(),
        Field::new("diagnostics", Kind::Boolean),
        Field::new("dockerfile", Kind::String),
        Field::new("networks", Kind::List(&Kind::Object(EndPointConfig::FIELDS))),
        Field::new("quiet", Kind::Boolean),
        Field::new("tag", Kind::String),
        Field::new("target", Kind::String),
        Field::new("upload", Kind::Object(CONTEXT_UPLOAD)).nullable(),
    ];
}

impl Described for ImageCommitConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("container", Kind::String).required(),
        Field::new("labels", Kind::Map(&Kind::String)),
        Field::new("message", Kind::String),
        Field::new("tag", Kind::String),
    ];
}

impl Described for ImageCreateConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("autotag", Kind::Boolean),
        Field::new("checksum", Kind::String),
        Field::new("credentials", Kind::Object(CREDENTIALS)).nullable(),
        Field::new("dns", Kind::Boolean),
        Field::new("localtime", Kind::Boolean),
        Field::new("method", Kind::OneOf(ImageCreateMethod::WORDS)).required(),
        Field::new("mirror", Kind::String),
        Field::new("platform", Kind::String),
        Field::new("programs", STRINGS),
        Field::new("tag", Kind::String),
        Field::new("update", Kind::Boolean),
        Field::new("url", Kind::String),
        Field::new("zfs_dataset", Kind::String),
    ];
}

impl Described for ImagePushConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("credentials", Kind::Object(CREDENTIALS)).nullable(),
        Field::new("image", Kind::String).required(),
        Field::new("reference", Kind::String).required(),
    ];
}

impl Described for NetworkConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("gateway", Kind::String),
        Field::new("gateway6", Kind::String),
        Field::new("icc", Kind::Boolean),
        Field::new("interface", Kind::Short(15)),
        Field::new("internal", Kind::Boolean),
        Field::new("name", Kind::String).required(),
        Field::new("nat", Kind::String),
        Field::new("subnet", Kind::String),
        Field::new("subnet6", Kind::String),
        Field::new("type", Kind::OneOf(NetworkType::WORDS)).required(),
    ];
}

impl Described for EndPointConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("container", Kind::String).required(),
        Field::new("ip_address", Kind::String),
        Field::new("ip_address6", Kind::String),
        Field::new("network", Kind::String).required(),
    ];
}

impl Described for ContainerPlanConfig {
    const FIELDS: &'static [Field] = &[
        Field::new("container", Kind::Object(ContainerConfig::FIELDS)).required(),
        Field::new("endpoint", Kind::Object(EndPointConfig::FIELDS)).nullable(),
        Field::new("start", Kind::Boolean),
    ];
}

impl Described for VolumeConfig {
    const FIELDS: &'static [Field] = &[Field::new("name", Kind::String).required()];
}

/// Parameters of `GET /containers/list`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ListContainers {
    /// Whether to show those that do not run.
    #[serde(default)]
    pub all: bool,
}

impl Described for ListContainers {
    const FIELDS: &'static [Field] = &[Field::new("all", Kind::Boolean)];
}

/// Parameters of `POST /containers/{id}/stop`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StopContainer {
    /// How many seconds its processes have to end by themselves, up to an hour; 3.5 unless it is said, because clients
    /// of 0.1.1 wait no more than 5 for the answer.
    pub timeout: Option<u64>,
}

impl Described for StopContainer {
    const FIELDS: &'static [Field] = &[Field::new("timeout", Kind::Integer(3600))];
}

/// Parameters of `POST /exec/{id}/stop`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ExecStop {
    /// Whether to kill instead of asking.
    pub force_stop: bool,
    /// Whether to stop the container as well.
    pub stop_container: bool,
}

impl Described for ExecStop {
    const FIELDS: &'static [Field] = &[
        Field::new("force_stop", Kind::Boolean).required(),
        Field::new("stop_container", Kind::Boolean).required(),
    ];
}

/// Parameters of `POST /images/{id}/tag`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TagImage {
    /// `name[:tag]`; empty to take name and tag away.
    pub nametag: String,
}

impl Described for TagImage {
    const FIELDS: &'static [Field] = &[Field::new("nametag", Kind::String).required()];
}

/// Parameters of `POST /images/load`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct LoadImage {
    /// Whether to copy the host's `/etc/resolv.conf` and to add a missing `/etc/hosts`; yes unless it is said.
    pub dns: Option<bool>,
    /// Whether to copy the host's `/etc/localtime`; yes unless it is said.
    pub localtime: Option<bool>,
    /// What the image shall run on, `os/architecture[/variant]`; empty: this host.
    pub platform: String,
    /// `name[:tag]` of the new image; empty: what it is called in the archive.
    pub tag: String,
}

impl Described for LoadImage {
    const FIELDS: &'static [Field] = &[
        Field::new("dns", Kind::Boolean),
        Field::new("localtime", Kind::Boolean),
        Field::new("platform", Kind::String),
        Field::new("tag", Kind::String),
    ];
}

/// Parameters of `POST /images/prune`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PruneImages {
    /// Whether to remove images that have a name, too.
    pub all: bool,
}

impl Described for PruneImages {
    const FIELDS: &'static [Field] = &[Field::new("all", Kind::Boolean).required()];
}
