//! Tests of the configuration.

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/kleened.toml"), text)
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn every_key_can_be_set() {
    let config = parse(
        r#"
        kleene_root = "/srv/kleene"
        run_dir = "/run/k"
        listen = ["http:///run/k/sock", "http://127.0.0.1:8080"]
        log_level = "debug"
        log_file = "/var/log/kleened.log"
        [plugins]
        directory = "/opt/plugins"
        cache = "/var/cache/kleene"
        engine = "pulley"
        [plugins.allow]
        network-bridge = ["bridge", "filter"]
        [[plugins.config.policy-egress.networks]]
        name = "build-*"
        allow = [{ to = "192.0.2.0/24", ports = 443 }]
        "#,
    )
    .unwrap();
    assert_eq!(config.kleene_root, Path::new("/srv/kleene"));
    assert_eq!(config.run_dir, Path::new("/run/k"));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(
        config.log_file.as_deref(),
        Some(Path::new("/var/log/kleened.log"))
    );
    assert_eq!(config.plugin_directory().unwrap(), Path::new("/opt/plugins"));
    assert_eq!(config.plugin_cache(), Path::new("/var/cache/kleene"));
    assert_eq!(config.plugins.engine, PluginEngine::Pulley);
    assert_eq!(config.log_level, LogLevel::Debug);
    let allowed = BTreeSet::from([Capability::Bridge, Capability::Filter]);
    assert_eq!(config.plugins.allow["network-bridge"], allowed);
    let settings = &config.plugins().unwrap().settings["policy-egress"];
    assert_eq!(
        settings.to_string(),
        r#"{"networks":[{"allow":[{"ports":443,"to":"192.0.2.0/24"}],"name":"build-*"}]}"#
    );
}

#[test]
fn what_is_shown_can_be_read_again() {
    let text =
        "listen = [\"http://[::1]:8080\"]\n[plugins]\ndirectory = \"/opt/plugins\"\ncache = \"/cache\"\n";
    let config = parse(text).unwrap();
    assert_eq!(parse(&config.to_toml().unwrap()).unwrap(), config);
}

#[test]
fn an_unknown_key_is_refused_by_name_and_line() {
    let message = refusal("run_dir = \"/run/k\"\nkleene_rot = \"/x\"\n");
    assert!(
        message.starts_with("/etc/kleened.toml, line 2, key 'kleene_rot': unknown field `kleene_rot`"),
        "{message}"
    );
}

#[test]
fn a_wrong_type_is_refused_with_its_key() {
    let message = refusal("\nlisten = 8080\n");
    assert!(
        message.starts_with("/etc/kleened.toml, line 2, key 'listen': invalid type: integer"),
        "{message}"
    );
}

#[test]
fn a_wrong_address_in_a_list_over_several_lines_is_refused_with_its_line_and_key() {
    let message = refusal("listen = [\n  \"http://127.0.0.1\",\n  \"ftp://127.0.0.1\",\n]\n");
    assert!(
        message.contains("key 'listen': cannot listen at 'ftp://127.0.0.1'"),
        "{message}"
    );
    assert!(
        message.contains("http[s]:///<path of a UNIX socket>"),
        "{message}"
    );
}

#[test]
fn a_key_in_a_table_is_not_mistaken_for_one_above_it() {
    let message = refusal("run_dir = \"/r\"\n[plugins]\nengine = \"jit\"\n");
    assert!(
        message.starts_with("/etc/kleened.toml, line 3, key 'engine': unknown variant `jit`"),
        "{message}"
    );
}

#[test]
fn an_unknown_log_level_is_refused() {
    let message = refusal("log_level = \"chatty\"");
    assert!(
        message.contains("key 'log_level': unknown variant `chatty`, expected one of `error`"),
        "{message}"
    );
}

#[test]
fn options_of_the_command_line_win() {
    let mut config = parse("kleene_root = \"/a\"\nlisten = [\"http://127.0.0.1\"]").unwrap();
    let overrides = Overrides {
        state_dir: Some("/b".into()),
        listen: vec![ListenAddress::unix("/s")],
        ..Overrides::default()
    };
    config.apply(overrides).unwrap();
    assert_eq!(config.kleene_root, Path::new("/b"));
    assert_eq!(config.listen, vec![Listener::plain(ListenAddress::unix("/s"))]);
    assert_eq!(config.run_dir, Config::default().run_dir);
}

#[test]
fn an_address_may_have_certificates_of_its_own() {
    let config = parse(
        r#"
        listen = [
            "http:///run/k.sock",
            { address = "https://10.0.0.1", tlscert = "/c.pem", tlskey = "/k.pem" },
            { address = "https:///run/s.sock", tlscert = "/d.pem", tlscacert = "/ca.pem", tlsverify = true },
        ]
        "#,
    )
    .unwrap();
    assert_eq!(config.listen[0].tls(), None);
    let first = config.listen[1].tls().unwrap();
    assert_eq!(
        (&*first.tlscert, first.tlskey.as_deref()),
        (Path::new("/c.pem"), Some(Path::new("/k.pem")))
    );
    assert!(!first.tlsverify);
    assert!(config.listen[2].tls().unwrap().tlsverify);
    config.check().unwrap();
    assert_eq!(parse(&config.to_toml().unwrap()).unwrap().listen, config.listen);
}

#[test]
fn addresses_may_be_tables_with_a_header() {
    let config = parse("[[listen]]\naddress = \"https://10.0.0.1\"\ntlscert = \"/c.pem\"\n").unwrap();
    assert_eq!(config.listen.len(), 1);
    assert_eq!(parse(&config.to_toml().unwrap()).unwrap().listen, config.listen);
}

#[test]
fn an_address_with_tls_needs_a_certificate() {
    let message = refusal("run_dir = \"/r\"\nlisten = [\"https://10.0.0.1\"]\n");
    let expected = "/etc/kleened.toml, line 2, key 'listen': https://10.0.0.1:443 needs a certificate: ";
    assert!(message.starts_with(expected), "{message}");
    let message = refusal("[[listen]]\naddress = \"https://10.0.0.1\"\ntlskey = \"/k.pem\"\n");
    let expected = "/etc/kleened.toml, line 1, key 'listen': https://10.0.0.1:443 needs a certificate: ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn certificates_without_tls_are_refused() {
    let message = refusal("listen = [{ address = \"http://10.0.0.1\", tlsverify = true }]");
    assert!(
        message.contains("http://10.0.0.1:80 does not speak TLS and cannot have 'tlsverify'"),
        "{message}"
    );
}

#[test]
fn a_word_that_is_no_boolean_is_refused() {
    let message =
        refusal("listen = [{ address = \"https://10.0.0.1\", tlscert = \"/c\", tlsverify = \"yes\" }]");
    assert!(
        message.contains("invalid type: string \"yes\", expected a boolean"),
        "{message}"
    );
}

#[test]
fn addresses_of_the_command_line_take_its_certificates_where_they_speak_tls() {
    let mut config = Config::default();
    let tls = TlsSettings {
        tlscert: "/c.pem".into(),
        ..TlsSettings::default()
    };
    let overrides = Overrides {
        listen: vec![ListenAddress::unix("/s"), "https://10.0.0.1".parse().unwrap()],
        tls: Some(tls),
        ..Overrides::default()
    };
    config.apply(overrides.clone()).unwrap();
    assert!(config.listen[0].tls().is_none());
    assert!(config.listen[1].tls().is_some());
    let without = Overrides {
        tls: None,
        ..overrides
    };
    assert!(matches!(config.apply(without), Err(ConfigError::Listener(_))));
}

#[test]
fn the_first_file_that_exists_is_read_and_understood_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (toml, yaml) = (path("kleened.toml"), path("config.yaml"));
    let read = || Config::read_first(&[&toml, &yaml]).unwrap();
    assert_eq!(read().source, None);
    let text = "kleene_root: /y\npf_config_template_path: /a\npf_config_path: /b\n\
        api_listening_sockets: [{address: 'http:///s'}]\nenable_logging: false\nlog_level: info\n";
    fs::write(&yaml, text).unwrap();
    assert_eq!(
        (read().config.kleene_root, read().source),
        ("/y".into(), Some(yaml.clone()))
    );
    fs::write(&toml, "kleene_root = \"/t\"").unwrap();
    assert_eq!(
        (read().config.kleene_root, read().source),
        ("/t".into(), Some(toml.clone()))
    );
}

#[test]
fn relative_directories_are_refused() {
    let message = parse("run_dir = \"run\"")
        .unwrap()
        .check()
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("run_dir is 'run': give an absolute path"),
        "{message}"
    );
}

#[test]
fn relative_files_of_certificates_are_refused() {
    let config = parse("listen = [{ address = \"https://10.0.0.1\", tlscert = \"c.pem\" }]").unwrap();
    let message = config.check().unwrap_err().to_string();
    assert!(
        message.starts_with("tlscert is 'c.pem': give an absolute path"),
        "{message}"
    );
}

#[test]
fn no_address_at_all_is_refused() {
    let message = parse("listen = []").unwrap().check().unwrap_err().to_string();
    assert!(message.starts_with("listen is empty"), "{message}");
}

#[test]
fn plugins_are_looked_for_beside_the_program() {
    let directory = beside(Path::new("/usr/local/sbin/kleened"), "lib/kleene/plugins");
    assert_eq!(directory, Path::new("/usr/local/lib/kleene/plugins"));
}

#[test]
fn a_named_file_must_exist() {
    let message = Config::load(Some(Path::new("/nonexistent/kleened.toml")), Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("cannot read the configuration file /nonexistent/kleened.toml"),
        "{message}"
    );
}

#[test]
fn a_freebsd_host_keeps_everything_in_a_dataset() {
    let config = parse("platform = \"freebsd\"\nkleene_root = \"zroot/kleene\"").unwrap();
    config.check().unwrap();
    assert_eq!(config.dataset(), Some("zroot/kleene"));
    for root in [
        "/var/lib/kleene",
        "",
        "zroot//kleene",
        "-o/x",
        "zroot/two words",
        "zroot/a@b",
    ] {
        let config = parse(&format!("platform = \"freebsd\"\nkleene_root = \"{root}\"")).unwrap();
        let message = config.check().unwrap_err().to_string();
        assert!(
            message.contains("on FreeBSD it is a dataset, such as zroot/kleene"),
            "{message}"
        );
    }
}
