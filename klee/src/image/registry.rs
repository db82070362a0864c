//! `klee image pull` and `klee image push`: images in registries.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};
use kleene_api::{ImageCreateConfig, ImageCreateMethod, ImagePushConfig};

use super::credentials;
use super::follow::follow;
use crate::failure::Outcome;
use crate::session::Session;

const REFERENCES: &str = "\
References are written [HOST[:PORT]/]NAME[:TAG], or with @sha256:… behind the
name; without a host they are those of Docker Hub. Registries on the daemon's
host, and its insecure_registries, are spoken to without TLS.

User and password are taken from --creds, or from the files that `podman login`
and `docker login` write.";

/// Get an image from a registry
#[derive(Debug, Args)]
#[command(after_help = REFERENCES)]
pub struct Pull {
    /// Name of the image: name[:tag], instead of the one that it has in the registry
    #[arg(short, long, default_value = "", hide_default_value = true)]
    tag: String,
    /// What the image shall run on, instead of the daemon's host: os/architecture[/variant]
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// User and password for the registry
    #[arg(long, value_name = "USER:PASSWORD")]
    creds: Option<String>,
    /// Do not copy the host's /etc/resolv.conf, nor add a missing /etc/hosts
    #[arg(long = "no-dns", action = ArgAction::SetFalse)]
    dns: bool,
    /// Do not copy the host's /etc/localtime
    #[arg(long = "no-localtime", action = ArgAction::SetFalse)]
    localtime: bool,
    /// Image in a registry
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    reference: String,
}

impl Pull {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let config = ImageCreateConfig {
            credentials: credentials::find(self.creds.as_deref(), &self.reference)?,
            dns: self.dns,
            localtime: self.localtime,
            platform: self.platform,
            tag: self.tag,
            // A path is a matter of `create` and `load`, whatever it looks like.
            url: format!(
                "docker://{}",
                self.reference
                    .strip_prefix("docker://")
                    .unwrap_or(&self.reference)
            ),
            ..ImageCreateConfig::new(ImageCreateMethod::Oci)
        };
        follow(session, "create", &config, "Pulling image").await
    }
}

/// Send an image to a registry
#[derive(Debug, Args)]
#[command(after_help = REFERENCES)]
pub struct Push {
    /// User and password for the registry
    #[arg(long, value_name = "USER:PASSWORD")]
    creds: Option<String>,
    /// name[:tag], id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    image: String,
    /// What it shall be called in the registry
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    reference: String,
}

impl Push {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let config = ImagePushConfig {
            credentials: credentials::find(self.creds.as_deref(), &self.reference)?,
            image: self.image,
            reference: self.reference,
        };
        follow(session, "push", &config, "Pushing image").await
    }
}
