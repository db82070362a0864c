//! Containers: listing, changing, stopping, removing.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::daemon::{Daemon, run};

const ID: &str = "0123456789ab";

pub fn created() -> Value {
    json!({"id": ID})
}

pub fn refusal(message: &str) -> Value {
    json!({"message": message})
}

fn web() -> Value {
    json!({
        "cmd": ["/bin/sh", "-c", "while true; do echo hello; sleep 1; done"],
        "created": "2020-02-29T14:54:05.317207Z", "dataset": "zroot/kleene/container/0123456789ab",
        "env": [], "id": ID, "image_id": "ba9876543210", "image_name": "minimal", "image_tag": "latest",
        "jail_param": [], "jid": 42, "name": "web", "network_driver": "vnet", "persist": false,
        "public_ports": [], "restart_policy": "on-startup", "running": true, "user": "root",
    })
}

fn untagged() -> Value {
    json!({
        "cmd": ["true"], "created": "2020-02-29T14:54:05.317207Z",
        "dataset": "zroot/kleene/container/111111111111", "env": [], "id": "111111111111",
        "image_id": "ba9876543210", "image_name": "", "image_tag": "", "jail_param": [], "jid": null,
        "name": null, "network_driver": "host", "persist": null, "public_ports": [], "restart_policy": null,
        "running": false, "user": "root",
    })
}

/// What `klee` shows on a terminal, or in a pipe, of so many columns.
fn run_in_columns(daemon: &Daemon, arguments: &[&str], columns: &str) -> String {
    let output = daemon.klee(arguments).env("COLUMNS", columns).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ls_shows_a_table() {
    let daemon = Daemon::rehearse()
        .answer("GET /containers/list?all=true", 200, json!([web(), untagged()]))
        .start();
    // As ages depend on the day, they are cut out.
    let listing = run_in_columns(&daemon, &["lsc", "-a"], "160");
    let lines: Vec<&str> = listing.lines().collect();
    assert_eq!(
        lines[0],
        " CONTAINER ID    NAME   IMAGE            COMMAND                                    CREATED       AUTORUN   STATUS    JID "
    );
    assert!(lines[1].chars().all(|char| char == '─') && lines[1].chars().count() == lines[0].len());
    assert!(
        lines[2].starts_with(
            " 0123456789ab    web    minimal:latest   /bin/sh -c while true; do echo hello; s…   "
        ),
        "{listing}"
    );
    assert!(lines[2].ends_with("     yes     running   42  "), "{listing}");
    assert!(
        lines[3].starts_with(" 111111111111           ba9876543210     true "),
        "{listing}"
    );
    assert!(lines[3].ends_with("     no      stopped       "), "{listing}");
}

#[test]
fn in_a_pipe_a_table_is_80_columns_wide_and_its_ids_are_whole() {
    let mut endless = web();
    endless["name"] = json!("a_name_that_is_too_long_for_any_table");
    let daemon = Daemon::rehearse()
        .answer(
            "GET /containers/list?all=true",
            200,
            json!([web(), untagged(), endless]),
        )
        .start();
    let listing = daemon.run(&["--theme", "simple", "lsc", "-a"]).stdout;
    assert!(
        listing.lines().all(|line| line.chars().count() == 80),
        "{listing}"
    );
    for whole in [
        "| ba9876543210 |",
        " 111111111111 ",
        "| AUTORUN | STATUS  | JID ",
        "| running | 42  ",
    ] {
        assert!(listing.contains(whole), "{whole} in {listing}");
    }
    assert!(listing.contains("| a_nam"), "{listing}");
    let whole = daemon.run(&["lsc", "-a", "--no-trunc"]).stdout;
    assert!(whole.contains("echo hello; sleep 1; done"), "{whole}");
    assert!(whole.contains("a_name_that_is_too_long_for_any_table"), "{whole}");
}

#[test]
fn a_quiet_listing_is_ids_only() {
    let daemon = Daemon::rehearse()
        .answer("GET /containers/list?all=true", 200, json!([web(), untagged()]))
        .start();
    assert_eq!(daemon.run(&["lsc", "-aq"]).stdout, "0123456789ab\n111111111111\n");
}

#[test]
fn a_listing_can_be_printed_by_a_template() {
    let daemon = Daemon::rehearse()
        .answer("GET /containers/list?all=true", 200, json!([web(), untagged()]))
        .start();
    let template = r"{{.ID}}\t{{ name }}\t{{.jid}}";
    assert_eq!(
        daemon.run(&["lsc", "-a", "--format", template]).stdout,
        "0123456789ab\tweb\t42\n111111111111\t\t\n"
    );
    let ending = daemon.run(&["lsc", "-a", "--format", "{{.Names}}"]);
    assert_eq!(ending.code, Some(1));
    assert_eq!(
        ending.stderr,
        "--format: there is no field 'Names'; the fields are: cmd, created, dataset, env, id, image_id, image_name, \
         image_tag, jail_param, jid, name, network_driver, persist, public_ports, restart_policy, running, user\n"
    );
}

#[test]
fn a_format_that_cannot_be_read_is_a_usage_error() {
    assert_snapshot!(run(&["lsc", "--format", "yaml"]), @r"
    exit: 2
    ----- stdout -----
    ----- stderr -----
    Usage: klee lsc [OPTIONS]
    Try 'klee lsc --help' for help.

    Error: Invalid value for '--format': 'yaml' is neither 'table' nor 'json' nor a template such as '{{.id}}'.
    ");
}

#[test]
fn inspect_can_print_what_is_asked_for() {
    let daemon = Daemon::rehearse()
        .answer(
            "GET /containers/web/inspect",
            200,
            json!({"container": web(), "container_endpoints": [{"ip_address": "10.0.0.2"}], "container_mountpoints": []}),
        )
        .start();
    for (template, printed) in [
        ("{{.Container.Name}}", "web\n"),
        (
            "{{json .container.cmd}}",
            "[\"/bin/sh\",\"-c\",\"while true; do echo hello; sleep 1; done\"]\n",
        ),
        (
            "{% for e in container_endpoints %}{{ e.ip_address }}{% endfor %}",
            "10.0.0.2\n",
        ),
    ] {
        assert_eq!(daemon.run(&["isc", "-f", template, "web"]).stdout, printed);
    }
    assert_eq!(
        daemon.run(&["isc", "--format", "json", "web"]).stdout,
        daemon.run(&["isc", "web"]).stdout
    );
}

#[test]
fn the_simple_theme_is_ascii() {
    let daemon = Daemon::rehearse()
        .answer("GET /containers/list?all=false", 200, json!([]))
        .start();
    assert_snapshot!(daemon.run(&["--theme", "simple", "container", "ls"]).stdout, @r"
     CONTAINER ID  | NAME | IMAGE | COMMAND | CREATED | AUTORUN | STATUS | JID 
    ---------------+------+-------+---------+---------+---------+--------+-----
    ");
}

#[test]
fn a_listing_as_json_is_the_answer_of_the_api() {
    let daemon = Daemon::rehearse()
        .answer("GET /containers/list?all=false", 200, json!([web()]))
        .start();
    let ending = daemon.run(&["lsc", "--format", "json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&ending.stdout).unwrap(),
        json!([web()])
    );
}

#[test]
fn inspect_shows_every_field_sorted_even_those_it_does_not_know() {
    let daemon = Daemon::rehearse()
        .answer(
            "GET /containers/web/inspect",
            200,
            json!({"zeta": 1, "container": {"user": "root", "id": ID}}),
        )
        .start();
    assert_snapshot!(daemon.run(&["isc", "web"]).stdout, @r#"
    {
      "container": {
        "id": "0123456789ab",
        "user": "root"
      },
      "zeta": 1
    }
    "#);
}

#[test]
fn an_unknown_container_cannot_be_inspected() {
    let daemon = Daemon::rehearse()
        .answer("GET /containers/web/inspect", 404, refusal("container not found"))
        .start();
    let ending = daemon.run(&["container", "inspect", "web"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "container not found\n")
    );
}

#[test]
fn rm_goes_on_after_a_failure_and_fails_in_the_end() {
    let daemon = Daemon::rehearse()
        .answer(
            "DELETE /containers/one",
            409,
            refusal("you cannot remove a running container"),
        )
        .answer("DELETE /containers/two", 200, created())
        .start();
    assert_snapshot!(daemon.run(&["rmc", "one", "two"]), @r"
    exit: 1
    ----- stdout -----
    0123456789ab
    ----- stderr -----
    one: you cannot remove a running container
    Stop it first, or do both with 'klee rmc -f one'.
    ");
}

#[test]
fn rm_by_force_stops_first_and_says_so_only_when_that_fails() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/one/stop", 404, refusal("container not running"))
        .answer("DELETE /containers/one", 200, created())
        .start();
    assert_snapshot!(daemon.run(&["rmc", "-f", "one"]), @r"
    exit: 0
    ----- stdout -----
    0123456789ab
    ----- stderr -----
    one: container not running
    ");
}

#[test]
fn identifiers_are_encoded_in_paths() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/a%2Fb%20c/stop", 200, created())
        .start();
    assert_eq!(daemon.run(&["stop", "a/b c"]).stdout, "0123456789ab\n");
}

#[test]
fn rename_changes_nothing_but_the_name() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 201, created())
        .start();
    assert_eq!(
        daemon.run(&["container", "rename", "x", "y"]).stdout,
        "0123456789ab\n"
    );
    assert_snapshot!(daemon.requests(), @r#"POST /containers/x/update {"cmd":null,"env":null,"jail_param":null,"name":"y","persist":null,"restart_policy":null,"user":null}"#);
}

#[test]
fn update_changes_what_is_given() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 201, created())
        .start();
    daemon.run(&[
        "container",
        "update",
        "-e",
        "A=1",
        "--no-persist",
        "x",
        "--",
        "sleep",
        "-v",
    ]);
    assert_snapshot!(daemon.requests(), @r#"POST /containers/x/update {"cmd":["sleep","-v"],"env":["A=1"],"jail_param":null,"name":null,"persist":false,"restart_policy":null,"user":null}"#);
}

#[test]
fn options_of_update_may_follow_the_container_and_unknown_ones_are_no_command() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 201, created())
        .start();
    daemon.run(&[
        "container",
        "update",
        "x",
        "--restart",
        "on-startup",
        "--name",
        "y",
    ]);
    assert_snapshot!(daemon.requests(), @r#"POST /containers/x/update {"cmd":null,"env":null,"jail_param":null,"name":"y","persist":null,"restart_policy":"on-startup","user":null}"#);
    let refused = run(&["container", "update", "x", "sleep", "-v"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

#[test]
fn ids_alone_have_no_other_format() {
    let refused = run(&["lsc", "-q", "--format", "json"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--quiet"), "{}", refused.stderr);
}

#[test]
fn update_can_take_lists_away() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 201, created())
        .start();
    daemon.run(&["container", "update", "--no-env", "--no-jailparam", "x"]);
    assert_snapshot!(daemon.requests(), @r#"POST /containers/x/update {"cmd":null,"env":[],"jail_param":[],"name":null,"persist":null,"restart_policy":null,"user":null}"#);
}

#[test]
fn update_without_options_changes_nothing() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 201, created())
        .start();
    assert_eq!(daemon.run(&["container", "update", "x"]).stdout, "0123456789ab\n");
    assert_snapshot!(daemon.requests(), @r#"POST /containers/x/update {"cmd":null,"env":null,"jail_param":null,"name":null,"persist":null,"restart_policy":null,"user":null}"#);
}

#[test]
fn a_schema_error_of_the_daemon_is_shown() {
    let errors = json!({"errors": [{"title": "Invalid value", "source": {"pointer": "/name"},
        "detail": "Invalid string. Got: integer"}]});
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 422, errors)
        .start();
    assert_eq!(
        daemon.run(&["container", "rename", "x", "y"]).stderr,
        "/name: Invalid string. Got: integer\n"
    );
}

#[test]
fn prune_asks_and_does_nothing_unless_the_answer_is_yes() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/prune", 200, json!([ID, "111111111111"]))
        .start();
    assert_snapshot!(daemon.run(&["container", "prune"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    WARNING! This will remove all stopped containers.
    Are you sure you want to continue? [y/N]: Aborted!
    ");
    assert_eq!(daemon.requests(), "");
    assert_eq!(
        daemon.run_with_input(&["container", "prune"], "y\n").stdout,
        "0123456789ab\n111111111111\n"
    );
    assert_eq!(
        daemon.run(&["container", "prune", "-f"]).stdout,
        "0123456789ab\n111111111111\n"
    );
}

#[test]
fn stop_goes_on_after_a_failure_and_fails_in_the_end() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/one/stop", 404, refusal("container not running"))
        .answer("POST /containers/two/stop", 200, created())
        .start();
    assert_snapshot!(daemon.run(&["stop", "one", "two"]), @r"
    exit: 1
    ----- stdout -----
    0123456789ab
    ----- stderr -----
    one: container not running
    ");
}

#[test]
fn who_stops_or_restarts_may_say_how_long_it_may_take() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/box/stop?timeout=120", 200, created())
        .start();
    assert_eq!(
        daemon.run(&["stop", "--timeout", "120", "box"]).stdout,
        "0123456789ab\n"
    );
    let too_long = daemon.run(&["stop", "-t", "3601", "box"]);
    assert_eq!(too_long.code, Some(2));
    assert!(
        too_long.stderr.contains("3601 is not in 0..=3600"),
        "{}",
        too_long.stderr
    );
}

#[test]
fn a_refused_update_is_told_in_the_daemons_words() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/x/update", 404, refusal("container not found"))
        .start();
    for arguments in [
        ["container", "update", "--user=bob", "x"],
        ["container", "rename", "x", "y"],
    ] {
        let ending = daemon.run(&arguments);
        assert_eq!(
            (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
            (Some(1), "", "container not found\n")
        );
    }
}

#[test]
fn every_prune_asks_in_its_own_words() {
    let daemon = Daemon::rehearse().start();
    for (group, what) in [
        ("container", "stopped containers"),
        ("image", "unused images"),
        ("network", "unused networks"),
        ("volume", "unused volumes"),
    ] {
        let ending = daemon.run_with_input(&[group, "prune"], "n\n");
        assert_eq!((ending.code, ending.stdout.as_str()), (Some(1), ""));
        assert_eq!(
            ending.stderr,
            format!(
                "WARNING! This will remove all {what}.\n\
                 Are you sure you want to continue? [y/N]: Aborted!\n"
            )
        );
    }
    assert_eq!(daemon.requests(), "");
}

#[test]
fn a_question_is_asked_again_until_the_answer_is_understood() {
    let daemon = Daemon::rehearse()
        .answer("POST /networks/prune", 200, json!([]))
        .start();
    let ending = daemon.run_with_input(&["network", "prune"], "perhaps\nYES\n");
    assert_eq!((ending.code, ending.stdout.as_str()), (Some(0), "\n"));
    assert!(ending.stderr.contains("Error: invalid input\n"), "{ending}");
}
