//! `klee image create`: base images, made from an archive, a dataset, or programs of the host.

use clap::{ArgAction, Args};
use kleene_api::{ImageCreateConfig, ImageCreateMethod};

use super::follow::follow;
use crate::failure::{Failure, Outcome};
use crate::session::Session;

const METHODS: &str = "\
Methods:
  fetch       an archive at a URL (SOURCE), or a path on the daemon's host
  fetch-auto  the FreeBSD release that fits the daemon's host
  zfs-copy    a copy of a dataset (SOURCE)
  zfs-clone   a clone of a dataset (SOURCE)
  host        programs of the daemon's host (--bin) and the libraries they need
  oci         an image of a registry, or an OCI layout on its host (SOURCE)";

/// Create a base image
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = METHODS)]
pub struct Create {
    /// Name of the image: name[:tag]
    #[arg(short, long, default_value = "", hide_default_value = true)]
    tag: String,
    /// Do not copy the host's /etc/resolv.conf, nor add a missing /etc/hosts (--dns: do, the default)
    #[arg(long = "no-dns", action = ArgAction::SetFalse, overrides_with = "dns_flag")]
    dns: bool,
    #[arg(long = "dns", hide = true, overrides_with = "dns")]
    dns_flag: bool,
    /// Do not copy the host's /etc/localtime (--localtime: copy it, the default)
    #[arg(long = "no-localtime", action = ArgAction::SetFalse, overrides_with = "localtime_flag")]
    localtime: bool,
    #[arg(long = "localtime", hide = true, overrides_with = "localtime")]
    localtime_flag: bool,
    /// Bring the image up to date with freebsd-update (--no-update: do not, the default)
    #[arg(long, overrides_with = "no_update")]
    update: bool,
    #[arg(long, hide = true, overrides_with = "update")]
    no_update: bool,
    /// Do not name the image after the release with fetch-auto (-a, --autotag: do, the default)
    #[arg(long = "no-autotag", action = ArgAction::SetFalse, overrides_with = "autotag_flag")]
    autotag: bool,
    #[arg(short = 'a', long = "autotag", hide = true, overrides_with = "autotag")]
    autotag_flag: bool,
    /// SHA-256 that the archive must have, with the methods fetch and fetch-auto: sha256:…
    #[arg(long, value_name = "SUM")]
    checksum: Option<String>,
    /// A mirror of https://download.freebsd.org, with the method fetch-auto
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// A program to take, with the method host; an absolute path on the daemon's host
    #[arg(long, value_name = "PROGRAM")]
    bin: Vec<String>,
    /// Where the image comes from; see below
    method: String,
    /// URL, dataset, or image
    source: Vec<String>,
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let config = self.config()?;
        follow(session, "create", &config, "Creating image").await
    }

    fn config(self) -> Result<ImageCreateConfig, Failure> {
        let method = self.method.parse().map_err(|_| {
            Failure::BadValue(format!(
                "unknown method '{}'. Possible methods are: {}.",
                self.method,
                ImageCreateMethod::WORDS.join(", ")
            ))
        })?;
        if !self.bin.is_empty() && method != ImageCreateMethod::Host {
            return Err(Failure::BadValue(format!(
                "The '{method}' method has no '--bin' option."
            )));
        }
        let is_fetched = matches!(method, ImageCreateMethod::Fetch | ImageCreateMethod::FetchAuto);
        if self.checksum.is_some() && !is_fetched {
            return Err(Failure::BadValue(format!(
                "The '{method}' method has no '--checksum' option."
            )));
        }
        if self.mirror.is_some() && method != ImageCreateMethod::FetchAuto {
            return Err(Failure::BadValue(format!(
                "The '{method}' method has no '--mirror' option."
            )));
        }
        let mut config = ImageCreateConfig {
            autotag: self.autotag,
            checksum: self.checksum.unwrap_or_default(),
            dns: self.dns,
            localtime: self.localtime,
            mirror: self.mirror.unwrap_or_default(),
            tag: self.tag,
            update: self.update,
            ..ImageCreateConfig::new(method)
        };
        match method {
            ImageCreateMethod::Fetch | ImageCreateMethod::Oci => {
                config.url = single_source(method, self.source)?
            }
            ImageCreateMethod::ZfsCopy | ImageCreateMethod::ZfsClone => {
                config.zfs_dataset = single_source(method, self.source)?;
            }
            ImageCreateMethod::FetchAuto => {
                // A tag that the user chose wins; a SOURCE has no meaning here and never had.
                config.autotag = self.autotag && config.tag.is_empty();
            }
            ImageCreateMethod::Host => config.programs = programs(self.source, self.bin)?,
        }
        Ok(config)
    }
}

fn single_source(method: ImageCreateMethod, source: Vec<String>) -> Result<String, Failure> {
    let mut source = source.into_iter();
    let Some(first) = source.next() else {
        return Err(Failure::BadValue(format!(
            "The SOURCE argument is needed when creating images using the '{method}' method."
        )));
    };
    no_more(source)?;
    Ok(first)
}

fn programs(source: Vec<String>, programs: Vec<String>) -> Result<Vec<String>, Failure> {
    no_more(source.into_iter())?;
    if programs.is_empty() {
        return Err(Failure::BadValue(
            "At least one '--bin PROGRAM' is needed when creating images using the 'host' method.".to_owned(),
        ));
    }
    Ok(programs)
}

fn no_more(rest: impl Iterator<Item = String>) -> Result<(), Failure> {
    let rest: Vec<String> = rest.collect();
    if rest.is_empty() {
        return Ok(());
    }
    Err(Failure::BadValue(format!(
        "too many arguments: {}",
        rest.join(" ")
    )))
}
