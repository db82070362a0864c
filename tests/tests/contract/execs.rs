//! §5: execution instances.

use kleene_tests::Table;
use serde_json::json;

use crate::daemon::{Daemon, failure, is_id};
use crate::patience::PATIENCE;

#[test]
fn exec_create() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§5 POST /exec/create");
    daemon.container("box", json!({}));
    table.row("the container need not run", || {
        assert!(is_id(&daemon.exec("box", &["/bin/true"])))
    });
    table.row("defaults", || {
        assert!(is_id(
            &daemon
                .send("/exec/create", &json!({"container_id": "box"}))
                .id(201)
        ));
    });
    table.row("unknown container", || {
        let answer = daemon.send("/exec/create", &json!({"container_id": "none"}));
        assert_eq!(answer.failure(), failure(404, "container not found"));
    });
    table.row("absent container", || {
        assert_eq!(
            daemon.send("/exec/create", &json!({})).failure(),
            failure(404, "container not found")
        );
    });
    table.row("a container that is removed before the start", || {
        daemon.container("gone", json!({}));
        let exec = daemon.exec("gone", &[]);
        assert_eq!(daemon.delete("/containers/gone").status, 200);
        let (texts, _) = daemon.begin(&exec, true).hear_texts();
        assert_eq!(texts, ["error: container not found"]);
    });
}

#[test]
fn exec_stop() {
    let daemon = Daemon::with_running();
    let mut table = Table::new("§5 POST /exec/{exec_id}/stop");
    let stop = |exec: &str, force: bool, container: bool| {
        daemon.post(&format!(
            "/exec/{exec}/stop?force_stop={force}&stop_container={container}"
        ))
    };
    let unknown = |exec: &str| {
        failure(
            404,
            &format!("could not find execution instance matching '{exec}'"),
        )
    };
    let waits = ["/bin/busybox", "sleep", "1000"];

    table.row("unknown instance", || {
        for exec in ["0123456789ab", "none"] {
            assert_eq!(stop(exec, false, false).failure(), unknown(exec));
            assert_eq!(stop(exec, true, true).failure(), unknown(exec));
        }
    });
    table.row("the exec id must be complete", || {
        let exec = daemon.exec("box", &waits);
        let _attached = daemon.attach(&exec);
        assert_eq!(stop(&exec[..11], false, false).failure(), unknown(&exec[..11]));
        assert_eq!(stop(&exec, true, false).id(200), exec);
    });
    table.row("never started", || {
        let exec = daemon.exec("box", &waits);
        let expected = failure(404, "execution instance have not been started");
        assert_eq!(stop(&exec, false, false).failure(), expected);
        assert_eq!(stop(&exec, false, true).failure(), expected);
        // It is still there to be started.
        let _attached = daemon.attach(&exec);
        assert_eq!(stop(&exec, true, false).id(200), exec);
        assert!(daemon.is_running("box"));
    });
    table.row("finished instance", || {
        let exec = daemon.exec("box", &["/bin/true"]);
        let _ended = daemon.attach(&exec).hear_out();
        assert_eq!(stop(&exec, false, false).failure(), unknown(&exec));
    });
    for (force, code) in [(false, 143), (true, 137)] {
        table.row(&format!("stop_container=false, force_stop={force}"), || {
            let exec = daemon.exec("box", &waits);
            let conversation = daemon.attach(&exec);
            assert_eq!(stop(&exec, force, false).id(200), exec);
            let (_, close) = conversation.hear_out();
            assert!(
                close
                    .reason
                    .contains(&format!("{exec} has exited with exit-code {code}")),
                "{close:?}"
            );
            assert!(daemon.is_running("box"));
        });
    }
    table.row("stop_container=true", || {
        let exec = daemon.exec("box", &waits);
        let conversation = daemon.attach(&exec);
        let answer = stop(&exec, false, true);
        assert_eq!(answer.id(200), exec);
        assert!(answer.elapsed < PATIENCE, "{:?}", answer.elapsed);
        assert!(!daemon.is_running("box"));
        let (_, close) = conversation.hear_out();
        assert_eq!(close.code, 1000);
    });
}
