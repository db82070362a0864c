//! A daemon on a host of its own, and what the tables need to be there, made as the original client makes it.

use std::ops::Deref;

use kleene_tests::wire::{Answer, Client, Close, Conversation, Frame};
use kleene_tests::{Host, unmeasured, write};
use serde_json::{Value, json};

/// What an attached client is told first.
pub const STARTING: &str = r#"{"data":"","message":"","msg_type":"starting"}"#;

/// A daemon and a client of it.
pub struct Daemon {
    pub host: Host,
    client: Client,
}

impl Deref for Daemon {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Daemon {
    pub fn bare() -> Self {
        let host = Host::start();
        let client = Client::new(host.socket());
        Self { host, client }
    }

    /// With the image `minimal`: a shell and busybox.
    pub fn with_image() -> Self {
        let daemon = Self::bare();
        daemon.image("minimal");
        daemon
    }

    /// With the image `minimal` and the container `box`, which runs.
    pub fn with_running() -> Self {
        let daemon = Self::with_image();
        daemon.container("box", json!({}));
        daemon.start("box");
        daemon
    }

    /// Makes an image with this tag.
    #[track_caller]
    pub fn image(&self, tag: &str) -> String {
        let opening = json!({"method": "host", "tag": tag, "dns": false, "localtime": false,
            "programs": ["/bin/sh", "/bin/busybox", "/bin/true"]});
        let (frames, close) = self.converse("/images/create").begin(&opening).hear_out();
        let reason: Value = serde_json::from_str(&close.reason).unwrap();
        assert_eq!(close.code, 1000, "{frames:?} {reason}");
        reason["data"].as_str().unwrap().to_owned()
    }

    /// Builds an image from this Dockerfile, in a context that holds nothing else.
    #[track_caller]
    pub fn build(&self, dockerfile: &str, config: Value) -> (Vec<String>, Close) {
        let context = self.host.directory("context");
        write(context.join("Dockerfile"), dockerfile);
        let opening = json!({"context": context, "container_config": {"network_driver": "host"}});
        let conversation = self.converse("/images/build");
        conversation.begin(&merged(opening, config)).hear_texts()
    }

    /// As [`Daemon::build`]; returns the id of the image.
    #[track_caller]
    pub fn built(&self, dockerfile: &str, tag: &str) -> String {
        let (texts, close) = self.build(dockerfile, json!({"tag": tag}));
        let reason: Value = serde_json::from_str(&close.reason).unwrap();
        assert_eq!(close.code, 1000, "{texts:?} {reason}");
        reason["data"].as_str().unwrap().to_owned()
    }

    /// The answer to the creation of a container of this configuration, laid over one that sleeps on the host's
    /// network.
    #[track_caller]
    pub fn create(&self, config: Value) -> Answer {
        let base =
            json!({"image": "minimal", "cmd": ["/bin/busybox", "sleep", "1000"], "network_driver": "host"});
        self.send("/containers/create", &merged(base, config))
    }

    /// Makes a container.
    #[track_caller]
    pub fn container(&self, name: &str, config: Value) -> String {
        self.create(merged(json!({"name": name}), config)).id(201)
    }

    /// Prepares a command; without one it is the container's.
    #[track_caller]
    pub fn exec(&self, container: &str, cmd: &[&str]) -> String {
        let body = json!({"cmd": cmd, "container_id": container, "env": [], "tty": false, "user": ""});
        self.send("/exec/create", &body).id(201)
    }

    /// Begins a conversation about an instance.
    #[track_caller]
    pub fn begin(&self, exec: &str, attach: bool) -> Conversation {
        let opening = json!({"exec_id": exec, "attach": attach, "start_container": true});
        self.converse("/exec/start").begin(&opening)
    }

    /// Starts an instance and stays attached to it.
    #[track_caller]
    pub fn attach(&self, exec: &str) -> Conversation {
        let mut conversation = self.begin(exec, true);
        assert_eq!(conversation.hear(), Frame::text(STARTING));
        conversation
    }

    /// Starts a container with its own command, and stays detached.
    #[track_caller]
    pub fn start(&self, container: &str) -> String {
        let exec = self.exec(container, &[]);
        let (frames, close) = self.begin(&exec, false).hear_out();
        assert_eq!((frames.len(), close.code), (0, 1001), "{frames:?} {close:?}");
        exec
    }

    /// The output of a command, and how it ended.
    #[track_caller]
    pub fn output(&self, container: &str, cmd: &[&str]) -> (String, Close) {
        let exec = self.exec(container, cmd);
        let (frames, close) = self.attach(&exec).hear_out();
        let output = frames.iter().map(|frame| String::from_utf8_lossy(&frame.payload));
        (output.collect(), close)
    }

    /// Makes a network of this configuration, laid over a bridge.
    #[track_caller]
    pub fn network(&self, config: Value) -> String {
        let base = json!({"type": "bridge", "nat": ""});
        self.send("/networks/create", &merged(base, config)).id(201)
    }

    /// The answer to a request to connect.
    #[track_caller]
    pub fn connect(&self, container: &str, network: &str, ip_address: &str) -> Answer {
        let body =
            json!({"container": container, "network": network, "ip_address": ip_address, "ip_address6": ""});
        self.send("/networks/connect", &body)
    }

    #[track_caller]
    pub fn volume(&self, name: &str) {
        assert_eq!(self.send("/volumes/create", &json!({"name": name})).id(201), name);
    }

    /// The body of a listing or an inspection.
    #[track_caller]
    pub fn show(&self, path: &str) -> Value {
        self.get(path).success(200)
    }

    /// One key of each object of a listing.
    #[track_caller]
    pub fn column(&self, path: &str, key: &str) -> Vec<String> {
        let list = self.show(path);
        let cells = list.as_array().unwrap().iter();
        cells
            .map(|object| object[key].as_str().unwrap_or("").to_owned())
            .collect()
    }

    #[track_caller]
    pub fn is_running(&self, container: &str) -> bool {
        self.show(&format!("/containers/{container}/inspect"))["container"]["running"] == true
    }

    /// Everything that the daemon shows, and every trace of it on the host: equal before and after what changes
    /// nothing.
    #[track_caller]
    pub fn everything(&self) -> (Vec<Value>, String) {
        let mut shown = Vec::new();
        for (kind, key) in [
            ("containers", "id"),
            ("images", "id"),
            ("networks", "id"),
            ("volumes", "name"),
        ] {
            let query = if kind == "containers" { "?all=true" } else { "" };
            let list = format!("/{kind}/list{query}");
            shown.push(unmeasured(self.show(&list)));
            let ids = self.column(&list, key).into_iter();
            // One that is being removed may be gone by now.
            let inspected = ids.map(|id| self.get(&format!("/{kind}/{id}/inspect")));
            shown.extend(
                inspected
                    .filter(|answer| answer.status == 200)
                    .map(|answer| unmeasured(answer.json())),
            );
        }
        (shown, self.host.traces().unwrap().to_string())
    }
}

/// `over` laid over `under`, key by key.
pub fn merged(mut under: Value, over: Value) -> Value {
    if let (Some(under), Value::Object(over)) = (under.as_object_mut(), over) {
        under.extend(over);
    }
    under
}

/// What a failure is compared with.
pub fn failure(status: u16, message: &str) -> (u16, String) {
    (status, message.to_owned())
}

/// Whether the keys stand in the text in this order.
#[track_caller]
pub fn has_keys_in_order(text: &str, keys: &[&str]) {
    let mut rest = text;
    for key in keys {
        let quoted = format!("\"{key}\":");
        match rest.split_once(&quoted) {
            Some((_, after)) => rest = after,
            None => panic!("no {quoted} in its place in {text}"),
        }
    }
}

/// Whether it is an id: 12 hexadecimal digits that do not read as a number.
pub fn is_id(text: &str) -> bool {
    text.len() == 12
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether it is a time as the contract writes it: `2024-02-29T14:54:05.317207Z`.
pub fn is_timestamp(text: &str) -> bool {
    let pattern = "0000-00-00T00:00:00.000000Z";
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
}
