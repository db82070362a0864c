//! Containers without a network of Kleene's: those with the host's network stack, and those with none.

use kleene_tests::{HOST, OUTSIDE};

use super::scene::{PROBE, host_with_probe};

#[test]
fn a_container_with_the_host_s_network_is_the_host_to_others() {
    let host = host_with_probe();
    host.klee(&format!("run -d --name web -l host probe {PROBE} serve web 80"))
        .ok();
    let asked = format!("{PROBE} ask tcp:{HOST}:80 udp:{HOST}:80");
    let answer = format!("web sees {OUTSIDE}\n");
    host.run_outside("sleep 0.5").ok();
    assert_eq!(host.run_outside(&asked).ok(), answer.repeat(2));
    let addresses = host.klee("run -l host probe /bin/busybox ip -o address").ok();
    assert!(addresses.contains(HOST), "{addresses}");
}

#[test]
fn a_disabled_container_reaches_nobody_but_itself() {
    let host = host_with_probe();
    host.klee(&format!(
        "run -d --name web -l disabled probe {PROBE} serve web 80"
    ))
    .ok();
    let asked = format!("exec web {PROBE} ask tcp:{HOST}:22 udp:{OUTSIDE}:80 icmp:{OUTSIDE} icmp:{HOST}");
    let shown = host.klee(&asked).ok();
    assert_eq!(shown.lines().filter(|line| *line == "-").count(), 4, "{shown}");
}
