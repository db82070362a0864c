//! Containers on several networks, and many containers at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kleene_tests::wire::{Client, original_request};
use kleene_tests::{HOST, HOST6, Host, OUTSIDE, OUTSIDE6};
use serde_json::{Value, json};

use super::scene::{PROBE, host_with_probe};

#[test]
fn a_port_of_each_family_leads_to_the_network_that_has_it() {
    let host = host_with_probe();
    host.klee("network create -t bridge --subnet 10.1.0.0/24 four")
        .ok();
    host.klee("network create -t bridge --subnet6 fd00:2::/64 six")
        .ok();
    host.klee(&format!(
        "create --name web -l vnet -n four -p 8080:80 probe {PROBE} serve web 80"
    ))
    .ok();
    host.klee("network connect six web").ok();
    host.klee("start -d web").ok();
    host.run_outside("sleep 0.5").ok();
    let asked = format!("{PROBE} ask tcp:{HOST}:8080 tcp:[{HOST6}]:8080");
    let answer = format!("web sees {OUTSIDE}\nweb sees {OUTSIDE6}\n");
    assert_eq!(host.run_outside(&asked).ok(), answer);
}

/// How many containers come and go.
const CONTAINERS: usize = 200;
/// How many of them run.
const RUNNING: usize = 12;
/// How many requests there are at a time.
const CLIENTS: usize = 8;

fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let answer = client.exchange(&original_request("POST", path, Some(&body.to_string())));
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    assert!(answer.status < 500, "{path}: {} {body}", answer.status);
    (answer.status, body)
}

/// Does something for each number, several at a time.
fn at_once(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    work(number);
                }
            });
        }
    });
}

fn addresses(host: &Host, key: &str) -> Vec<String> {
    let endpoints = host.inspect("network", "net")["network_endpoints"].clone();
    let endpoints = endpoints.as_array().unwrap();
    endpoints
        .iter()
        .map(|endpoint| endpoint[key].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn two_hundred_containers_come_and_go_at_once() {
    let host = host_with_probe();
    let client = Client::new(host.url().strip_prefix("http://").unwrap());
    host.klee("network create -t bridge --subnet 10.1.0.0/24 --subnet6 fd00:1::/64 net")
        .ok();
    at_once(CONTAINERS, |number| {
        let config = json!({
            "name": format!("c{number}x"), "image": "probe", "network_driver": "vnet",
            "cmd": ["/bin/busybox", "sleep", "1000"],
        });
        assert_eq!(post(&client, "/containers/create", &config).0, 201);
    });
    let before = host.traces().unwrap();
    let endpoint = |number: usize| {
        json!({
            "container": format!("c{number}x"), "network": "net",
            "ip_address": "<auto>", "ip_address6": "<auto>",
        })
    };
    at_once(CONTAINERS, |number| {
        assert_eq!(post(&client, "/networks/connect", &endpoint(number)).0, 204);
        if number < RUNNING {
            host.klee(&format!("start -d c{number}x")).ok();
        }
    });
    for key in ["ip_address", "ip_address6"] {
        let given: Vec<_> = addresses(&host, key);
        let different: BTreeSet<_> = given.iter().collect();
        assert_eq!((given.len(), different.len()), (CONTAINERS, CONTAINERS), "{key}");
    }
    // While some leave, others come back.
    at_once(CONTAINERS, |number| {
        let path = format!("/networks/net/disconnect/c{number}x");
        let answer = client.post(&path);
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
        if number >= RUNNING && number % 2 == 0 {
            assert_eq!(post(&client, "/networks/connect", &endpoint(number)).0, 204);
        }
    });
    let given = addresses(&host, "ip_address");
    let different: BTreeSet<_> = given.iter().collect();
    assert_eq!(different.len(), given.len());
    assert_eq!(given.len(), (CONTAINERS - RUNNING) / 2);
    at_once(CONTAINERS, |number| {
        if number < RUNNING {
            host.klee(&format!("stop c{number}x")).ok();
        }
        client.post(&format!("/networks/net/disconnect/c{number}x"));
    });
    assert!(addresses(&host, "ip_address").is_empty());
    let left = host.traces().unwrap().since(&before);
    let named = left.to_string();
    for kind in ["interfaces", "processes", "firewall rules"] {
        assert!(named.contains(&format!("{kind}: none")), "{named}");
    }
    // The bridge has a link-local address since it has had a member.
    for ours in ["10.1.0.", "fd00:1:"] {
        assert!(!named.contains(ours), "{named}");
    }
    at_once(CONTAINERS, |number| {
        let request = original_request("DELETE", &format!("/containers/c{number}x"), None);
        assert_eq!(client.exchange(&request).status, 200);
    });
}
