//! Containers of crun, to compare with.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::Container;

/// crun's own default configuration with what our specification says otherwise.
pub fn crun_config(container: &Container, argv: &[&str]) -> Value {
    let bundle = tempfile::tempdir().unwrap();
    let spec = Command::new("crun")
        .arg("spec")
        .current_dir(bundle.path())
        .output();
    assert!(
        spec.expect("this test compares with crun: apt-get install crun")
            .status
            .success()
    );
    let text = fs::read(bundle.path().join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&text).unwrap();
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_AUDIT_WRITE",
        "CAP_SETFCAP"
    ]);
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let process = &mut config["process"];
    process["args"] = json!(argv);
    process["terminal"] = json!(false);
    process["cwd"] = json!("/tmp");
    process["capabilities"] =
        json!({"bounding": capabilities, "effective": capabilities, "permitted": capabilities});
    process["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": descriptors.maximum.unwrap()}]);
    for mount in config["mounts"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .filter(|mount| mount["type"] == "proc")
    {
        // As Docker does.
        mount["options"] = json!(["nosuid", "noexec", "nodev"]);
    }
    config["hostname"] = json!("probe");
    config["root"] = json!({"path": container.root(), "readonly": false});
    let namespaces = ["pid", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({"type": kind}));
    config["linux"]["namespaces"] = json!(namespaces);
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mount", "unshare", "bpf"], "action": "SCMP_ACT_ERRNO"}]
    });
    config
}

/// Runs a container.
pub fn crun(container: &Container, config: &Value) -> Output {
    let bundle = container.dir.path().join("bundle");
    fs::create_dir_all(&bundle).unwrap();
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let id = format!("oracle-{}", container.id);
    surrounded(&["crun", "run", "--bundle", bundle.to_str().unwrap(), &id])
}

/// Runs a program where version 2 of cgroups cannot be seen: crun cannot deal with it mounted beside version 1.
pub fn surrounded(argv: &[&str]) -> Output {
    let script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";
    Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .args(argv)
        .output()
        .unwrap()
}
