//! Base images.

use kleene_tests::{Host, eventually, write};

#[test]
fn a_host_image_runs_the_programs_of_the_host() {
    let host = Host::start();
    host.klee("image create -t minimal host --bin /bin/sh --bin /bin/cat")
        .ok();
    let shown = host.klee("run minimal /bin/cat /etc/passwd").ok();
    assert!(shown.contains("root:"), "{shown}");
}

#[test]
fn the_hosts_name_servers_come_along_unless_they_are_not_wanted() {
    let host = Host::start();
    for (option, is_there) in [("", true), ("--no-dns ", false)] {
        host.klee(&format!("image create {option}-t box host --bin /bin/cat"))
            .ok();
        let shown = host.klee("run box /bin/cat /etc/resolv.conf");
        assert_eq!(shown.succeeded(), is_there, "{option}{shown}");
    }
}

#[test]
fn a_missing_program_is_named_and_no_image_is_made() {
    let host = Host::start();
    let before = host.state();
    let refusal = host
        .klee("image create -t minimal host --bin /bin/sh --bin /bin/no-such-program")
        .refused();
    assert!(refusal.contains("/bin/no-such-program"), "{refusal}");
    assert_eq!(host.state(), before);
}

#[test]
fn an_archive_becomes_an_image() {
    let host = Host::start();
    let files = host.directory("files/bin");
    std::fs::copy("/bin/busybox", files.join("busybox")).unwrap();
    let archive = host.directory("").join("base.tar.gz");
    let (files, archive) = (host.directory("files"), archive.display().to_string());
    host.run(&format!("tar -czf {archive} -C {} .", files.display()))
        .ok();
    host.klee(&format!(
        "image create -t box fetch file://{archive} --no-dns --no-localtime"
    ))
    .ok();
    let shown = host.klee("run box /bin/busybox ls /bin").ok();
    assert!(shown.contains("busybox"), "{shown}");
}

#[test]
fn a_damaged_archive_leaves_no_image() {
    let host = Host::start();
    let archive = host.directory("").join("base.tar.gz");
    write(&archive, [0x1f, 0x8b, 8, 0, 1, 2, 3]);
    let before = host.state();
    host.klee(&format!("image create -t box fetch file://{}", archive.display()))
        .refused();
    assert_eq!(host.state(), before);
}

#[test]
fn an_image_that_others_were_built_from_is_not_removed_before_them() {
    let host = Host::with_minimal_image();
    let context = host.directory("context");
    write(context.join("Dockerfile"), "FROM minimal\nRUN true > /made\n");
    host.klee("build -t child context").ok();
    let before = host.list("image");
    host.klee("image rm minimal").refused();
    assert_eq!(host.list("image"), before);
    host.klee("image rm child").ok();
    host.klee("image rm minimal").ok();
}

#[test]
fn a_container_becomes_an_image_while_it_runs() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box --label team=web minimal /bin/sh -c 'echo one > /made; exec /bin/busybox sleep 1000'")
        .ok();
    eventually("the file is there", || {
        host.klee("exec box /bin/busybox cat /made")
            .stdout
            .contains("one")
    });
    host.klee("commit --message 'the first' --label stage=test box kept:1")
        .ok();
    host.klee("exec box /bin/sh -c 'echo two > /made'").ok();
    assert!(
        host.klee("run kept:1 /bin/busybox cat /made")
            .ok()
            .lines()
            .any(|line| line == "one")
    );
    // Its container goes on, is now a clone of the image, and can be committed again.
    assert!(host.klee("exec box /bin/busybox cat /made").ok().contains("two"));
    host.klee("commit box kept:2").ok();
    assert!(
        host.klee("run kept:2 /bin/busybox cat /made")
            .ok()
            .lines()
            .any(|line| line == "two")
    );
    let labels = host.klee("image inspect kept:1 --format '{{.labels}}'").ok();
    assert!(labels.contains("team") && labels.contains("stage"), "{labels}");
    let history = host.klee("image history kept:2 --no-trunc").ok();
    assert!(
        history.contains("commit of container box: the first"),
        "{history}"
    );
    let refusal = host.klee("image rm kept:2").refused();
    assert!(refusal.contains("used for containers"), "{refusal}");
}

#[test]
fn sizes_and_histories_of_images_are_shown() {
    let mut host = Host::with_minimal_image();
    let context = host.directory("context");
    write(context.join("data"), vec![7; 3_000_000]);
    write(
        context.join("Dockerfile"),
        "FROM minimal\nENV A=b\nCOPY data /data\nRUN true > /made\n",
    );
    host.klee("build -t child context").ok();
    // What a daemon did not get to measure, the next one does.
    host.kill_daemon().unwrap();
    host.start_daemon().unwrap();
    let size = |image: &str, part: &str| host.inspect("image", image)["size"][part].as_u64().unwrap_or(0);
    eventually("it was measured", || size("child", "total") > 0);
    assert!(
        (3_000_000..3_200_000).contains(&size("child", "own")),
        "{}",
        size("child", "own")
    );
    assert!(size("child", "total") >= size("minimal", "total") + 3_000_000);
    let table = host.klee("image ls").ok();
    assert!(table.contains("SIZE") && table.contains(" MB"), "{table}");
    let history = host
        .klee("image history child --format '{{.created_by}}|{{.size}}'")
        .ok();
    let lines: Vec<_> = history.lines().collect();
    assert_eq!(lines.len(), 5, "{history}");
    assert!(lines[0].starts_with("RUN true > /made|"), "{history}");
    assert!(lines[1].starts_with("COPY data /data|30"), "{history}");
    assert!(lines[2].starts_with("ENV A=b|"), "{history}");
}

#[test]
fn a_history_tells_each_step_once_whoever_it_was_done_for() {
    let host = Host::with_minimal_image();
    let context = host.directory("context");
    let file = context.join("Dockerfile");
    let steps = "FROM minimal\nENV A=b\nRUN true > /one\n";
    write(&file, format!("{steps}CMD [\"/bin/sh\"]\n"));
    host.klee("build -t first context").ok();
    write(&file, format!("{steps}RUN true > /two\n"));
    host.klee("build -t second context").ok();
    write(&file, format!("{steps}RUN true > /two\nUSER root\n"));
    host.klee("build -t third context").ok();

    let id = |image: &str| host.inspect("image", image)["id"].as_str().unwrap().to_owned();
    let (first, second, third) = (id("first"), id("second"), id("third"));
    let history = host
        .klee("image history third --format '{{.created_by}}|{{.image}}'")
        .ok();
    let expected = [
        format!("USER root|{third}"),
        format!("RUN true > /two|{second}"),
        format!("RUN true > /one|{first}"),
        format!("ENV A=b|{third}"),
        format!("FROM minimal|{third}"),
        format!("|{}", id("minimal")),
    ];
    assert_eq!(history.lines().collect::<Vec<_>>(), expected);
    // A child of it tells the same after its own.
    write(&file, "FROM third\nRUN true > /three\n");
    host.klee("build -t child context").ok();
    let history = host.klee("image history child --format '{{.created_by}}'").ok();
    assert_eq!(
        history.lines().collect::<Vec<_>>(),
        [
            "RUN true > /three",
            "FROM third",
            "USER root",
            "RUN true > /two",
            "RUN true > /one",
            "ENV A=b",
            "FROM minimal",
            ""
        ]
    );
}

#[test]
fn labels_entrypoint_and_working_directory_of_a_container() {
    let host = Host::with_minimal_image();
    host.klee("run --name box --label a=1 --label b --entrypoint /bin/sh -w /bin minimal -c 'pwd > /where'")
        .ok();
    host.klee("commit box kept").ok();
    assert!(
        host.klee("run kept /bin/busybox cat /where")
            .ok()
            .lines()
            .any(|line| line == "/bin")
    );
    let labels = host
        .klee("container inspect box --format '{{.container.labels}}'")
        .ok();
    assert!(labels.contains('a') && labels.contains('b'), "{labels}");
    let refusal = host.klee("create -w bin minimal").refused();
    assert!(refusal.contains("'bin' is not an absolute path"), "{refusal}");
}
