//! Images that come from elsewhere and go there: archives, web servers, and the registry and tools that others use, all on
//! the throw-away host.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{Host, write};
use serde_json::Value;

/// Where the registry listens, on the host.
const REGISTRY: &str = "127.0.0.1:5000";
const LISTENS_AFTER: Duration = Duration::from_secs(20);

/// A server on the host; it ends with the test.
struct Server(Child);

impl Server {
    /// The registry of Debian's package docker-registry.
    #[track_caller]
    fn registry(host: &Host) -> Self {
        let directory = host.directory("registry");
        let config = directory.join("config.yml");
        let storage = directory.join("storage");
        write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: {REGISTRY}}}\n",
                storage.display()
            ),
        );
        let mut command = host.sandbox().command("docker-registry");
        command.arg("serve").arg(&config);
        Self::start(host, &mut command, REGISTRY)
    }

    /// A web server for a directory.
    #[track_caller]
    fn web(host: &Host, directory: &str, address: &str) -> Self {
        let mut command = host.sandbox().command("/bin/busybox");
        command
            .args(["httpd", "-f", "-p", address, "-h"])
            .arg(host.directory(directory));
        Self::start(host, &mut command, address)
    }

    #[track_caller]
    fn start(host: &Host, command: &mut std::process::Command, address: &str) -> Self {
        let server = Self(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let (name, port) = address.split_once(':').unwrap();
        let deadline = Instant::now() + LISTENS_AFTER;
        while !host
            .run(&format!("bash -c 'exec 3<>/dev/tcp/{name}/{port}'"))
            .succeeded()
        {
            assert!(
                Instant::now() < deadline,
                "nothing listens at {address}: {command:?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    /// What was started by it is a process of the sandbox, and ends with that.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

/// `skopeo` on the host, which asks for no signatures.
fn skopeo(host: &Host, line: &str) -> String {
    host.run(&format!("skopeo --insecure-policy {line}")).ok()
}

#[test]
fn what_is_pushed_is_an_image_for_others_and_comes_back_by_tag_and_digest() {
    let host = Host::with_minimal_image();
    let _registry = Server::registry(&host);
    let context = host.directory("context");
    write(
        context.join("Dockerfile"),
        "FROM minimal\nENV COLOUR=green\nUSER root\nCMD [\"/bin/busybox\", \"env\"]\n",
    );
    host.klee("build -t app:1 context").ok();
    let pushed = host.klee(&format!("image push app:1 {REGISTRY}/team/app:1")).ok();
    let digest = last_line(&pushed).to_owned();
    assert!(digest.starts_with("sha256:"), "{pushed}");

    let place = format!("docker://{REGISTRY}/team/app:1");
    let seen = json(&skopeo(&host, &format!("inspect --tls-verify=false {place}")));
    assert_eq!(seen["Digest"], digest.as_str());
    let config = json(&skopeo(
        &host,
        &format!("inspect --config --tls-verify=false {place}"),
    ));
    assert_eq!(
        config["config"]["Cmd"],
        serde_json::json!(["/bin/busybox", "env"])
    );
    assert!(
        config["config"]["Env"].to_string().contains("COLOUR=green"),
        "{config}"
    );
    let again = host.klee(&format!("image push app:1 {REGISTRY}/team/app:2")).ok();
    assert!(again.contains("is there already"), "{again}");
    assert_eq!(last_line(&again), digest);

    host.klee("image rm app:1").ok();
    let pulled = host.klee(&format!("image pull {REGISTRY}/team/app:1")).ok();
    assert!(
        pulled.contains("unpacked") && pulled.contains("image created"),
        "{pulled}"
    );
    let shown = host.klee("run app:1").ok();
    assert!(shown.contains("COLOUR=green"), "{shown}");
    host.klee(&format!("image pull -t exact {REGISTRY}/team/app@{digest}"))
        .ok();
    assert!(host.klee("run exact").ok().contains("COLOUR=green"));
}

#[test]
fn what_others_push_is_pulled_and_run() {
    let host = Host::with_minimal_image();
    let _registry = Server::registry(&host);
    let archive = host.directory("out").join("app.tar");
    let archive = archive.display();
    host.klee(&format!("image save -o {archive} minimal")).ok();
    skopeo(
        &host,
        &format!("copy --dest-tls-verify=false oci-archive:{archive} docker://{REGISTRY}/theirs:oci"),
    );
    skopeo(
        &host,
        &format!(
            "copy --dest-tls-verify=false --format v2s2 docker-archive:{archive} docker://{REGISTRY}/theirs:docker"
        ),
    );
    for tag in ["oci", "docker"] {
        host.klee(&format!("image pull {REGISTRY}/theirs:{tag}")).ok();
        assert!(
            host.klee(&format!("run theirs:{tag} /bin/busybox echo hello"))
                .ok()
                .contains("hello\n")
        );
    }
}

#[test]
fn a_pull_that_fails_says_why_and_leaves_nothing() {
    let host = Host::with_minimal_image();
    let _registry = Server::registry(&host);
    host.klee(&format!("image push minimal {REGISTRY}/app:1")).ok();
    let before = host.state();
    let absent = host.klee(&format!("image pull {REGISTRY}/app:2")).refused();
    assert!(
        absent.contains("has no such image; check name and tag"),
        "{absent}"
    );
    let platform = host
        .klee(&format!("image pull --platform plan9/mips {REGISTRY}/nope:1"))
        .refused();
    assert!(platform.contains("has no such image"), "{platform}");
    let unreachable = host.klee("image pull 127.0.0.1:1/app:1").refused();
    assert!(
        unreachable.contains("no connection to 127.0.0.1"),
        "{unreachable}"
    );
    let unclear = host.klee("image pull UPPER").refused();
    assert!(
        unclear.contains("'UPPER' names no image in a registry"),
        "{unclear}"
    );
    let pushed = host.klee(&format!("image push nope {REGISTRY}/app:1")).refused();
    assert!(pushed.contains("image not found"), "{pushed}");
    assert_eq!(host.state(), before);
}

#[test]
fn what_is_sent_does_not_tell_the_name_servers_of_its_maker() {
    let host = Host::with_minimal_image();
    let context = host.directory("context");
    write(context.join("resolv.conf"), "nameserver 192.0.2.53\n");
    write(
        context.join("Dockerfile"),
        "FROM minimal\nCOPY resolv.conf /etc/resolv.conf\nCOPY resolv.conf /srv/etc/resolv.conf\n",
    );
    host.klee("build -t inside context").ok();
    let archive = host.directory("out").join("inside.tar");
    let archive = archive.display();
    host.klee(&format!("image save -o {archive} inside")).ok();
    host.klee(&format!("image load -i {archive} -t outside --no-dns"))
        .ok();
    let found = host
        .klee("run outside /bin/busybox find / -xdev -name resolv.conf")
        .ok();
    assert!(found.contains("\n/srv/etc/resolv.conf\n"), "{found}");
    assert!(!found.contains("\n/etc/resolv.conf\n"), "{found}");
}

#[test]
fn an_image_goes_through_an_archive_of_this_side() {
    let host = Host::with_minimal_image();
    let directory = host.directory("out");
    let first = directory.join("first.tar").display().to_string();
    host.klee(&format!("image save -o {first} minimal")).ok();
    let listed = skopeo(&host, &format!("inspect oci-archive:{first}"));
    assert_eq!(json(&listed)["Layers"].as_array().unwrap().len(), 1);
    // The same by a pipe, and it is the same whenever it is written.
    let second = directory.join("second.tar");
    std::fs::write(
        &second,
        host.klee_command("image save minimal").output().unwrap().stdout,
    )
    .unwrap();
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());

    host.klee("image rm minimal").ok();
    let loaded = host.klee(&format!("image load -i {first}")).ok();
    assert_eq!(host.inspect("image", "minimal:latest")["id"], last_line(&loaded));
    assert!(
        host.klee("run minimal /bin/busybox echo hello")
            .ok()
            .contains("hello\n")
    );
    host.klee(&format!("image create -t byname oci {first}:minimal:latest"))
        .ok();
    host.klee(&format!("image create -t whole oci {first}")).ok();
    assert!(
        host.klee("run byname /bin/busybox echo hello")
            .ok()
            .contains("hello\n")
    );
}

#[test]
fn archives_that_are_no_images_are_refused_and_leave_nothing() {
    let host = Host::with_minimal_image();
    let directory = host.directory("out");
    let text = directory.join("text.tar").display().to_string();
    write(&text, "just a text");
    let whole = directory.join("whole.tar");
    host.klee(&format!("image save -o {} minimal", whole.display()))
        .ok();
    let content = std::fs::read(&whole).unwrap();
    let cut = directory.join("cut.tar").display().to_string();
    write(&cut, &content[..content.len() / 2]);
    let before = host.state();
    for command in [
        format!("image load -i {text}"),
        format!("image load -i {cut}"),
        format!("image create oci {text}"),
        format!("image create oci {cut}"),
    ] {
        let refused = host.klee(&command).refused();
        assert!(refused.contains("image"), "{command}: {refused}");
    }
    let missing = host.klee("image load -i /nowhere/x.tar").refused();
    assert!(missing.contains("cannot read '/nowhere/x.tar'"), "{missing}");
    let missing = host.klee("image create oci /nowhere/x.tar").refused();
    assert!(missing.contains("/nowhere/x.tar"), "{missing}");
    let unknown = host.klee(&format!(
        "image save -o {} nope",
        directory.join("no.tar").display()
    ));
    assert!(unknown.refused().contains("image not found"));
    assert!(!directory.join("no.tar").exists());
    assert_eq!(host.state(), before);
}

#[test]
fn an_archive_of_a_web_server_is_fetched_and_its_checksum_compared() {
    let host = Host::start();
    let files = host.directory("files/bin");
    std::fs::copy("/bin/busybox", files.join("busybox")).unwrap();
    let files = host.directory("files");
    let archive = host.directory("web").join("base.tar.gz");
    host.run(&format!(
        "tar -czf {} -C {} .",
        archive.display(),
        files.display()
    ))
    .ok();
    let sum = host.run(&format!("sha256sum {}", archive.display())).ok();
    let sum = sum.split(' ').next().unwrap();
    let _web = Server::web(&host, "web", "127.0.0.1:8080");
    let create = "image create --no-dns --no-localtime -t box";
    let before = host.state();
    let wrong = sum.replace(&sum[..1], if sum.starts_with('0') { "1" } else { "0" });
    let refused = host
        .klee(&format!(
            "{create} --checksum {wrong} fetch http://127.0.0.1:8080/base.tar.gz"
        ))
        .refused();
    assert!(refused.contains("is not what was expected"), "{refused}");
    let absent = host
        .klee(&format!("{create} fetch http://127.0.0.1:8080/none.tar.gz"))
        .refused();
    assert!(
        absent.contains("answers 404 Not Found; check the URL"),
        "{absent}"
    );
    assert_eq!(host.state(), before);
    let told = host
        .klee(&format!(
            "{create} --checksum sha256:{sum} fetch http://127.0.0.1:8080/base.tar.gz"
        ))
        .ok();
    assert!(told.contains("Succesfully fetched base system."), "{told}");
    assert!(
        host.klee("run box /bin/busybox echo hello")
            .ok()
            .contains("hello\n")
    );
}
