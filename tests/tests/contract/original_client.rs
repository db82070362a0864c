//! §11 and §1.1: what the original client sends, byte for byte, and whether it can digest what comes back: only
//! documented statuses, within its 5 s.

use kleene_tests::wire::{Answer, original_request};
use kleene_tests::{Table, write};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::patience::PATIENCE;

/// Sends a request to the letter.
#[track_caller]
fn send(daemon: &Daemon, method: &str, path: &str, body: Option<&str>, digested: &[u16]) -> Answer {
    let answer = daemon.exchange(&original_request(method, path, body));
    assert!(
        digested.contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    assert!(answer.elapsed < PATIENCE, "{:?}", answer.elapsed);
    if answer.status >= 400 {
        let _message = answer.failure();
    }
    answer
}

#[test]
fn what_the_original_client_sends() {
    let daemon = Daemon::bare();
    daemon.image("FreeBSD");
    let shared = daemon.host.directory("shared").display().to_string();
    let mut table = Table::new("§11 what the original client sends");
    let post = |path: &str, body: &str, digested: &[u16]| send(&daemon, "POST", path, Some(body), digested);

    table.row("lsc -a", || {
        send(&daemon, "GET", "/containers/list?all=true", None, &[200]);
        send(&daemon, "GET", "/containers/list?all=false", None, &[200]);
    });
    table.row("create --name abc FreeBSD ls -x", || {
        let body = r#"{"cmd":["ls","-x"],"env":[],"image":"FreeBSD","jail_param":[],"mounts":[],"name":"abc","network_driver":"host","persist":false,"public_ports":[],"restart_policy":"no","user":""}"#;
        post("/containers/create", body, &[201]).id(201);
        let shown = daemon.show("/containers/abc/inspect");
        assert_eq!(shown["container"]["cmd"], json!(["ls", "-x"]));
    });
    table.row("create twice", || {
        let body = r#"{"cmd":[],"env":[],"image":"FreeBSD","jail_param":[],"mounts":[],"name":"abc","network_driver":"host","persist":false,"public_ports":[],"restart_policy":"no","user":""}"#;
        post("/containers/create", body, &[404, 500]);
    });
    table.row("-m vol:/x:ro -m /a:/b", || {
        let body = format!(
            r#"{{"cmd":[],"env":[],"image":"FreeBSD","jail_param":[],"mounts":[{{"destination":"/x","read_only":true,"source":"vol","type":"volume"}},{{"destination":"/b","read_only":false,"source":"{shared}","type":"nullfs"}}],"name":"mounting","network_driver":"host","persist":false,"public_ports":[],"restart_policy":"no","user":""}}"#
        );
        post("/containers/create", &body, &[201]);
        let shown = daemon.show("/containers/mounting/inspect");
        assert_eq!(shown["container_mountpoints"][1]["destination"], "/b");
    });
    table.row("-p 80 -p em0:81:82/udp", || {
        let body = r#"{"cmd":[],"env":[],"image":"FreeBSD","jail_param":[],"mounts":[],"name":"publishing","network_driver":"ipnet","persist":false,"public_ports":[{"container_port":"80","host_port":"80","interfaces":[],"protocol":"tcp"},{"container_port":"82","host_port":"81","interfaces":["em0"],"protocol":"udp"}],"restart_policy":"no","user":""}"#;
        post("/containers/create", body, &[201]);
        let shown = daemon.show("/containers/publishing/inspect");
        assert_eq!(shown["container"]["public_ports"][1]["interfaces"], json!(["em0"]));
    });
    table.row("network create n1", || {
        let body = r#"{"name":"n1","type":"loopback","gateway":"","gateway6":"","icc":true,"interface":"","internal":false,"nat":"<host-gateway>","subnet":"10.0.0.0/24","subnet6":""}"#;
        post("/networks/create", body, &[201]).id(201);
        let body = r#"{"name":"n2","type":"loopback","gateway":"","gateway6":"","icc":true,"interface":"","internal":false,"nat":"<host-gateway>","subnet":"","subnet6":""}"#;
        post("/networks/create", body, &[201]).id(201);
        post("/networks/create", body, &[409]);
    });
    table.row("network create -t bridge n4", || {
        let body = r#"{"name":"n4","type":"bridge","gateway":"<auto>","gateway6":"<auto>","icc":true,"interface":"","internal":false,"nat":"<host-gateway>","subnet":"","subnet6":""}"#;
        post("/networks/create", body, &[201]).id(201);
    });
    table.row("-n net --ip 10.0.0.5", || {
        let id = daemon.show("/containers/publishing/inspect")["container"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let body = format!(
            r#"{{"container":"{id}","network":"n1","ip_address":"10.0.0.5","ip_address6":"<auto>"}}"#
        );
        assert_eq!(post("/networks/connect", &body, &[204]).body, b"");
        post("/networks/connect", &body, &[409]);
    });
    table.row("network disconnect, twice", || {
        send(
            &daemon,
            "POST",
            "/networks/n1/disconnect/publishing",
            None,
            &[204],
        );
        send(
            &daemon,
            "POST",
            "/networks/n1/disconnect/publishing",
            None,
            &[404],
        );
    });
    table.row("container update x (no options)", || {
        let body = r#"{"container":"abc","cmd":null,"env":[],"jail_param":[],"mounts":[],"name":null,"persist":false,"public_ports":[],"restart_policy":"no","user":null}"#;
        post("/containers/abc/update", body, &[201]);
        assert_eq!(daemon.show("/containers/abc/inspect")["container"]["cmd"], json!(["ls", "-x"]));
    });
    table.row("container rename x y keeps everything else", || {
        let before = daemon.show("/containers/abc/inspect");
        post(
            "/containers/abc/update",
            r#"{"mounts":[],"name":"xyz","public_ports":[]}"#,
            &[201],
        );
        let mut after = daemon.show("/containers/xyz/inspect");
        after["container"]["name"] = json!("abc");
        assert_eq!(after, before);
    });
    table.row("start x", || {
        let body = r#"{"cmd":["/bin/busybox","true"],"container_id":"xyz","env":[],"tty":false,"user":""}"#;
        let exec = post("/exec/create", body, &[201]).id(201);
        let mut conversation = daemon.converse("/exec/start");
        conversation.say(&format!(
            r#"{{"exec_id":"{exec}","attach":true,"start_container":true}}"#
        ));
        assert_eq!(conversation.hear_texts().1.code, 1000);
    });
    table.row("exec -e A=1 -u bob x ls: start_container is a string", || {
        let body = r#"{"cmd":["/bin/sh","-c","echo $A"],"container_id":"xyz","env":["A=1"],"tty":false,"user":"root"}"#;
        let exec = post("/exec/create", body, &[201]).id(201);
        let mut conversation = daemon.converse("/exec/start");
        conversation.say(&format!(r#"{{"exec_id":"{exec}","attach":true,"start_container":"true"}}"#));
        assert_eq!(conversation.hear_texts().0[1], "1\n");
    });
    table.row("restart x", || {
        post(
            "/containers/xyz/update",
            r#"{"cmd":["/bin/busybox","sleep","1000"]}"#,
            &[201],
        );
        daemon.start("xyz");
        let id = send(&daemon, "POST", "/containers/xyz/stop", None, &[200]).id(200);
        let body = format!(r#"{{"cmd":[],"container_id":"{id}","env":[],"tty":false,"user":""}}"#);
        let exec = post("/exec/create", &body, &[201]).id(201);
        let mut conversation = daemon.converse("/exec/start");
        conversation.say(&format!(
            r#"{{"exec_id":"{exec}","attach":false,"start_container":"true"}}"#
        ));
        assert_eq!(conversation.hear_texts().1.code, 1001);
        assert!(daemon.is_running("xyz"));
    });
    table.row("volume rm of one that a running container mounts", || {
        post(
            "/containers/mounting/update",
            r#"{"cmd":["/bin/busybox","sleep","1000"]}"#,
            &[201],
        );
        daemon.start("mounting");
        send(&daemon, "DELETE", "/volumes/vol", None, &[404]);
        send(&daemon, "POST", "/containers/mounting/stop", None, &[200]);
        send(&daemon, "DELETE", "/volumes/vol", None, &[200]);
    });
    table.row("container rm, running", || {
        send(&daemon, "DELETE", "/containers/xyz", None, &[409]);
        send(&daemon, "POST", "/containers/xyz/stop", None, &[200]);
        send(&daemon, "POST", "/containers/xyz/stop", None, &[404]);
        send(&daemon, "DELETE", "/containers/xyz", None, &[200]);
    });
    table.row("image tag x y", || {
        send(&daemon, "POST", "/images/FreeBSD/tag?nametag=y", None, &[200]);
        send(&daemon, "POST", "/images/none/tag?nametag=y", None, &[404]);
    });
    table.row("build -t a:b ctx", || {
        let context = daemon.host.directory("ctx");
        write(context.join("Dockerfile"), "FROM y\nRUN echo $A\n");
        write(context.join("Df"), "FROM none\nARG A\nRUN echo $A\n");
        let context = context.display();
        let mut conversation = daemon.converse("/images/build");
        conversation.say(&format!(
            r#"{{"context":"{context}","dockerfile":"Dockerfile","tag":"a:b","quiet":"false","cleanup":false,"buildargs":{{}},"container_config":{{"name":null,"cmd":null,"image":null,"user":"","env":[],"mounts":[],"jail_param":[],"network_driver":"host"}},"networks":[]}}"#
        ));
        assert_eq!(conversation.hear_texts().1.code, 1000);
        assert_eq!(daemon.show("/images/a:b/inspect")["tag"], "b");
    });
    table.row("build -q --rm --build-arg A=1 --from img -n net -f Df ctx", || {
        let context = daemon.host.directory("ctx").display().to_string();
        let mut conversation = daemon.converse("/images/build");
        conversation.say(&format!(
            r#"{{"context":"{context}","dockerfile":"Df","tag":"","quiet":"true","cleanup":true,"buildargs":{{"A":"1"}},"container_config":{{"name":null,"cmd":null,"image":"y","user":"","env":[],"mounts":[],"jail_param":[],"network_driver":"ipnet"}},"networks":[{{"container":"","network":"n1","ip_address":"<auto>","ip_address6":"<auto>"}}]}}"#
        ));
        let (texts, close) = conversation.hear_texts();
        assert_eq!((texts[1].as_str(), close.code), ("Using user-supplied parent image: 'y'", 1000), "{texts:?}");
    });
    table.row("image create -t a zfs-clone p/d: the frames of a failure on a host without the dataset", || {
        let mut conversation = daemon.converse("/images/create");
        conversation.say(r#"{"method":"zfs-clone","url":"","zfs_dataset":"p/d","tag":"a","dns":true,"localtime":true,"update":false,"autotag":true}"#);
        let (texts, close) = conversation.hear_texts();
        assert_eq!((texts.len(), close.code), (2, 1011), "{texts:?}");
        let reason: Value = serde_json::from_str(&close.reason).unwrap();
        assert!(reason["message"].as_str().unwrap().starts_with("image creation failed: "), "{reason}");
    });
    table.row("image prune", || {
        send(&daemon, "POST", "/images/prune?all=false", None, &[200]);
    });
    table.row("every prune and list", || {
        for kind in ["containers", "networks", "volumes"] {
            send(&daemon, "POST", &format!("/{kind}/prune"), None, &[200]);
        }
        for kind in ["images", "networks", "volumes"] {
            send(&daemon, "GET", &format!("/{kind}/list"), None, &[200]);
        }
    });
    table.row("objects that are not there", || {
        send(&daemon, "GET", "/containers/none/inspect", None, &[404]);
        send(&daemon, "DELETE", "/containers/none", None, &[404]);
        send(&daemon, "POST", "/containers/none/stop", None, &[404]);
        post(
            "/containers/none/update",
            r#"{"mounts":[],"name":"y","public_ports":[]}"#,
            &[404],
        );
        post(
            "/exec/create",
            r#"{"cmd":[],"container_id":"none","env":[],"tty":false,"user":""}"#,
            &[404],
        );
        send(
            &daemon,
            "POST",
            "/exec/0123456789ab/stop?force_stop=true&stop_container=true",
            None,
            &[404],
        );
        send(&daemon, "DELETE", "/images/none", None, &[404]);
        send(&daemon, "GET", "/images/none/inspect", None, &[404]);
        send(&daemon, "DELETE", "/networks/none", None, &[404]);
        send(&daemon, "GET", "/networks/none/inspect", None, &[404]);
        post(
            "/networks/connect",
            r#"{"container":"none","network":"n","ip_address":"","ip_address6":""}"#,
            &[404],
        );
        send(&daemon, "POST", "/networks/n/disconnect/none", None, &[404]);
        send(&daemon, "DELETE", "/volumes/none", None, &[404]);
        send(&daemon, "GET", "/volumes/none/inspect", None, &[404]);
    });
    table.row("names that the daemon refuses", || {
        post("/volumes/create", r#"{"name":"a b"}"#, &[500]);
        post("/networks/create", r#"{"name":"a b","type":"bridge"}"#, &[409]);
    });
}
