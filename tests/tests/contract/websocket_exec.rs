//! §8: conversations about execution instances.

use std::thread;
use std::time::Duration;

use kleene_tests::wire::{Close, Frame, opcode};
use kleene_tests::{Ground, Table, eventually};
use serde_json::{Value, json};

use crate::daemon::{Daemon, STARTING};

const ENDPOINTS: [&str; 3] = ["/exec/start", "/images/build", "/images/create"];

fn failed() -> Close {
    Close::new(1011, "error", "", "error starting exec instance")
}

#[test]
fn handshake() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§8 handshake");
    for path in ENDPOINTS {
        table.row(&format!("{path}: without upgrade headers"), || {
            assert_eq!(daemon.get(path).failure().0, 426);
        });
        // The handshake itself refuses every extension: see Conversation.
        table.row(&format!("{path}: offered compression is not taken"), || {
            drop(daemon.converse(path))
        });
        table.row(
            &format!("{path}: undeclared query parameters are ignored"),
            || {
                drop(daemon.converse(&format!("{path}?x=y")));
            },
        );
    }
}

#[test]
fn config() {
    let daemon = Daemon::with_running();
    let mut table = Table::new("§8 config");
    let refused = |text: &str| {
        let mut conversation = daemon.converse("/exec/start");
        conversation.say(text);
        conversation.hear_texts()
    };
    for (name, text, detail) in [
        (
            "attach missing",
            r#"{"exec_id":"e","start_container":true}"#,
            "Missing field: attach",
        ),
        ("everything missing", "{}", "Missing field: attach"),
        (
            "exec_id missing",
            r#"{"attach":true,"start_container":true}"#,
            "Missing field: exec_id",
        ),
        (
            "start_container missing",
            r#"{"attach":true,"exec_id":"e"}"#,
            "Missing field: start_container",
        ),
        (
            "a word for a boolean",
            r#"{"exec_id":"e","attach":"x","start_container":true}"#,
            "Invalid boolean. Got: string",
        ),
        (
            "a number for the id",
            r#"{"exec_id":1,"attach":true,"start_container":true}"#,
            "Invalid string. Got: integer",
        ),
        (
            "null",
            r#"{"exec_id":null,"attach":true,"start_container":true}"#,
            "null value where string expected",
        ),
        ("no object", "[]", "Invalid object. Got: array"),
    ] {
        table.row(&format!("fails validation: {name}"), || {
            let (texts, close) = refused(text);
            assert!(texts.is_empty(), "{texts:?}");
            assert_eq!(
                close,
                Close::new(1002, "error", "", &format!("invalid parameters: {detail}"))
            );
        });
    }
    table.row("not JSON", || {
        for text in ["hello", "{", ""] {
            let (_, close) = refused(text);
            assert_eq!(close.code, 1002, "{text}");
            assert!(
                close
                    .reason
                    .starts_with(r#"{"data":"","message":"invalid json: "#),
                "{close:?}"
            );
        }
    });
    table.row("string booleans and unknown keys", || {
        let exec = daemon.exec("box", &["/bin/true"]);
        let opening = json!({"exec_id": exec, "attach": "true", "start_container": "true", "colour": "red"});
        let (texts, close) = daemon.converse("/exec/start").begin(&opening).hear_texts();
        assert_eq!((texts, close.code), (vec![STARTING.to_owned()], 1000));
    });
    table.row("in several fragments", || {
        let exec = daemon.exec("box", &["/bin/true"]);
        let opening = json!({"exec_id": exec, "attach": true, "start_container": true}).to_string();
        let mut conversation = daemon.converse("/exec/start");
        let bytes = opening.as_bytes();
        conversation.try_send(false, opcode::TEXT, &bytes[..5]).unwrap();
        conversation.try_send(true, opcode::PING, b"between").unwrap();
        conversation
            .try_send(false, opcode::CONTINUATION, &bytes[5..20])
            .unwrap();
        conversation
            .try_send(true, opcode::CONTINUATION, &bytes[20..])
            .unwrap();
        let frames: Vec<Frame> = conversation.hear_out().0;
        assert!(frames.contains(&Frame::text(STARTING)), "{frames:?}");
    });
}

#[test]
fn start() {
    let daemon = Daemon::with_running();
    let mut table = Table::new("§8 cases of the start");
    daemon.container("stopped", json!({}));
    table.row("started, attach", || {
        let exec = daemon.exec("box", &["/bin/busybox", "echo", "hello"]);
        let (texts, close) = daemon.begin(&exec, true).hear_texts();
        assert_eq!(texts, [STARTING, "hello\n"]);
        assert_eq!(
            close,
            Close::new(
                1000,
                "closing",
                "",
                &format!("{exec} has exited with exit-code 0")
            )
        );
    });
    table.row("started, detached", || {
        let exec = daemon.exec("box", &["/bin/true"]);
        let (texts, close) = daemon.begin(&exec, false).hear_texts();
        assert!(texts.is_empty());
        let message = "succesfully started execution instance in detached mode";
        assert_eq!(close, Close::new(1001, "closing", "", message));
        assert_eq!(close.reason.len(), 100);
    });
    for attach in [true, false] {
        table.row(&format!("unknown instance, attach: {attach}"), || {
            let (texts, close) = daemon.begin("0123456789ab", attach).hear_texts();
            assert_eq!(
                texts,
                ["error: could not find execution instance matching '0123456789ab'"]
            );
            assert_eq!((close.reason.len(), close), (71, failed()));
        });
        table.row(&format!("start_container false, attach: {attach}"), || {
            let exec = daemon.exec("stopped", &[]);
            let opening = json!({"exec_id": exec, "attach": attach, "start_container": false});
            let (texts, close) = daemon.converse("/exec/start").begin(&opening).hear_texts();
            assert_eq!(
                texts,
                ["error: cannot start container when 'start_container' is false."]
            );
            assert_eq!(close, failed());
            assert!(!daemon.is_running("stopped"));
        });
        table.row(&format!("a program that is not there, attach: {attach}"), || {
            let exec = daemon.exec("stopped", &["/no/such/program"]);
            let (texts, close) = daemon.begin(&exec, attach).hear_texts();
            // jail(8) runs env(1), which says in its output what is not there.
            if daemon.host.ground() == Ground::Linux {
                assert!(
                    texts[0].starts_with("error: ") && texts[0].contains("/no/such/program"),
                    "{texts:?}"
                );
                assert_eq!(close, failed());
            } else if attach {
                assert!(texts.concat().contains("/no/such/program"), "{texts:?}");
            }
            eventually("the container ends", || !daemon.is_running("stopped"));
        });
    }
    table.row("executable already started", || {
        let exec = daemon.exec("box", &["/bin/busybox", "cat"]);
        let _first = daemon.attach(&exec);
        for attach in [true, false] {
            let (texts, close) = daemon.begin(&exec, attach).hear_texts();
            assert_eq!(texts, ["error: executable already started"]);
            assert_eq!(close, failed());
        }
    });
    table.row("start_container is ignored where the container runs", || {
        let exec = daemon.exec("box", &["/bin/true"]);
        let opening = json!({"exec_id": exec, "attach": true, "start_container": false});
        assert_eq!(
            daemon.converse("/exec/start").begin(&opening).hear_out().1.code,
            1000
        );
    });
    table.row("the container's own cmd, env and user are overlaid", || {
        daemon.container(
            "env",
            json!({"env": ["AA=1", "BB=1"], "cmd": ["/bin/sh", "-c", "echo $AA$BB$CC"]}),
        );
        let body = json!({"container_id": "env", "env": ["CC=2", "BB=2"]});
        let exec = daemon.send("/exec/create", &body).id(201);
        let (texts, _) = daemon.begin(&exec, true).hear_texts();
        assert_eq!(texts, [STARTING, "122\n"]);
    });
}

#[test]
fn output() {
    let daemon = Daemon::with_running();
    let mut table = Table::new("§8 output");
    let frames = |script: &str| {
        daemon
            .attach(&daemon.exec("box", &["/bin/sh", "-c", script]))
            .hear_out()
            .0
    };
    let bytes = |frames: &[Frame]| {
        frames
            .iter()
            .flat_map(|frame| frame.payload.clone())
            .collect::<Vec<_>>()
    };

    table.row("stdout and stderr merged", || {
        assert_eq!(bytes(&frames("echo out; echo err >&2")), b"out\nerr\n");
    });
    table.row("text where it is UTF-8", || {
        assert_eq!(frames("echo 'grüße 日本 🦀'"), [Frame::text("grüße 日本 🦀\n")]);
    });
    table.row("binary where it is not", || {
        assert_eq!(
            frames(r"/bin/busybox printf '\377\376\200'"),
            [Frame::binary(b"\xff\xfe\x80")]
        );
    });
    table.row("a character split over two writes arrives whole", || {
        let heard =
            frames(r"/bin/busybox printf 'a\303'; /bin/busybox sleep 0.03; /bin/busybox printf '\251b'");
        assert!(
            heard.iter().all(|frame| frame.opcode == opcode::TEXT),
            "{heard:?}"
        );
        assert_eq!(bytes(&heard), "aéb".as_bytes());
    });
    table.row("half a character at the end", || {
        let heard = frames(r"/bin/busybox printf 'a\303'");
        assert_eq!(heard, [Frame::text("a"), Frame::binary(b"\xc3")]);
    });
    table.row("all bytes in order", || {
        let script = "i=0; while [ $i -lt 256 ]; do /bin/busybox printf \"\\\\$(/bin/busybox printf %03o $i)\"; i=$((i+1)); done";
        assert_eq!(bytes(&frames(script)), (0..=255).collect::<Vec<u8>>());
    });
    table.row("chunks are below 1 MiB", || {
        let heard = frames("/bin/busybox dd if=/dev/zero bs=1000000 count=5 2> /dev/null");
        assert_eq!(bytes(&heard).len(), 5_000_000);
    });
    table.row("a client that reads slowly misses nothing", || {
        let exec = daemon.exec("box", &["/bin/busybox", "seq", "1", "100000"]);
        let mut conversation = daemon.attach(&exec);
        thread::sleep(Duration::from_millis(300));
        let heard = conversation.hear_until("\n100000\n");
        assert!(
            heard
                .lines()
                .enumerate()
                .all(|(index, line)| line == (index + 1).to_string())
        );
    });
}

#[test]
fn input_and_end() {
    let daemon = Daemon::with_running();
    let mut table = Table::new("§8 input and end");
    table.row("text and binary frames are input, byte by byte", || {
        let mut conversation =
            daemon.attach(&daemon.exec("box", &["/bin/sh", "-c", "read a; echo $a; read b; echo $b"]));
        for byte in b"one\n" {
            conversation.send(opcode::BINARY, &[*byte]);
        }
        assert_eq!(conversation.hear_until("\n"), "one\n");
        conversation.say("two\n");
        let (frames, close) = conversation.hear_out();
        assert_eq!(frames, [Frame::text("two\n")]);
        assert_eq!(close.code, 1000);
    });
    table.row("pings are answered", || {
        let mut conversation = daemon.attach(&daemon.exec("box", &["/bin/busybox", "cat"]));
        conversation.send(opcode::PING, b"alive?");
        assert_eq!(
            conversation.hear(),
            Frame {
                opcode: opcode::PONG,
                payload: b"alive?".to_vec()
            }
        );
    });
    for (script, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
    ] {
        table.row(&format!("the container still runs: {script}"), || {
            let exec = daemon.exec("box", &["/bin/sh", "-c", script]);
            let (_, close) = daemon.attach(&exec).hear_out();
            let message = format!("{exec} has exited with exit-code {code}");
            assert_eq!(close, Close::new(1000, "closing", "", &message));
            assert!(daemon.is_running("box"));
        });
        table.row(&format!("the container is gone: {script}"), || {
            // The first process of a PID namespace is deaf to signals from inside.
            let script = if code > 128 && code < 255 {
                "while :; do /bin/busybox sleep 1; done"
            } else {
                script
            };
            daemon.container(&format!("brief{code}"), json!({"cmd": ["/bin/sh", "-c", script]}));
            let exec = daemon.exec(&format!("brief{code}"), &[]);
            let conversation = daemon.attach(&exec);
            if code > 128 && code < 255 {
                let path = format!(
                    "/exec/{exec}/stop?stop_container=false&force_stop={}",
                    code == 137
                );
                daemon.post(&path).id(200);
            }
            let (_, close) = conversation.hear_out();
            let status = daemon.host.ground().status_of_first(code);
            let message = format!("executable {exec} and its container exited with exit-code {status}");
            assert_eq!(close, Close::new(1000, "closing", "", &message));
            assert!(!daemon.is_running(&format!("brief{code}")));
        });
    }
    table.row(
        "tty: a terminal of 24 lines and 80 columns with echo, whose lines end in a newline alone",
        || {
            let script = "test -t 0 && test -t 1 && /bin/busybox stty size; read line; echo got $line";
            let body = json!({"container_id": "box", "cmd": ["/bin/sh", "-c", script], "tty": true});
            let exec = daemon.send("/exec/create", &body).id(201);
            let mut conversation = daemon.attach(&exec);
            assert_eq!(conversation.hear_until("\n"), "24 80\n");
            conversation.send(opcode::BINARY, b"word\n");
            let (frames, close) = conversation.hear_out();
            let heard: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
            assert_eq!(String::from_utf8(heard).unwrap(), "word\ngot word\n");
            assert!(close.reason.contains("exit-code 0"), "{close:?}");
        },
    );
    table.row("tty: death by a signal is 128 and the signal", || {
        let body = json!({"container_id": "box", "cmd": ["/bin/sh", "-c", "kill -KILL $$"], "tty": true});
        let exec = daemon.send("/exec/create", &body).id(201);
        assert!(daemon.attach(&exec).hear_out().1.reason.contains("exit-code 137"));
    });
}

#[test]
fn departure() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§8.7 the client disconnects");
    let close = |code: u16, reason: &str| [&code.to_be_bytes()[..], reason.as_bytes()].concat();
    // Asking the daemon to stop the instance would end it.
    let runs = || daemon.host.run("pgrep -f 'sleep 7777'").succeeded();
    for (name, frame) in [
        ("a close frame", Some(close(1001, ""))),
        (
            "its own interrupted by user",
            Some(close(1000, "interrupted by user")),
        ),
        ("an empty close frame", Some(Vec::new())),
        ("no close frame at all", None),
    ] {
        daemon.container("box", json!({}));
        table.row(&format!("{name}: the first process runs on"), || {
            let mut conversation = daemon.attach(&daemon.exec("box", &[]));
            if let Some(frame) = &frame {
                conversation.send(opcode::CLOSE, frame);
            }
            drop(conversation);
            thread::sleep(Duration::from_millis(200));
            assert!(daemon.is_running("box"));
        });
        table.row(&format!("{name}: a further process gets a TERM"), || {
            let exec = daemon.exec("box", &["/bin/busybox", "sleep", "7777"]);
            let mut conversation = daemon.attach(&exec);
            eventually("the further process runs", runs);
            if let Some(frame) = &frame {
                conversation.send(opcode::CLOSE, frame);
            }
            drop(conversation);
            eventually("the further process is gone", || !runs());
            assert!(daemon.is_running("box"));
        });
        table.row(&format!("{name}: detached instances are unaffected"), || {
            let exec = daemon.exec("box", &["/bin/busybox", "sleep", "7777"]);
            let mut conversation = daemon.begin(&exec, false);
            assert_eq!(conversation.hear().opcode, opcode::CLOSE);
            eventually("the detached process runs", runs);
            if let Some(frame) = &frame {
                conversation.send(opcode::CLOSE, frame);
            }
            drop(conversation);
            thread::sleep(Duration::from_millis(200));
            assert!(runs());
        });
        let _id = daemon.post("/containers/box/stop").id(200);
        let _id = daemon.delete("/containers/box").id(200);
    }
}

/// Takes a minute, so it is asked for by name: `--run-ignored all`.
#[test]
#[ignore = "takes a minute"]
fn a_conversation_in_which_nothing_is_received_ends_after_60_s() {
    let daemon = Daemon::with_running();
    let exec = daemon.exec("box", &["/bin/busybox", "cat"]);
    let began = std::time::Instant::now();
    let conversation = daemon.attach(&exec);
    conversation.set_patience(Duration::from_secs(70));
    let (frames, close) = conversation.hear_out();
    assert_eq!((frames.len(), close.code, close.reason.as_str()), (0, 1000, ""));
    let elapsed = began.elapsed();
    assert!(
        elapsed > Duration::from_secs(58) && elapsed < Duration::from_secs(65),
        "{elapsed:?}"
    );
}

#[test]
fn close_reasons_are_as_long_as_the_contract_says() {
    let daemon = Daemon::with_image();
    daemon.container("box", json!({"cmd": ["/bin/sh", "-c", "exit 137"]}));
    let (_, close) = daemon.attach(&daemon.exec("box", &[])).hear_out();
    let status = daemon.host.ground().status_of_first(137).to_string();
    assert_eq!(close.reason.len(), 109 + status.len());
    let reason: Value = serde_json::from_str(&close.reason).unwrap();
    assert_eq!(reason["msg_type"], "closing");
}
