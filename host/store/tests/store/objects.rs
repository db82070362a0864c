//! Objects survive as they were; what must be one object's alone is.

use kleene_plan::{ExitStatus, NetworkKind, Protocol};
use kleene_store::{
    Container, Endpoint, Gateway, Healthcheck, Image, ImageSettings, ImageSize, LastExit, Mount, MountKind,
    Network, NetworkDriver, Port, RestartPolicy, Running, Volume,
};

use crate::fixtures::*;

fn mount(kind: MountKind, source: &str) -> Mount {
    Mount {
        kind,
        source: source.to_owned(),
        destination: "/mnt".to_owned(),
        read_only: kind == MountKind::Nullfs,
    }
}

fn port(host: &str, container: &str) -> Port {
    Port {
        protocol: Protocol::Tcp,
        interfaces: vec!["em0".parse().unwrap()],
        host_ports: host.parse().unwrap(),
        container_ports: container.parse().unwrap(),
    }
}

#[test]
fn a_full_container_survives() {
    let full = Container {
        name: Some("web".parse().unwrap()),
        created: "2024-02-29T14:54:05.317207Z".parse().unwrap(),
        cmd: texts(&["/bin/sh", "-c", "echo 'ü'\n"]),
        env: texts(&["A=1", "B="]),
        user: "www".to_owned(),
        jail_param: texts(&["mount.devfs", "exec.stop=\"/bin/sh /etc/rc.shutdown\""]),
        network_driver: NetworkDriver::Vnet,
        persist: true,
        restart_policy: RestartPolicy::OnStartup,
        labels: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())].into(),
        mounts: vec![
            mount(MountKind::Volume, "v"),
            mount(MountKind::Nullfs, "/host/dir"),
        ],
        ports: vec![port("8080:8090", "80:*"), port("443", "443")],
        generation: 7,
        started: Some(Running {
            exec: id(99),
            since: time(10),
        }),
        last_exit: Some(LastExit {
            status: ExitStatus::Signal(9),
            finished: time(9),
        }),
        ..container(5)
    };
    let store = furnished();
    change(&store, |write| write.insert_container(&full)).unwrap();
    assert_eq!(
        look(&store, |read| read.container(&full.id)).as_ref(),
        Some(&full)
    );
    assert_eq!(look(&store, |read| read.containers()), [container(2), full]);
}

#[test]
fn an_update_replaces_what_users_change_and_nothing_else() {
    let store = furnished();
    let before = Container {
        mounts: vec![mount(MountKind::Volume, "v")],
        ..container(5)
    };
    change(&store, |write| {
        write.insert_container(&before)?;
        write.mark_started(&id(5), &id(99), time(10))?;
        let change = Container {
            name: Some("web".parse().unwrap()),
            cmd: texts(&["x"]),
            ports: vec![port("80", "80")],
            mounts: Vec::new(),
            ..before.clone()
        };
        write.update_container(&change)
    })
    .unwrap();
    let after = look(&store, |read| read.container(&id(5))).unwrap();
    assert_eq!(after.name.map(String::from).as_deref(), Some("web"));
    assert_eq!(
        (after.cmd, after.mounts, after.ports),
        (texts(&["x"]), Vec::new(), vec![port("80", "80")])
    );
    assert_eq!(
        (after.generation, after.started.map(|running| running.exec)),
        (1, Some(id(99)))
    );
}

#[test]
fn the_end_of_an_earlier_run_does_not_touch_the_present_one() {
    let store = furnished();
    let exit = LastExit {
        status: ExitStatus::Code(3),
        finished: time(20),
    };
    change(&store, |write| {
        let first = write.mark_started(&id(2), &id(90), time(10))?;
        let second = write.mark_started(&id(2), &id(91), time(11))?;
        assert_eq!((first, second), (1, 2));
        assert!(!write.mark_exited(&id(2), first, exit)?);
        assert!(write.mark_exited(&id(2), second, exit)?);
        assert!(!write.mark_exited(&id(2), second, exit)?, "a run ends once");
        Ok(())
    })
    .unwrap();
    let container = look(&store, |read| read.container(&id(2))).unwrap();
    assert_eq!((container.started, container.last_exit), (None, Some(exit)));
}

#[test]
fn containers_do_not_share_a_name() {
    let store = furnished();
    let web = |number| Container {
        name: Some("web".parse().unwrap()),
        ..container(number)
    };
    change(&store, |write| write.insert_container(&web(5))).unwrap();
    let expected = "the container name 'web' is already taken by container a00000000005";
    assert_eq!(refusal(&store, |write| write.insert_container(&web(6))), expected);
    assert_eq!(refusal(&store, |write| write.update_container(&web(2))), expected);
    change(&store, |write| write.update_container(&web(5))).unwrap();
}

#[test]
fn a_container_needs_an_image_which_stays_while_it_exists() {
    let store = furnished();
    let orphan = Container {
        image: id(77),
        ..container(5)
    };
    assert_eq!(
        refusal(&store, |write| write.insert_container(&orphan)),
        "there is no image a0000000004d"
    );
    assert_eq!(
        refusal(&store, |write| write.remove_image(&id(1))),
        "image a00000000001 is used by container a00000000002"
    );
    assert!(change(&store, |write| write.remove_container(&id(2))).unwrap());
    assert!(change(&store, |write| write.remove_image(&id(1))).unwrap());
    assert!(!change(&store, |write| write.remove_image(&id(1))).unwrap());
}

#[test]
fn an_image_stays_while_others_are_made_from_it() {
    let store = furnished();
    let child = Image {
        origin: Some("image/a00000000001@image".parse().unwrap()),
        ..image(5)
    };
    change(&store, |write| write.insert_image(&child)).unwrap();
    change(&store, |write| write.remove_container(&id(2))).unwrap();
    assert_eq!(
        refusal(&store, |write| write.remove_image(&id(1))),
        "image a00000000001 is used by image a00000000005"
    );
    assert_eq!(look(&store, |read| read.child_images(&id(1))), [id(5)]);
}

#[test]
fn a_full_image_survives_and_the_latest_is_listed_first() {
    let store = furnished();
    let full = Image {
        created: time(50),
        user: "www".to_owned(),
        instructions: vec![
            ("FROM base".to_owned(), String::new()),
            ("RUN date > /stamp".to_owned(), "@0a1b2c3d4e5f".to_owned()),
        ],
        settings: ImageSettings {
            entrypoint: texts(&["/bin/httpd"]),
            labels: [("version".to_owned(), "1".to_owned())].into(),
            exposed_ports: ["80/tcp".to_owned()].into(),
            healthcheck: Some(Healthcheck {
                test: texts(&["CMD", "/bin/true"]),
                retries: Some(3),
                ..Healthcheck::default()
            }),
            ..ImageSettings::default()
        },
        // The first is of a step that was done for image 1.
        snapshots: vec![
            "image/a00000000001@0a1b2c3d4e5f".parse().unwrap(),
            "image/a00000000005@image".parse().unwrap(),
        ],
        origin: Some("image/a00000000001@image".parse().unwrap()),
        size: Some(ImageSize {
            total: 2000,
            own: 500,
        }),
        ..named(5, "site", "latest")
    };
    change(&store, |write| write.insert_image(&full)).unwrap();
    assert_eq!(look(&store, |read| read.image(&id(5))).as_ref(), Some(&full));
    assert_eq!(look(&store, |read| read.images()), [full, image(1)]);
}

#[test]
fn a_step_is_remembered_until_its_image_goes() {
    let store = furnished();
    let step = |key: &str| look(&store, |read| read.cached_step(key));
    change(&store, |write| write.insert_image(&image(5))).unwrap();
    change(&store, |write| write.cache_step("k", &id(1), "0a1b2c3d4e5f")).unwrap();
    assert_eq!(
        step("k"),
        Some("image/a00000000001@0a1b2c3d4e5f".parse().unwrap())
    );
    change(&store, |write| write.cache_step("k", &id(5), "1a1b2c3d4e5f")).unwrap();
    assert_eq!(
        step("k"),
        Some("image/a00000000005@1a1b2c3d4e5f".parse().unwrap())
    );
    change(&store, |write| write.remove_image(&id(5))).unwrap();
    assert_eq!(step("k"), None);
}

#[test]
fn a_name_and_tag_go_to_the_image_that_is_given_them_last() {
    let store = furnished();
    let names = || {
        look(&store, |read| {
            Ok(read
                .images()?
                .into_iter()
                .map(|image| (image.id, image.name, image.tag)))
        })
        .collect::<Vec<_>>()
    };
    let row = |number, name: &str, tag: &str| (id(number), name.to_owned(), tag.to_owned());
    change(&store, |write| write.insert_image(&named(5, "site", "1"))).unwrap();
    change(&store, |write| write.insert_image(&named(6, "site", "1"))).unwrap();
    assert_eq!(names(), [row(6, "site", "1"), row(5, "", ""), row(1, "", "")]);
    change(&store, |write| write.tag_image(&id(1), "site", "1")).unwrap();
    assert_eq!(names(), [row(6, "", ""), row(5, "", ""), row(1, "site", "1")]);
    // The same again leaves it where it is.
    change(&store, |write| write.tag_image(&id(1), "site", "1")).unwrap();
    assert_eq!(names(), [row(6, "", ""), row(5, "", ""), row(1, "site", "1")]);
}

#[test]
fn images_without_a_name_may_share_a_tag() {
    let store = furnished();
    for number in [5, 6] {
        change(&store, |write| write.insert_image(&named(number, "", "failed"))).unwrap();
    }
    change(&store, |write| write.tag_image(&id(1), "", "failed")).unwrap();
    assert_eq!(
        look(&store, |read| read.images())
            .iter()
            .filter(|image| image.tag == "failed")
            .count(),
        3
    );
}

#[test]
fn tagging_what_does_not_exist_takes_the_name_from_nobody() {
    let store = furnished();
    change(&store, |write| write.insert_image(&named(5, "site", "1"))).unwrap();
    assert_eq!(
        refusal(&store, |write| write.tag_image(&id(9), "site", "1")),
        "there is no image a00000000009"
    );
    assert_eq!(look(&store, |read| read.image(&id(5))).unwrap().name, "site");
}

#[test]
fn networks_share_neither_name_nor_interface() {
    let store = furnished();
    let twin = Network {
        name: "net3".parse().unwrap(),
        ..network(5)
    };
    assert_eq!(
        refusal(&store, |write| write.insert_network(&twin)),
        "the network name 'net3' is already taken by network 'net3' (a00000000003)"
    );
    let squatter = Network {
        interface: "kleene3".parse().unwrap(),
        ..network(5)
    };
    assert_eq!(
        refusal(&store, |write| write.insert_network(&squatter)),
        "the interface 'kleene3' is already taken by network 'net3' (a00000000003)"
    );
}

#[test]
fn networks_have_no_addresses_in_common() {
    let store = furnished();
    let with = |number: u64, subnet: &str, subnet6: &str| Network {
        subnet: Some(subnet.parse().unwrap()),
        subnet6: Some(subnet6.parse().unwrap()),
        ..network(number)
    };
    let refused = |subnet: &str, subnet6: &str| {
        refusal(&store, |write| write.insert_network(&with(9, subnet, subnet6)))
    };
    for inside_or_around in [
        "10.0.0.0/16",
        "10.0.7.0/24",
        "10.0.255.255/32",
        "10.0.0.0/8",
        "0.0.0.0/0",
    ] {
        assert_eq!(
            refused(inside_or_around, "fd09::/64"),
            format!(
                "the subnet {inside_or_around}, or a part of it, is already taken by network 'net3' (a00000000003)"
            )
        );
    }
    for inside_or_around in ["fd00::/64", "fd00::ffff:0:0:0/80", "fd00::/48", "::/0"] {
        assert!(refused("10.9.0.0/16", inside_or_around).contains("is already taken by network 'net3'"));
    }
    for (number, subnet, subnet6) in [
        (4, "9.255.255.255/32", "fcff:ffff::/32"),
        (5, "10.1.0.0/16", "fd00:0:0:1::/64"),
        (6, "255.255.255.255/32", "ffff::/16"),
    ] {
        change(&store, |write| {
            write.insert_network(&with(number, subnet, subnet6))
        })
        .unwrap();
    }
    change(&store, |write| write.remove_network(&id(3))).unwrap();
    change(&store, |write| {
        write.insert_network(&with(9, "10.0.7.0/24", "fd00::/65"))
    })
    .unwrap();
}

#[test]
fn custom_networks_may_share_an_interface() {
    let store = furnished();
    for number in [5, 6] {
        let custom = Network {
            kind: NetworkKind("custom".parse().unwrap()),
            interface: "em0".parse().unwrap(),
            ..network(number)
        };
        change(&store, |write| write.insert_network(&custom)).unwrap();
    }
}

#[test]
fn a_full_network_survives_and_networks_are_listed_by_name() {
    let store = furnished();
    let full = Network {
        name: "a-net".parse().unwrap(),
        subnet: None,
        gateway: Gateway::Address("10.1.0.1".parse().unwrap()),
        gateway6: Gateway::Auto,
        nat: Some("em0".parse().unwrap()),
        icc: false,
        internal: true,
        ..network(5)
    };
    change(&store, |write| write.insert_network(&full)).unwrap();
    assert_eq!(look(&store, |read| read.network(&id(5))).as_ref(), Some(&full));
    assert_eq!(look(&store, |read| read.networks()), [full, network(3)]);
}

#[test]
fn a_container_is_connected_to_a_network_once() {
    let store = furnished();
    change(&store, |write| write.insert_endpoint(&endpoint(4, 2))).unwrap();
    assert_eq!(
        refusal(&store, |write| write.insert_endpoint(&endpoint(5, 2))),
        "the connection to network 'net3' (a00000000003) is already taken by container a00000000002"
    );
}

#[test]
fn endpoints_share_no_interface_and_no_mac_address() {
    let store = furnished();
    change(&store, |write| {
        write.insert_container(&container(5))?;
        write.insert_endpoint(&endpoint(4, 2))
    })
    .unwrap();
    let first = endpoint(4, 2);
    let second = endpoint(6, 5);
    let by = "is already taken by container a00000000002";
    let clash = |endpoint: Endpoint| refusal(&store, |write| write.insert_endpoint(&endpoint));
    assert_eq!(
        clash(Endpoint {
            host_interface: first.host_interface,
            ..second.clone()
        }),
        format!("the interface 'kv4' {by}")
    );
    assert_eq!(
        clash(Endpoint {
            jail_interface: first.jail_interface,
            ..second.clone()
        }),
        format!("the interface 'kj4' {by}")
    );
    assert_eq!(
        clash(Endpoint {
            mac: first.mac,
            ..second.clone()
        }),
        format!("the MAC address '{}' {by}", first.mac)
    );
    change(&store, |write| write.insert_endpoint(&second)).unwrap();
}

#[test]
fn an_endpoint_connects_what_exists() {
    let store = furnished();
    assert_eq!(
        refusal(&store, |write| write.insert_endpoint(&endpoint(4, 9))),
        "there is no container a00000000009"
    );
    let nowhere = Endpoint {
        network: id(8),
        ..endpoint(4, 2)
    };
    assert_eq!(
        refusal(&store, |write| write.insert_endpoint(&nowhere)),
        "there is no network a00000000008"
    );
}

#[test]
fn a_network_stays_while_containers_are_connected_and_endpoints_go_with_their_container() {
    let store = furnished();
    change(&store, |write| write.insert_endpoint(&endpoint(4, 2))).unwrap();
    assert_eq!(
        refusal(&store, |write| write.remove_network(&id(3))),
        "network 'net3' (a00000000003) is used by container a00000000002"
    );
    change(&store, |write| write.remove_container(&id(2))).unwrap();
    assert_eq!(look(&store, |read| read.endpoints()), []);
    assert!(change(&store, |write| write.remove_network(&id(3))).unwrap());
}

#[test]
fn volumes_do_not_share_a_name_and_the_latest_is_listed_first() {
    let store = furnished();
    let volume = |name: &str, second| Volume {
        name: name.parse().unwrap(),
        created: time(second),
        driver: "zfs".parse().unwrap(),
    };
    change(&store, |write| {
        write.insert_volume(&volume("old", 1))?;
        write.insert_volume(&volume("new", 2))
    })
    .unwrap();
    assert_eq!(
        refusal(&store, |write| write.insert_volume(&volume("old", 3))),
        "the volume name 'old' is already taken by another volume"
    );
    assert_eq!(
        look(&store, |read| read.volumes()),
        [volume("new", 2), volume("old", 1)]
    );
}

#[test]
fn a_volume_may_go_while_a_container_names_it_and_tells_who_does() {
    let store = furnished();
    let with_volume = Container {
        mounts: vec![mount(MountKind::Volume, "v")],
        ..container(5)
    };
    let other = Container {
        mounts: vec![mount(MountKind::Nullfs, "v")],
        ..container(6)
    };
    let v = "v".parse().unwrap();
    change(&store, |write| {
        write.insert_container(&with_volume)?;
        write.insert_container(&other)?;
        write.remove_volume(&v)
    })
    .unwrap();
    assert_eq!(
        look(&store, |read| read.mounts_of_volume(&v)),
        [(id(5), mount(MountKind::Volume, "v"))]
    );
}

#[test]
fn a_change_that_fails_in_the_middle_leaves_nothing() {
    let store = furnished();
    let error = refusal(&store, |write| {
        write.insert_network(&network(5))?;
        write.insert_network(&network(3))
    });
    assert!(error.contains("net3"), "{error}");
    assert_eq!(look(&store, |read| read.networks()), [network(3)]);
}
