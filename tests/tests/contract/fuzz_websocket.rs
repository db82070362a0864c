//! Every conversation with what nobody should say: never a hang, no more than the protocol allows, the daemon lives,
//! nothing has changed.

use std::io;
use std::time::Duration;

use kleene_tests::Table;
use kleene_tests::wire::{Conversation, opcode};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::random::{Random, seeds};

const ENDPOINTS: [&str; 3] = ["/exec/start", "/images/build", "/images/create"];

/// The conversation is over, by a close frame or by the end of the connection, but not by waiting.
#[track_caller]
fn ends(mut conversation: Conversation) {
    match conversation.try_hear_out() {
        Ok((_, close)) => assert!(matches!(close.code, 1000..=1011), "{close:?}"),
        Err(error) => assert!(
            matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
            "{error:?}"
        ),
    }
}

/// Says something in a conversation.
type Nonsense = Box<dyn Fn(&mut Conversation)>;

/// Everything that a broken client may send first. What was sent may be refused before it is complete.
fn nonsense() -> Vec<(&'static str, Nonsense)> {
    fn boxed(send: impl Fn(&mut Conversation) + 'static) -> Nonsense {
        Box::new(send)
    }
    let frame = |is_final: bool, opcode: u8, payload: &'static [u8]| {
        boxed(move |conversation| drop(conversation.try_send(is_final, opcode, payload)))
    };
    let raw = |bytes: &'static [u8]| boxed(move |conversation| drop(conversation.try_send_raw(bytes)));
    vec![
        ("binary first frame", frame(true, opcode::BINARY, b"{}")),
        ("empty text", frame(true, opcode::TEXT, b"")),
        ("text that is not UTF-8", frame(true, opcode::TEXT, b"\xff\xfe{}")),
        (
            "half a character in a text",
            frame(true, opcode::TEXT, b"{\"a\":\"\xc3"),
        ),
        ("reserved opcode", frame(true, 3, b"x")),
        ("reserved control opcode", frame(true, 11, b"x")),
        ("continuation of nothing", frame(true, opcode::CONTINUATION, b"x")),
        ("fragmented control frame", frame(false, opcode::PING, b"x")),
        ("close without a reason", frame(true, opcode::CLOSE, b"")),
        ("close with half a code", frame(true, opcode::CLOSE, b"\x03")),
        (
            "close with a reserved code",
            frame(true, opcode::CLOSE, &[0x03, 0xed]),
        ),
        (
            "close with a reason that is not UTF-8",
            frame(true, opcode::CLOSE, &[0x03, 0xe8, 0xff]),
        ),
        ("a frame without a mask", raw(b"\x81\x02{}")),
        ("reserved bits", raw(b"\xf1\x82\x00\x00\x00\x00{}")),
        (
            "a length that is not there",
            raw(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"),
        ),
        (
            "the largest length",
            raw(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"),
        ),
        (
            "a control frame of 126 bytes",
            boxed(|c| drop(c.try_send(true, opcode::PING, &[b'x'; 126]))),
        ),
        (
            "a huge frame",
            boxed(|c| drop(c.try_send(true, opcode::TEXT, &vec![b'x'; 3 << 20]))),
        ),
        (
            "a huge message in fragments",
            boxed(|c| {
                let sent = c.try_send(false, opcode::TEXT, &[b' '; 100_000]);
                let more = |c: &mut Conversation| c.try_send(false, opcode::CONTINUATION, &[b' '; 100_000]);
                let _refused = sent.and_then(|()| (0..30).try_for_each(|_| more(c)));
            }),
        ),
        (
            "a message within a message",
            boxed(|c| {
                let begun = c.try_send(false, opcode::TEXT, b"{");
                let _refused = begun.and_then(|()| c.try_send(true, opcode::TEXT, b"{}"));
            }),
        ),
        (
            "deep nesting",
            boxed(|c| drop(c.try_send(true, opcode::TEXT, "[".repeat(100_000).as_bytes()))),
        ),
        (
            "nesting in a known place",
            boxed(|c| {
                let deep = format!("{{\"buildargs\":{}1{}}}", "{\"a\":".repeat(100), "}".repeat(100));
                drop(c.try_send(true, opcode::TEXT, deep.as_bytes()));
            }),
        ),
    ]
}

#[test]
fn openings_that_are_nonsense() {
    let daemon = Daemon::with_running();
    let before = daemon.everything();
    let mut table = Table::new("openings that are nonsense");
    for path in ENDPOINTS {
        for (name, send) in nonsense() {
            table.row(&format!("{path}: {name}"), || {
                let mut conversation = daemon.converse(path);
                send(&mut conversation);
                ends(conversation);
            });
            table.row(&format!("{path}: {name}, and gone"), || {
                let mut conversation = daemon.converse(path);
                send(&mut conversation);
                drop(conversation);
                assert_eq!(daemon.get("/volumes/list").status, 200);
            });
        }
        table.row(&format!("{path}: gone at once"), || {
            for _ in 0..20 {
                drop(daemon.converse(path));
            }
        });
        table.row(&format!("{path}: pings without end"), || {
            let mut conversation = daemon.converse(path);
            for number in 0..500_u16 {
                conversation.send(opcode::PING, &number.to_be_bytes());
                assert_eq!(conversation.hear().payload, number.to_be_bytes());
            }
        });
    }
    table.row("nothing has changed", || assert_eq!(daemon.everything(), before));
}

#[test]
fn configurations_that_are_wrong() {
    let daemon = Daemon::with_running();
    let before = daemon.everything();
    let mut table = Table::new("configurations that are wrong");
    let good = [
        json!({"exec_id": "none", "attach": true, "start_container": true}),
        json!({"context": "/none", "container_config": {"cmd": [], "env": [], "mounts": []}, "dockerfile": "none",
            "tag": "", "quiet": false, "cleanup": true, "buildargs": {}, "networks": []}),
        json!({"method": "fetch", "url": "file:///none", "tag": "", "dns": true, "localtime": true, "update": false,
            "zfs_dataset": "", "autotag": false}),
    ];
    for seed in seeds(60) {
        for (path, good) in ENDPOINTS.into_iter().zip(&good) {
            let mut random = Random::new(seed);
            let mut config = good.clone();
            let opening = match random.below(6) {
                0 => random.json(4).to_string(),
                1 => good.to_string()[..random.below(40)].to_owned(),
                _ => {
                    if let Value::Object(config) = &mut config {
                        let keys: Vec<String> = config.keys().cloned().collect();
                        for _ in 0..=random.below(2) {
                            let wrong = random.json(3);
                            config.insert(random.pick(&keys).clone(), wrong);
                        }
                    }
                    config.to_string()
                }
            };
            table.row(&format!("KLEENE_FUZZ_SEED={seed}, {path}"), || {
                let mut conversation = daemon.converse(path);
                conversation.say(&opening);
                let (frames, close) = conversation.hear_out();
                assert!(
                    matches!(close.code, 1002 | 1011) && !close.reason.is_empty(),
                    "{close:?} to {opening}"
                );
                let reason: Value = serde_json::from_str(&close.reason).unwrap();
                assert_eq!(reason["msg_type"], "error", "{reason}");
                assert!(frames.iter().all(|frame| frame.as_text().is_some()), "{frames:?}");
            });
        }
    }
    table.row("nothing has changed", || assert_eq!(daemon.everything(), before));
}

#[test]
fn attached_clients_that_misbehave() {
    let daemon = Daemon::with_running();
    let before = daemon.everything();
    let mut table = Table::new("attached clients that misbehave");
    for (name, send) in nonsense() {
        table.row(name, || {
            let mut conversation = daemon.attach(&daemon.exec("box", &["/bin/busybox", "cat"]));
            send(&mut conversation);
            drop(conversation);
            assert!(daemon.is_running("box"));
        });
    }
    for seed in seeds(60) {
        table.row(&format!("KLEENE_FUZZ_SEED={seed}: anything for a frame"), || {
            let mut random = Random::new(seed);
            let mut conversation = daemon.attach(&daemon.exec("box", &["/bin/busybox", "cat"]));
            for _ in 0..random.below(10) {
                let bytes = random.bytes(300);
                let sent = match random.below(3) {
                    0 => conversation.try_send_raw(&bytes),
                    1 => conversation.try_send(random.below(2) == 0, random.below(16) as u8, &bytes),
                    _ => conversation.try_send(true, opcode::BINARY, &bytes),
                };
                if sent.is_err() {
                    break;
                }
            }
        });
    }
    table.row("all of their processes end, and nothing has changed", || {
        let settled = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            daemon.everything() == before
        });
        assert!(settled, "{:?}\nbefore: {before:?}", daemon.everything());
    });
}

#[test]
fn handshakes_that_are_wrong() {
    let daemon = Daemon::bare();
    let mut table = Table::new("handshakes that are wrong");
    let good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for path in ENDPOINTS {
        for (name, headers) in [
            ("no headers", String::new()),
            ("an old version", good.replace("13", "8")),
            ("no key", good.replace("Sec-WebSocket-Key", "X")),
            ("no version", good.replace("Sec-WebSocket-Version", "X")),
            ("another protocol", good.replace("websocket\r\n", "h2c\r\n")),
            (
                "no connection header",
                good.replace("Connection: Upgrade\r\n", ""),
            ),
        ] {
            table.row(&format!("{path}: {name}"), || {
                let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
                assert_eq!(daemon.exchange(request.as_bytes()).failure().0, 426);
            });
        }
        table.row(&format!("{path}: POST"), || {
            let request =
                format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n{good}\r\n");
            assert_eq!(daemon.exchange(request.as_bytes()).status, 404);
        });
    }
}
