//! Wire types of Kleene's REST and WebSocket interface.
//!
//! What a request or an answer looks like as JSON, and nothing else: no validation beyond the shape, no
//! transport, no behaviour. The daemon and `klee` both use these types, so they cannot disagree.
//!
//! Fields are declared in the alphabetical order in which `klee … inspect` prints them. Unknown fields are
//! ignored when reading, so that older and newer programs understand each other.

mod answer;
mod container;
mod exec;
mod extension;
mod image;
mod lenient;
mod message;
mod network;
mod plan;
mod system;
mod upload;
mod volume;
mod wire_enum;

pub use answer::{ErrorResponse, IdResponse};
pub use container::{
    Container, ContainerConfig, ContainerInspect, ContainerSummary, ContainerUpdate, MountPoint,
    MountPointConfig, MountType, NetworkDriver, Protocol, PublishedPort, PublishedPortConfig, RestartPolicy,
};
pub use exec::{ExecConfig, ExecControl, ExecStartConfig, TerminalSize, Yes};
pub use extension::Extension;
pub use image::{
    BuildDiagnostic, BuildDiagnosticFrame, Healthcheck, Image, ImageBuildConfig, ImageCommitConfig,
    ImageCreateConfig, ImageCreateMethod, ImageHistoryEntry, ImagePushConfig, ImageSettings, ImageSize,
    Instruction, RegistryCredentials,
};
pub use message::{MessageType, WebSocketMessage};
pub use network::{
    AUTO, EndPoint, EndPointConfig, HOST_GATEWAY, Network, NetworkConfig, NetworkInspect, NetworkType,
};
pub use plan::{ContainerPlanConfig, Plan, PlanStep};
pub use system::{Diagnosis, HostCheck, Repair, Repaired, Unrepaired};
pub use upload::{ContextUpload, UploadControl};
pub use volume::{Volume, VolumeConfig, VolumeInspect};
pub use wire_enum::UnknownValue;
