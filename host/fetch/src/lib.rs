//! Downloads over HTTP as blocking readers, and what else an engine of blocking code needs to be a client: threads that
//! drive connections, and whom TLS trusts.
//!
//! * [`Download`]: the content of a URL, as it comes
//! * [`wait`]: waits for a future, and gives up when nobody waits for the result any more
//! * [`authorities`]: the certificate authorities of this system
//!
//! Proxies are those of the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.

mod download;
mod error;
mod online;

pub use download::{Download, Patience};
pub use error::{FetchError, in_words};
pub use online::{authorities, prepare_tls, wait};
