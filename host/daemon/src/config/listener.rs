//! Entries of `listen`: an address, or a table of an address and what TLS needs there.

use std::fmt;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{ListenAddress, Place};
use crate::tls::TlsSettings;

/// An address to listen at, with certificates exactly if it speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    address: ListenAddress,
    tls: Option<TlsSettings>,
}

/// Why address and certificates do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    /// Nothing to speak TLS with.
    #[error(
        "{address} needs a certificate: name its file with 'tlscert' and that of its key with 'tlskey' \
         (`kleened tls-init DIRECTORY` makes both)"
    )]
    NoCertificate {
        /// The address.
        address: ListenAddress,
    },
    /// Certificates without TLS would leave a user wrongly reassured.
    #[error("{address} does not speak TLS and cannot have '{key}': write https:// or take it away")]
    NotSecure {
        /// The address.
        address: ListenAddress,
        /// The setting that it has nevertheless.
        key: &'static str,
    },
}

impl Listener {
    /// An address with certificates if it needs them.
    ///
    /// # Errors
    /// If it needs them and there are none, or the other way round.
    pub fn new(address: ListenAddress, tls: Option<TlsSettings>) -> Result<Self, ListenerError> {
        match (address.is_secure(), &tls) {
            (true, None) => Err(ListenerError::NoCertificate { address }),
            (false, Some(_)) => Err(ListenerError::NotSecure {
                address,
                key: "tlscert",
            }),
            _ => Ok(Self { address, tls }),
        }
    }

    /// An address without TLS, whatever its scheme was.
    #[must_use]
    pub fn plain(address: ListenAddress) -> Self {
        let address = ListenAddress {
            scheme: crate::address::Scheme::Http,
            ..address
        };
        Self { address, tls: None }
    }

    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// What TLS needs there; `None` where it is not spoken.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsSettings> {
        self.tls.as_ref()
    }

    /// Every path of this entry with its key.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let socket = match &self.address.place {
            Place::Unix(path) => Some(("address", path.as_path())),
            Place::Tcp(_) => None,
        };
        let files = self.tls.iter().flat_map(|tls| {
            [
                Some(("tlscert", tls.tlscert.as_path())),
                tls.tlskey.as_deref().map(|path| ("tlskey", path)),
                tls.tlscacert.as_deref().map(|path| ("tlscacert", path)),
            ]
        });
        socket.into_iter().chain(files.flatten())
    }

    /// What is accepted here and has no effect.
    pub(super) fn notice(&self) -> Option<String> {
        self.tls.as_ref()?.tlsdh.as_ref()?;
        Some(format!(
            "'tlsdh' of {} is not used: TLS 1.3 and ECDHE need no such file",
            self.address
        ))
    }
}

/// Settings of an entry, any of which may be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    address: ListenAddress,
    tlscert: Option<std::path::PathBuf>,
    tlskey: Option<std::path::PathBuf>,
    tlscacert: Option<std::path::PathBuf>,
    tlsverify: Option<bool>,
    tlsdh: Option<std::path::PathBuf>,
}

impl TryFrom<Table> for Listener {
    type Error = ListenerError;

    fn try_from(table: Table) -> Result<Self, ListenerError> {
        if !table.address.is_secure() {
            let given = [
                ("tlscert", table.tlscert.is_some()),
                ("tlskey", table.tlskey.is_some()),
                ("tlscacert", table.tlscacert.is_some()),
                ("tlsverify", table.tlsverify == Some(true)),
            ];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((key, _)) => Err(ListenerError::NotSecure {
                    address: table.address,
                    key,
                }),
                None => Self::new(table.address, None),
            };
        }
        let tls = table.tlscert.map(|tlscert| TlsSettings {
            tlscert,
            tlskey: table.tlskey,
            tlscacert: table.tlscacert,
            tlsverify: table.tlsverify.unwrap_or_default(),
            tlsdh: table.tlsdh,
        });
        Self::new(table.address, tls)
    }
}

impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Listener;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a table with 'address' and 'tlscert'")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listener, E> {
                let address = text.parse().map_err(E::custom)?;
                Listener::new(address, None).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listener, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Listener::try_from(table).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(EntryVisitor)
    }
}

impl Serialize for Listener {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Full<'a> {
            address: &'a ListenAddress,
            #[serde(flatten)]
            tls: &'a TlsSettings,
        }

        let address = &self.address;
        match &self.tls {
            Some(tls) => Full { address, tls }.serialize(serializer),
            None => address.serialize(serializer),
        }
    }
}
