//! Contract §5 and §8.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Close, Conversation, failure};
use crate::daemon::Daemon;

const STARTING: &str = r#"{"data":"","message":"","msg_type":"starting"}"#;

fn close(code: u16, kind: &str, message: &str) -> Close {
    Close {
        code,
        reason: json!({"data": "", "message": message, "msg_type": kind}),
    }
}

async fn attach(daemon: &Daemon, exec: &str) -> Conversation {
    let opening = json!({"exec_id": exec, "attach": true, "start_container": true});
    daemon.converse("/exec/start", opening).await
}

/// A running container, `box`, whose first process sleeps.
async fn running() -> Daemon {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    daemon.container("box", "base", &["sleep"]).await;
    daemon.start_container("box").await;
    daemon
}

#[tokio::test]
async fn the_first_process_of_a_container_ends_it() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    daemon.container("box", "base", &["echo", "hello"]).await;
    let exec = daemon.exec("box", &[]).await;
    let (texts, end) = attach(&daemon, &exec).await.hear_out().await;
    assert_eq!(texts, [STARTING, "hello\n"]);
    let message = format!("executable {exec} and its container exited with exit-code 0");
    assert_eq!(end, close(1000, "closing", &message));
}

#[tokio::test]
async fn a_further_process_leaves_the_container_running() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["exit", "3"]).await;
    let (texts, end) = attach(&daemon, &exec).await.hear_out().await;
    assert_eq!(texts, [STARTING]);
    assert_eq!(
        end,
        close(1000, "closing", &format!("{exec} has exited with exit-code 3"))
    );
    assert_eq!(daemon.get("/containers/list").await.json()[0]["running"], true);
}

#[tokio::test]
async fn a_detached_start_is_over_at_once() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["sleep"]).await;
    let opening = json!({"exec_id": exec, "attach": false, "start_container": "true"});
    let (texts, end) = daemon.converse("/exec/start", opening).await.hear_out().await;
    assert!(texts.is_empty());
    let message = "succesfully started execution instance in detached mode";
    assert_eq!(end, close(1001, "closing", message));
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    daemon.container("box", "base", &["nonsense"]).await;
    let failed = close(1011, "error", "error starting exec instance");

    let (texts, end) = attach(&daemon, "0123456789ab").await.hear_out().await;
    assert_eq!(
        texts,
        ["error: could not find execution instance matching '0123456789ab'"]
    );
    assert_eq!(end, failed);

    let exec = daemon.exec("box", &[]).await;
    let opening = json!({"exec_id": exec, "attach": true, "start_container": false});
    let (texts, end) = daemon.converse("/exec/start", opening).await.hear_out().await;
    assert_eq!(
        texts,
        ["error: cannot start container when 'start_container' is false."]
    );
    assert_eq!(end, failed);

    let exec = daemon.exec("box", &[]).await;
    let (texts, end) = attach(&daemon, &exec).await.hear_out().await;
    assert!(
        texts[0].starts_with("error: ") && texts[0].contains("'nonsense' was not found"),
        "{texts:?}"
    );
    assert_eq!(end, failed);
}

#[tokio::test]
async fn an_instance_starts_only_once() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["cat"]).await;
    let mut first = attach(&daemon, &exec).await;
    assert_eq!(first.hear().await, Message::text(STARTING));
    let (texts, _) = attach(&daemon, &exec).await.hear_out().await;
    assert_eq!(texts, ["error: executable already started"]);
}

#[tokio::test]
async fn input_reaches_the_process_and_pings_are_answered() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["cat"]).await;
    let mut conversation = attach(&daemon, &exec).await;
    assert_eq!(conversation.hear().await, Message::text(STARTING));
    conversation.type_in(b"bytes\n").await;
    assert_eq!(conversation.hear().await, Message::text("bytes\n"));
    conversation.say("text\n").await;
    assert_eq!(conversation.hear().await, Message::text("text\n"));
    conversation.ping().await;
    assert_eq!(conversation.hear().await, Message::Pong("x".into()));
}

#[tokio::test]
async fn what_is_not_utf8_comes_as_bytes() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["cat"]).await;
    let mut conversation = attach(&daemon, &exec).await;
    assert_eq!(conversation.hear().await, Message::text(STARTING));
    conversation.type_in(b"\xff\xfe").await;
    assert_eq!(conversation.hear().await, Message::binary(&b"\xff\xfe"[..]));
}

#[tokio::test]
async fn with_control_messages_input_can_be_ended() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["cat"]).await;
    let opening = json!({"exec_id": exec, "attach": true, "start_container": true, "control": true});
    let mut conversation = daemon.converse("/exec/start", opening).await;
    conversation.type_in(b"last words\n").await;
    conversation.say(r#"{"close_stdin":true}"#).await;
    let (texts, end) = conversation.hear_out().await;
    assert_eq!(texts, [STARTING, "last words\n"]);
    assert_eq!(
        end,
        close(1000, "closing", &format!("{exec} has exited with exit-code 0"))
    );
}

#[tokio::test]
async fn nonsense_for_a_control_message_ends_the_conversation() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["cat"]).await;
    let opening = json!({"exec_id": exec, "attach": true, "start_container": true, "control": true});
    let mut conversation = daemon.converse("/exec/start", opening).await;
    conversation.say("ls").await;
    let (_, end) = conversation.hear_out().await;
    assert_eq!(end.code, 1002);
    assert!(
        end.reason["message"]
            .as_str()
            .unwrap()
            .starts_with("invalid control message: "),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_process_is_ended_when_its_client_leaves() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["sleep"]).await;
    let mut conversation = attach(&daemon, &exec).await;
    assert_eq!(conversation.hear().await, Message::text(STARTING));
    conversation.leave().await;
    let stop = format!("/exec/{exec}/stop?force_stop=false&stop_container=false");
    let gone = failure(
        404,
        &format!("could not find execution instance matching '{exec}'"),
    );
    for _ in 0..100 {
        if daemon.post(&stop).await.status == 404 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(daemon.post(&stop).await.failure(), gone);
}

#[tokio::test]
async fn a_container_outlives_the_client_of_its_first_process() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    daemon.container("box", "base", &["sleep"]).await;
    let exec = daemon.exec("box", &[]).await;
    let mut conversation = attach(&daemon, &exec).await;
    assert_eq!(conversation.hear().await, Message::text(STARTING));
    conversation.leave().await;
    assert_eq!(daemon.get("/containers/list").await.json()[0]["running"], true);
}

#[tokio::test]
async fn a_wrong_opening_is_a_protocol_error() {
    let daemon = Daemon::bare();
    let missing = json!({"exec_id": "e", "start_container": true});
    let (texts, end) = daemon.converse("/exec/start", missing).await.hear_out().await;
    assert!(texts.is_empty());
    assert_eq!(
        end,
        close(1002, "error", "invalid parameters: Missing field: attach")
    );

    let word = json!({"exec_id": "e", "attach": "perhaps", "start_container": true});
    let (_, end) = daemon.converse("/exec/start", word).await.hear_out().await;
    assert_eq!(
        end,
        close(1002, "error", "invalid parameters: Invalid boolean. Got: string")
    );

    let (_, end) = daemon.converse_raw("/exec/start", "hello").await.hear_out().await;
    assert_eq!(end.code, 1002);
    assert!(
        end.reason["message"]
            .as_str()
            .unwrap()
            .starts_with("invalid json: "),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_binary_opening_is_a_protocol_error() {
    let daemon = Daemon::bare();
    for path in ["/exec/start", "/images/build", "/images/create"] {
        let mut conversation = daemon.open(path).await;
        conversation.type_in(b"{}").await;
        let (_, end) = conversation.hear_out().await;
        assert_eq!(end.code, 1002, "{path}");
    }
}

#[tokio::test]
async fn an_instance_is_stopped_by_its_id() {
    let daemon = running().await;
    let exec = daemon.exec("box", &["sleep"]).await;
    let stop = format!("/exec/{exec}/stop?force_stop=false&stop_container=false");
    let unstarted = daemon.post(&stop).await.failure();
    assert_eq!(
        unstarted,
        failure(404, "execution instance have not been started")
    );
    let mut conversation = attach(&daemon, &exec).await;
    assert_eq!(conversation.hear().await, Message::text(STARTING));
    assert_eq!(daemon.post(&stop).await.id(200), exec);
    let (_, end) = conversation.hear_out().await;
    assert_eq!(
        end,
        close(1000, "closing", &format!("{exec} has exited with exit-code 143"))
    );
}

#[tokio::test]
async fn stopping_needs_both_parameters() {
    let daemon = Daemon::bare();
    let answer = daemon.post("/exec/0123456789ab/stop?stop_container=true").await;
    assert_eq!(
        answer.mistake(),
        ("/force_stop".to_owned(), "Missing field: force_stop".to_owned())
    );
}

#[tokio::test]
async fn an_instance_needs_a_container() {
    let daemon = Daemon::bare();
    for body in [json!({}), json!({"container_id": "x"})] {
        assert_eq!(
            daemon.send("/exec/create", body).await.failure(),
            failure(404, "container not found")
        );
    }
    let null: Value = json!({"container_id": null});
    assert_eq!(
        daemon.send("/exec/create", null).await.mistake().0,
        "/container_id"
    );
}
