//! Policies of a site, on real traffic: which destinations are reached, which ports may be published.

use kleene_tests::{HOST, HOST6, Host, OUTSIDE, OUTSIDE6, write};

use crate::traffic::{PROBE, filter_bridged_frames};
use crate::web::{PAGE, build_site, fetch, fetch_command, fetch_from_outside};

/// Networks named so reach port 80 of the other machine, and nothing else.
const EGRESS: &str = r#"
[[plugins.config.policy-egress.networks]]
name = "build-*"
allow = [
    { to = "192.0.2.2", protocol = "tcp", ports = 80 },
    { to = "2001:db8::2", protocol = "tcp", ports = 80 },
]
"#;

/// A host with these settings and the images `minimal` and `site`; the other machine serves at ports 80 and 81.
fn host_with(settings: &str) -> Host {
    let mut host = Host::with_minimal_image();
    build_site(&host);
    host.configure(settings).unwrap();
    let directory = host.directory("outside");
    write(directory.join("index.html"), PAGE);
    for port in [80, 81] {
        host.run_outside(&format!(
            "/bin/busybox httpd -p {port} -h {}",
            directory.display()
        ))
        .ok();
    }
    host
}

/// Whether a new container gets the page of this URL.
fn reaches(host: &Host, driver: &str, network: &str, url: &str) -> bool {
    // Not as the first process, which the signal that ends a patient one would not end; and with time for the
    // container's IPv6 address to become usable.
    let fetching = format!("/bin/sh -c '/bin/busybox timeout 5 /bin/busybox wget -q -O - {url} || exit 1'");
    let outcome = host.klee(&format!("run -l {driver} -n {network} minimal {fetching}"));
    outcome.succeeded() && outcome.stdout.contains(PAGE)
}

#[test]
fn containers_of_a_restricted_network_reach_what_is_allowed_and_nothing_else() {
    let host = host_with(EGRESS);
    for (number, kind, driver) in [
        (1, "bridge", "vnet"),
        (2, "bridge", "ipnet"),
        (3, "loopback", "ipnet"),
    ] {
        for name in ["build", "free"] {
            let net = number + if name == "free" { 10 } else { 0 };
            // Routed, not hidden, so that it is seen whose packets they are.
            host.klee(&format!(
                "network create -t {kind} --no-nat --subnet 10.{net}.0.0/24 --subnet6 fd00:{net}::/64 {name}-{number}"
            ))
            .ok();
            host.run_outside(&format!("ip route add 10.{net}.0.0/24 via {HOST}"))
                .ok();
            host.run_outside(&format!("ip route add fd00:{net}::/64 via 2001:db8::1"))
                .ok();
        }
        let (restricted, free) = (format!("build-{number}"), format!("free-{number}"));
        for address in [OUTSIDE.to_owned(), format!("[{OUTSIDE6}]")] {
            let (allowed, other) = (format!("http://{address}/"), format!("http://{address}:81/"));
            assert!(
                reaches(&host, driver, &restricted, &allowed),
                "{kind} {driver} {allowed}"
            );
            assert!(
                !reaches(&host, driver, &restricted, &other),
                "{kind} {driver} {other}"
            );
            assert!(
                reaches(&host, driver, &free, &other),
                "{kind} {driver} free {other}"
            );
        }
    }
}

#[test]
fn a_restricted_container_cannot_step_around_its_guard() {
    let host = host_with(EGRESS);
    host.klee("network create -t bridge --subnet 10.1.0.0/24 build-lan")
        .ok();
    host.klee("network create -t bridge --subnet 10.2.0.0/24 open")
        .ok();
    host.klee("run -d --name web -l vnet -n open --ip 10.2.0.9 -p 8080:80 site")
        .ok();
    assert_eq!(fetch_from_outside(&host, &format!("http://{HOST}:8080/")), PAGE);
    // A published port of others, at the host's address and at its own: its rules pass, the guard does not.
    assert!(reaches(&host, "vnet", "open", &format!("http://{HOST}:8080/")));
    for url in [format!("http://{HOST}:8080/"), "http://10.2.0.9/".to_owned()] {
        assert!(!reaches(&host, "vnet", "build-lan", &url), "{url}");
    }
    // Not with ICMP.
    let ping = format!("/bin/busybox ping -c 1 -W 1 {OUTSIDE}");
    host.klee(&format!("run -l vnet -n open minimal {ping}")).ok();
    let outcome = host.klee(&format!("run -l vnet -n build-lan minimal {ping}"));
    assert!(!outcome.succeeded(), "{outcome}");
}

#[test]
fn a_refused_connection_fails_at_once_also_where_it_was_redirected() {
    let host = host_with(EGRESS);
    host.klee(&format!(
        "image create -t probe host --bin {PROBE} --bin /bin/busybox"
    ))
    .ok();
    for bridged_frames_are_filtered in [false, true] {
        filter_bridged_frames(&host, bridged_frames_are_filtered);
        for (kind, driver) in [("bridge", "vnet"), ("bridge", "ipnet"), ("loopback", "ipnet")] {
            host.klee(&format!(
                "network create -t {kind} --subnet 10.1.0.0/24 --subnet6 fd00:1::/64 build-lan"
            ))
            .ok();
            for web_driver in ["vnet", "ipnet"] {
                host.klee("network create -t bridge --subnet 10.2.0.0/24 --subnet6 fd00:2::/64 open")
                    .ok();
                host.klee(&format!(
                    "run -d --name web -l {web_driver} -n open --ip 10.2.0.9 --ip6 fd00:2::9 -p 8080:80 -p 8080:80/udp \
                     probe {PROBE} serve web 80"
                ))
                .ok();
                host.klee(&format!(
                    "run -d --name asking -l {driver} -n build-lan probe /bin/busybox sleep 1000"
                ))
                .ok();
                for target in [
                    format!("tcp:{HOST}:8080"),
                    format!("udp:{HOST}:8080"),
                    format!("tcp:[{HOST6}]:8080"),
                    format!("udp:[{HOST6}]:8080"),
                    "tcp:10.2.0.9:80".to_owned(),
                    "udp:[fd00:2::9]:80".to_owned(),
                ] {
                    let mut said = String::new();
                    // Time for addresses of IPv6 to become usable.
                    for _ in 0..10 {
                        said = host.klee(&format!("exec asking {PROBE} refusal {target}")).ok();
                        if said.contains("refused") {
                            break;
                        }
                    }
                    assert!(
                        said.contains("refused"),
                        "{kind} {driver} to {target} of {web_driver}, bridged frames filtered: \
                         {bridged_frames_are_filtered}: {said}"
                    );
                }
                for name in ["asking", "web"] {
                    host.klee(&format!("container rm -f {name}")).ok();
                }
                host.klee("network rm open").ok();
            }
            host.klee("network rm build-lan").ok();
        }
    }
}

#[test]
fn containers_of_a_restricted_custom_network_reach_what_is_allowed_and_nothing_else() {
    let host = host_with(EGRESS);
    for name in ["build-site", "site"] {
        host.klee(&format!(
            "network create -t custom -i uplink --subnet 192.0.2.0/24 --subnet6 2001:db8::/64 {name}"
        ))
        .ok();
        // The other machine has the smallest addresses of the subnet.
        host.klee(&format!(
            "run -d --name asking -l ipnet -n {name} --ip 192.0.2.50 --ip6 2001:db8::50 minimal /bin/busybox sleep 1000"
        ))
        .ok();
        let fetches = |url: &str| {
            host.klee(&format!("exec asking {}", fetch_command(url)))
                .succeeded()
        };
        for address in [OUTSIDE.to_owned(), format!("[{OUTSIDE6}]")] {
            assert!(fetches(&format!("http://{address}/")), "{name} {address}");
            assert_eq!(
                fetches(&format!("http://{address}:81/")),
                name == "site",
                "{name} {address}"
            );
        }
        host.klee("container rm -f asking").ok();
        host.klee(&format!("network rm {name}")).ok();
    }
}

#[test]
fn a_restricted_container_answers_at_its_published_port_and_talks_within_its_network() {
    let host = host_with(EGRESS);
    host.klee("network create -t bridge --subnet 10.1.0.0/24 build-lan")
        .ok();
    host.klee("run -d --name web -l vnet -n build-lan --ip 10.1.0.9 -p 8080:80 site")
        .ok();
    assert_eq!(fetch_from_outside(&host, &format!("http://{HOST}:8080/")), PAGE);
    assert_eq!(fetch(&host, "http://10.1.0.9/"), PAGE);
    assert!(reaches(&host, "vnet", "build-lan", "http://10.1.0.9/"));
}

#[test]
fn a_policy_holds_through_a_restart_of_the_daemon() {
    let mut host = host_with(EGRESS);
    host.klee("network create -t bridge --subnet 10.1.0.0/24 build-lan")
        .ok();
    host.klee("network create -t loopback --no-nat --subnet 10.2.0.0/24 build-local")
        .ok();
    host.klee("run -d --name vnet -l vnet -n build-lan minimal /bin/busybox sleep 1000")
        .ok();
    host.klee("run -d --name ipnet -l ipnet -n build-local minimal /bin/busybox sleep 1000")
        .ok();
    host.run_outside(&format!("ip route add 10.2.0.0/24 via {HOST}"))
        .ok();
    for restarted in [false, true] {
        if restarted {
            host.stop_daemon().unwrap();
            host.run("nft delete table inet kleene").ok();
            host.start_daemon().unwrap();
        }
        for name in ["vnet", "ipnet"] {
            let fetching = |port: u16| {
                let command = fetch_command(&format!("http://{OUTSIDE}:{port}/"));
                host.klee(&format!("exec {name} {command}"))
            };
            fetching(80).ok();
            assert!(!fetching(81).succeeded(), "{name}, restarted: {restarted}");
        }
    }
}

#[test]
fn a_changed_allow_list_reaches_networks_and_containers_that_run_and_a_refusal_is_told() {
    let mut host = host_with("");
    host.klee("network create -t bridge --subnet 10.1.0.0/24 build-lan")
        .ok();
    host.klee("network create -t loopback --subnet 10.2.0.0/24 build-local")
        .ok();
    host.klee("run -d --name vnet -l vnet -n build-lan -p 8080:80 site")
        .ok();
    host.klee("run -d --name ipnet -l ipnet -n build-local -p 8081:80 minimal /bin/busybox sleep 1000")
        .ok();
    for (settings, reached) in [
        (EGRESS.to_owned(), [true, false]),
        (EGRESS.replace("ports = 80", "ports = 81"), [false, true]),
        (String::new(), [true, true]),
    ] {
        host.reconfigure(|text| {
            text.split("[[plugins.config")
                .next()
                .unwrap_or_default()
                .to_owned()
                + &settings
        })
        .unwrap();
        for name in ["vnet", "ipnet"] {
            for (port, reached) in [80, 81].into_iter().zip(reached) {
                let fetching = fetch_command(&format!("http://{OUTSIDE}:{port}/"));
                let outcome = host.klee(&format!("exec {name} {fetching}"));
                assert_eq!(outcome.succeeded(), reached, "{name} port {port} with {settings}");
            }
        }
    }
    assert_eq!(host.klee("system repair").ok().trim(), "nothing to repair");
    let both = format!("{EGRESS}[plugins.config.policy-ports]\ndefault = \"deny\"\n");
    host.configure(&both).unwrap();
    let refused = "policy 'policy-ports' refuses: container 'vnet' in network 'build-lan' may not publish port 8080/tcp";
    assert!(host.daemon_log().contains(refused), "{}", host.daemon_log());
    let repair = host.klee("system repair").to_string();
    assert!(
        repair.contains("may not publish port 8080/tcp")
            && repair.contains("container 'ipnet' in network 'build-local'"),
        "{repair}"
    );
    let page = host.run_outside(&fetch_command(&format!("http://{HOST}:8080/")));
    assert!(!page.succeeded(), "{page}");
    for name in ["vnet", "ipnet"] {
        for (port, is_reached) in [(80, true), (81, false)] {
            let fetching = fetch_command(&format!("http://{OUTSIDE}:{port}/"));
            let outcome = host.klee(&format!("exec {name} {fetching}"));
            assert_eq!(outcome.succeeded(), is_reached, "{name} port {port}");
        }
    }
}

#[test]
fn a_port_is_published_where_the_site_allows_it_and_refused_in_its_words() {
    let host = host_with(
        r#"
[[plugins.config.policy-ports.rules]]
name = "no-mail"
action = "deny"
ports = [25, 587]
reason = "mail goes through mx.example.org"

[[plugins.config.policy-ports.rules]]
action = "allow"
containers = "web-*"
interfaces = ["uplink"]
ports = "8000:8999"
"#,
    );
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    host.klee("run -d --name web-1 -l vnet -n lan -p 8080:80 site")
        .ok();
    assert_eq!(fetch_from_outside(&host, &format!("http://{HOST}:8080/")), PAGE);
    let before = host.traces().unwrap();
    for (name, port, reason) in [
        (
            "web-2",
            "25:80",
            "rule 'no-mail' of this site: mail goes through mx.example.org",
        ),
        ("web-3", "9000:80", "no rule of this site allows it"),
        ("db", "8081:80", "no rule of this site allows it"),
    ] {
        let refusal = host
            .klee(&format!("run -d --name {name} -l vnet -n lan -p {port} site"))
            .refused();
        let host_port = port.split(':').next().unwrap();
        let said = format!(
            "policy 'policy-ports' refuses: container '{name}' in network 'lan' may not publish port {host_port}/tcp \
             of the host on interface uplink: {reason}"
        );
        assert!(refusal.contains(&said), "no '{said}' in: {refusal}");
    }
    let left = host.traces().unwrap().since(&before).to_string();
    assert!(
        left.contains("interfaces: none") && left.contains("firewall rules: none"),
        "{left}"
    );
}

#[test]
fn a_port_is_published_by_containers_with_the_labels_that_the_site_wants() {
    let host = host_with(
        r#"
[[plugins.config.policy-ports.rules]]
action = "allow"
labels = { team = "core*", public = "yes" }
ports = "8000:8999"
"#,
    );
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    host.klee("run -d --name web -l vnet -n lan -p 8080:80 --label team=core-2 --label public=yes site")
        .ok();
    assert_eq!(fetch_from_outside(&host, &format!("http://{HOST}:8080/")), PAGE);
    for labels in ["--label team=core-2", "--label team=edge --label public=yes", ""] {
        let refusal = host
            .klee(&format!(
                "run -d --name other -l vnet -n lan -p 8081:80 {labels} site"
            ))
            .refused();
        let said = "container 'other' in network 'lan' may not publish port 8081/tcp of the host on interface uplink: no \
                    rule of this site allows it";
        assert!(refusal.contains(said), "{labels}: {refusal}");
    }
}

#[test]
fn the_daemon_does_not_start_with_a_wrong_configuration_of_a_plugin() {
    for (settings, said) in [
        (
            "[[plugins.config.policy-egress.networks]]\nname = \"lan\"\nallow = [{ to = \"example.org\" }]\n",
            "[plugins.config.policy-egress], key 'networks[0].allow[0].to': 'example.org' is neither an address nor a subnet",
        ),
        (
            "[plugins.config.policy-ports]\ndefault = \"maybe\"\n",
            "[plugins.config.policy-ports], key 'default': unknown variant `maybe`, expected `allow` or `deny`",
        ),
        (
            "[plugins.config.policy-egrss]\ndefault = \"block\"\n",
            "[plugins.config] 'policy-egrss': there is no plugin of this name",
        ),
        (
            "[plugins.allow]\nnetwork-bridg = [\"bridge\"]\n",
            "[plugins.allow] 'network-bridg': there is no plugin of this name",
        ),
        (
            "[plugins.config.network-bridge]\ncolour = \"blue\"\n",
            "[plugins.config.network-bridge]: this plugin has no configuration",
        ),
    ] {
        let mut host = Host::start();
        let error = host.configure(settings).unwrap_err().to_string();
        assert!(
            error.contains("kleened.toml") && error.contains(said),
            "no '{said}' in: {error}"
        );
    }
}

#[test]
fn a_policy_without_configuration_does_nothing_and_says_so() {
    let host = Host::start();
    for policy in ["policy-egress", "policy-ports"] {
        let said = format!("inactive: the configuration has no [plugins.config.{policy}]");
        assert!(host.daemon_log().contains(&said), "no '{said}'");
    }
}
