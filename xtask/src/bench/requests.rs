//! Requests to a daemon's interface, timed one by one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kleene_tests::Host;
use kleene_tests::wire::{Client, original_request};
use serde_json::json;

use super::median;

/// How often something is asked for.
const REQUESTS: usize = 100;

/// How long it takes to connect a container and to disconnect it: medians.
#[derive(Debug, Clone, Copy)]
pub struct Connecting {
    pub connect: Duration,
    pub disconnect: Duration,
}

impl Connecting {
    /// Connects a container to a network, at any address that is free, and disconnects it, again and again.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn measure(host: &Host, container: &str, network: &str) -> Result<Self> {
        let client = Client::new(host.socket());
        let config = json!({
            "container": container, "network": network, "ip_address": "<auto>", "ip_address6": "",
        });
        let disconnection = format!("/networks/{network}/disconnect/{container}");
        let (mut connects, mut disconnects) = (Vec::new(), Vec::new());
        for _ in 0..REQUESTS {
            connects.push(post(&client, "/networks/connect", Some(&config.to_string()))?);
            disconnects.push(post(&client, &disconnection, None)?);
        }
        Ok(Self {
            connect: median(connects),
            disconnect: median(disconnects),
        })
    }
}

fn post(client: &Client, path: &str, body: Option<&str>) -> Result<Duration> {
    let answer = client
        .try_exchange(&original_request("POST", path, body))
        .with_context(|| format!("no answer to POST {path}"))?;
    ensure!(
        answer.status < 300,
        "POST {path}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Ok(answer.elapsed)
}
