//! Every endpoint with what nobody should send: never a 5xx, never a hang, the daemon lives, nothing has changed.

use std::io::{Read, Write};
use std::net::Shutdown;

use kleene_tests::Table;
use kleene_tests::wire::{Answer, original_request};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::random::{Random, seeds};

/// Method, path, and a body that would do if there were what it names. `{}` stands for an identifier.
const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("GET", "/containers/list", ""),
    (
        "POST",
        "/containers/create",
        r#"{"image":"none-","cmd":["x"],"env":["A=1"],"mounts":[{"type":"volume","source":"v","destination":"/d","read_only":true}],"jail_param":["a=b"],"network_driver":"ipnet","public_ports":[{"interfaces":[],"host_port":"80","container_port":"80","protocol":"tcp"}],"restart_policy":"no","persist":false,"user":"root","name":"ab"}"#,
    ),
    ("GET", "/containers/{}/inspect", ""),
    ("DELETE", "/containers/{}", ""),
    ("POST", "/containers/{}/stop", ""),
    (
        "POST",
        "/containers/{}/update",
        r#"{"name":"ab","user":"x","env":["A=1"],"cmd":["x"],"persist":true,"restart_policy":"no","jail_param":["a=b"]}"#,
    ),
    (
        "POST",
        "/exec/create",
        r#"{"container_id":"none-","cmd":["x"],"env":["A=1"],"user":"x","tty":true}"#,
    ),
    ("POST", "/exec/{}/stop", ""),
    ("GET", "/images/list", ""),
    ("GET", "/images/{}/inspect", ""),
    ("POST", "/images/{}/tag", ""),
    ("DELETE", "/images/{}", ""),
    (
        "POST",
        "/networks/create",
        r#"{"name":"-","type":"bridge","interface":"i","subnet":"10.0.0.0/24","subnet6":"","gateway":"","gateway6":"","nat":"","icc":true,"internal":false}"#,
    ),
    ("GET", "/networks/list", ""),
    ("GET", "/networks/{}/inspect", ""),
    ("DELETE", "/networks/{}", ""),
    (
        "POST",
        "/networks/connect",
        r#"{"container":"none-","network":"none-","ip_address":"","ip_address6":""}"#,
    ),
    ("POST", "/networks/{}/disconnect/{}", ""),
    ("GET", "/volumes/list", ""),
    ("POST", "/volumes/create", r#"{"name":"-"}"#),
    ("GET", "/volumes/{}/inspect", ""),
    ("DELETE", "/volumes/{}", ""),
    (
        "POST",
        "/plans/network",
        r#"{"name":"n","type":"bridge","interface":"i","subnet":"10.77.0.0/24","subnet6":"","gateway":"","gateway6":"","nat":"","icc":true,"internal":false}"#,
    ),
    (
        "POST",
        "/plans/connect",
        r#"{"container":"none-","network":"none-","ip_address":"","ip_address6":""}"#,
    ),
    (
        "POST",
        "/plans/container",
        r#"{"container":{"image":"minimal","cmd":["x"],"env":["A=1"],"name":"ab"},"endpoint":{"container":"","network":"none-"},"start":true}"#,
    ),
    ("GET", "/openapi.json", ""),
    ("GET", "/system/doctor", ""),
    ("POST", "/system/repair", ""),
    ("GET", "/exec/start", ""),
    ("GET", "/images/build", ""),
    ("GET", "/images/create", ""),
    ("GET", "/images/push", ""),
    ("GET", "/images/{}/export", ""),
    ("POST", "/images/load", ""),
];

/// Something of every kind, so that there is something to be broken.
fn inhabited() -> Daemon {
    let daemon = Daemon::with_running();
    daemon.network(json!({"name": "lan", "subnet": "10.1.0.0/24"}));
    daemon.volume("data");
    daemon.container("still", json!({"network_driver": "vnet"}));
    assert_eq!(daemon.connect("still", "lan", "<auto>").status, 204);
    daemon
}

/// A path segment that names nothing that is there: an id has no `-`, and no name ends with one.
fn segment(random: &mut Random) -> String {
    let raw = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    match random.below(8) {
        0 => raw(&random.text()),
        1 => "%ff%fe".to_owned(),
        2 => "%".to_owned(),
        3 => "%zz-".to_owned(),
        4 => "%00".to_owned(),
        5 => "..".to_owned(),
        6 => format!("{}-", "a".repeat(random.below(3000))),
        _ => format!("{}-", raw("a/b:c@d")),
    }
}

fn query(random: &mut Random) -> String {
    let wrong = [
        "",
        "?",
        "?&&&=",
        "?all=perhaps&all=1",
        "?%ff=%fe",
        "?all=%",
        "?nametag=a:b:c&nametag=:",
        "?x[]=1&x[a]=2",
        "?force_stop=true&force_stop=x&stop_container=true",
        "?force_stop=true&stop_container=true",
        "?nametag=%00",
    ];
    match random.below(3) {
        0 => format!("?{}={}", "k".repeat(random.below(4000)), random.next()),
        _ => (*random.pick(&wrong)).to_owned(),
    }
}

/// The body with something wrong in one place, or something else altogether.
fn body(random: &mut Random, good: &str) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(good).unwrap_or(Value::Null);
    match random.below(9) {
        0 => good.as_bytes()[..random.below(good.len())].to_vec(),
        1 => {
            let mut bytes = good.as_bytes().to_vec();
            let place = random.below(bytes.len() + 1);
            bytes.insert(place, 0xff);
            bytes
        }
        2 => random.bytes(300),
        3 => {
            let depth = 1 + random.below(20_000);
            let (open, close) = *random.pick(&[("[", "]"), ("{\"a\":", "}")]);
            format!("{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes()
        }
        4 => random.json(3).to_string().into_bytes(),
        // The same key twice, the second time wrong.
        5 => format!(
            "{{\"name\":\"x\",\"name\":{},\"image\":7,\"container_id\":7,\"container\":7}}",
            random.json(1)
        )
        .into_bytes(),
        _ => {
            if let Some(object) = value.as_object_mut() {
                let keys: Vec<String> = object.keys().cloned().collect();
                let key = random.pick(&keys).clone();
                let wrong = if random.below(3) == 0 {
                    json!(random.text())
                } else {
                    random.json(2)
                };
                object.insert(key, wrong);
                // Whatever was hit, these keep it from being made.
                for (key, bad) in [
                    ("image", json!("none-")),
                    ("container_id", json!("none-")),
                    ("container", json!("none-")),
                ] {
                    object.entry(key).or_insert(bad);
                }
            }
            value.to_string().into_bytes()
        }
    }
}

fn request(random: &mut Random, (method, path, good): (&str, &str, &str)) -> Vec<u8> {
    let mut path = path.to_owned();
    while path.contains("{}") {
        path = path.replacen("{}", &segment(random), 1);
    }
    let body = if good.is_empty() {
        Vec::new()
    } else {
        body(random, good)
    };
    // A volume has nothing but its name, and a network little more.
    let would_be_made = serde_json::from_slice::<Value>(&body).is_ok_and(|body| {
        let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
        path.ends_with("/volumes/create")
            || path.ends_with("/networks/create") && text("name").ends_with(|c: char| c.is_alphanumeric())
    });
    let body = if would_be_made { b"{".to_vec() } else { body };
    let types = [
        "application/json",
        "application/json",
        "application/json",
        "application/json; charset=latin1",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "json",
        "",
        "/",
        "\u{fffd}",
    ];
    let media_type = random.pick(&types);
    let mut request =
        format!("{method} {path}{} HTTP/1.1\r\nhost: localhost\r\n", query(random)).into_bytes();
    if !good.is_empty() {
        request.extend(format!("content-type: {media_type}\r\ncontent-length: {}\r\n", body.len()).bytes());
    }
    request.extend(b"\r\n");
    request.extend(body);
    request
}

/// What is documented, and nothing that an insider would say.
fn is_sane(answer: &Answer, request: &[u8]) {
    // What changes nothing may succeed.
    let is_harmless = ["GET ", "POST /plans/", "POST /system/repair"]
        .iter()
        .any(|beginning| request.starts_with(beginning.as_bytes()));
    assert!(
        is_harmless && matches!(answer.status, 200 | 426) || (400..500).contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    for insider in ["panicked", "src/", "RUST_", "sqlite"] {
        assert!(!answer.text().contains(insider), "{}", answer.text());
    }
    if answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        let _body = answer.json();
    }
}

#[test]
fn requests_that_are_wrong() {
    let daemon = inhabited();
    let before = daemon.everything();
    let mut table = Table::new("requests that are wrong");
    for seed in seeds(60) {
        for (index, endpoint) in ENDPOINTS.iter().enumerate() {
            let mut random = Random::new(seed * 1000 + index as u64);
            let request = request(&mut random, *endpoint);
            table.row(
                &format!("KLEENE_FUZZ_SEED={seed}, {} {}", endpoint.0, endpoint.1),
                || {
                    let shown = String::from_utf8_lossy(&request[..request.len().min(500)]).into_owned();
                    let answer = daemon
                        .try_exchange(&request)
                        .unwrap_or_else(|error| panic!("{error}: {shown}"));
                    let checked = std::panic::catch_unwind(|| is_sane(&answer, &request));
                    assert!(checked.is_ok(), "{} {} to {shown}", answer.status, answer.text());
                },
            );
        }
    }
    table.row("nothing has changed", || assert_eq!(daemon.everything(), before));
}

#[test]
fn bodies_larger_than_8_mb() {
    let daemon = inhabited();
    let before = daemon.everything();
    let mut table = Table::new("bodies larger than 8 MB");
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(8_500_000));
    for (method, path, good) in ENDPOINTS.iter().filter(|(_, _, good)| !good.is_empty()) {
        let path = path.replace("{}", "box");
        assert!(!good.is_empty());
        table.row(&path, || {
            let answer = daemon.exchange(&original_request(method, &path, Some(&large)));
            assert_eq!(answer.failure().0, 413);
        });
        table.row(&format!("{path}, in chunks"), || {
            let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
            for chunk in large.as_bytes().chunks(500_000) {
                request.extend(format!("{:x}\r\n", chunk.len()).bytes());
                request.extend(chunk);
                request.extend(b"\r\n");
            }
            request.extend(b"0\r\n\r\n");
            assert_eq!(daemon.exchange(&request).failure().0, 413);
        });
    }
    table.row("nothing has changed", || assert_eq!(daemon.everything(), before));
}

#[test]
fn what_is_not_http() {
    let daemon = inhabited();
    let before = daemon.everything();
    let mut table = Table::new("what is not HTTP");
    let many = "x: y\r\n".repeat(2000);
    let wide = "y".repeat(2_000_000);
    let fixed: Vec<Vec<u8>> = [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /volumes/list HTTP/1.1\r\n\r\n",
        "get /volumes/list http/1.1\r\nhost: localhost\r\n\r\n",
        "GET http://[::1/volumes/list HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: -1\r\n\r\n",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        "POST /volumes/create HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n",
        &format!("GET /volumes/list HTTP/1.1\r\n{many}\r\n"),
        &format!("GET /volumes/list HTTP/1.1\r\nx: {wide}\r\n\r\n"),
        &format!("GET /{wide} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let random = seeds(60).map(|seed| Random::new(seed).bytes(2000));
    for (index, bytes) in fixed.into_iter().chain(random).enumerate() {
        table.row(
            &format!(
                "{index}: {}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
            ),
            || {
                let mut stream = daemon.open().unwrap();
                // It may be refused before all of it is sent.
                let _sent = stream.write_all(&bytes);
                let _shut = stream.shutdown(Shutdown::Write);
                let mut answer = Vec::new();
                match stream.read_to_end(&mut answer) {
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
                    read => {
                        read.unwrap_or_else(|error| panic!("{error}"));
                    }
                }
                let answer = String::from_utf8_lossy(&answer);
                assert!(
                    !answer.contains(" 500 ") && !answer.contains("panicked"),
                    "{answer}"
                );
            },
        );
        table.row(&format!("{index}: the daemon answers"), || {
            assert_eq!(daemon.get("/volumes/list").status, 200)
        });
    }
    table.row("connections that say nothing", || {
        let silent: Vec<_> = (0..200).map(|_| daemon.open().unwrap()).collect();
        assert_eq!(daemon.get("/volumes/list").status, 200);
        drop(silent);
    });
    table.row("nothing has changed", || assert_eq!(daemon.everything(), before));
}
