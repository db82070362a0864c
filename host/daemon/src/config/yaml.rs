//! The configuration file of Kleene 0.1.1, a YAML map, so that a host can be moved to this daemon as it is.
//!
//! Its keys are mapped to ours. What has no meaning any more is accepted and said to be so.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_norway::Value;

use super::{Config, ConfigError, Listener, LogLevel};

/// Where 0.1.1 logs if it is told to.
const LOG_FILE: &str = "/var/log/kleened.log";
/// Of an unknown key not more than its name is known, and that only if it is text.
const NAMELESS: &str = "(not text)";

/// The map. All keys are required, but which one is missing has words of its own.
#[derive(Debug, Deserialize)]
struct Map {
    kleene_root: Option<String>,
    pf_config_template_path: Option<PathBuf>,
    pf_config_path: Option<PathBuf>,
    api_listening_sockets: Option<Vec<Listener>>,
    enable_logging: Option<bool>,
    log_level: Option<Value>,
    #[serde(flatten)]
    unknown: serde_norway::Mapping,
}

/// Whether this is a file of that kind.
pub(super) fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Understands the text of a file; `path` is for messages. Besides the configuration, what to tell the user.
///
/// # Errors
/// At the first mistake.
pub(super) fn parse(path: &Path, text: &str) -> Result<(Config, Vec<String>), ConfigError> {
    let map: Map = serde_norway::from_str(text).map_err(|error| ConfigError::Content {
        path: path.to_owned(),
        line: error.location().map_or(1, |location| location.line()),
        key: None,
        reason: without_place(&error),
    })?;
    let missing = |key| ConfigError::MissingKey {
        path: path.to_owned(),
        key,
    };
    let kleene_root = map.kleene_root.ok_or_else(|| missing("kleene_root"))?;
    let template = map.pf_config_template_path;
    template.ok_or_else(|| missing("pf_config_template_path"))?;
    map.pf_config_path.ok_or_else(|| missing("pf_config_path"))?;
    let listen = map
        .api_listening_sockets
        .ok_or_else(|| missing("api_listening_sockets"))?;
    let enable_logging = map.enable_logging.ok_or_else(|| missing("enable_logging"))?;
    let level = map.log_level.ok_or_else(|| missing("log_level"))?;

    if cfg!(not(target_os = "freebsd")) && !kleene_root.starts_with('/') {
        return Err(ConfigError::Dataset {
            path: path.to_owned(),
            dataset: kleene_root,
        });
    }
    let mut notices = vec![
        "'pf_config_template_path' and 'pf_config_path' are not used: rules are kept apart from yours, \
         in anchors or a table of their own"
            .to_owned(),
    ];
    let log_level = log_level(&level).unwrap_or_else(|| {
        let level = level.as_str().unwrap_or("that").to_owned();
        let default = LogLevel::default().as_str();
        notices.push(format!(
            "'log_level' is '{level}', which is no level; {default} is used"
        ));
        LogLevel::default()
    });
    for key in map.unknown.keys() {
        let key = key.as_str().unwrap_or(NAMELESS);
        notices.push(format!("'{key}' is not known and has no effect"));
    }
    let config = Config {
        kleene_root: kleene_root.into(),
        listen,
        log_level,
        log_file: enable_logging.then(|| LOG_FILE.into()),
        ..Config::default()
    };
    Ok((config, notices))
}

fn log_level(level: &Value) -> Option<LogLevel> {
    match level.as_str()? {
        "debug" => Some(LogLevel::Debug),
        "info" | "notice" => Some(LogLevel::Info),
        "warning" => Some(LogLevel::Warn),
        "error" | "critical" | "alert" | "emergency" => Some(LogLevel::Error),
        _ => None,
    }
}

/// The library appends ` at line … column …`, which is said in front already.
fn without_place(error: &serde_norway::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/usr/local/etc/kleened/config.yaml";

    /// As shipped with 0.1.1, but for the root, which is a dataset there.
    const SHIPPED: &str = "\
kleene_root: /var/lib/kleene
pf_config_template_path: /usr/local/etc/kleened/pf.conf.kleene
pf_config_path: /etc/pf.conf
api_listening_sockets:
  - address: http:///var/run/kleened.sock
enable_logging: true
log_level: info
";

    fn read(text: &str) -> Result<(Config, Vec<String>), ConfigError> {
        parse(Path::new(PATH), text)
    }

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_file_amounts_to_our_defaults_with_a_log_file() {
        let (config, notices) = read(SHIPPED).unwrap();
        let expected = Config {
            log_file: Some(LOG_FILE.into()),
            ..Config::default()
        };
        assert_eq!(config, expected);
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].starts_with("'pf_config_template_path' and 'pf_config_path' are not used"));
    }

    #[test]
    fn each_missing_key_has_the_words_of_the_contract() {
        let keys = [
            "kleene_root",
            "pf_config_template_path",
            "pf_config_path",
            "enable_logging",
            "log_level",
        ];
        for key in keys {
            let text: String = SHIPPED
                .lines()
                .filter(|line| !line.starts_with(&format!("{key}:")))
                .flat_map(|line| [line, "\n"])
                .collect();
            let expected =
                format!("{PATH}: configuration error: '{key}' key not set in configuration file. Exiting.");
            assert_eq!(refusal(&text), expected);
        }
        let text = SHIPPED.replace(
            "api_listening_sockets:\n  - address: http:///var/run/kleened.sock\n",
            "",
        );
        assert!(refusal(&text).contains("'api_listening_sockets' key not set"));
    }

    #[test]
    fn sockets_may_have_certificates_of_their_own() {
        let socket = "  - address: http:///var/run/kleened.sock\n";
        let secure = "  - address: https://127.0.0.1\n    tlscert: /c.pem\n    tlsverify: true\n    tlscacert: /ca.pem\n    tlsdh: /dh.pem\n";
        let (config, _) = read(&SHIPPED.replace(socket, &format!("{socket}{secure}"))).unwrap();
        assert_eq!(config.listen.len(), 2);
        let tls = config.listen[1].tls().unwrap();
        assert!(tls.tlsverify);
        assert_eq!(tls.tlscert, Path::new("/c.pem"));
        assert!(
            config.listen[1]
                .notice()
                .unwrap()
                .starts_with("'tlsdh' of https://127.0.0.1:443 is not used")
        );
    }

    #[test]
    fn without_logging_there_is_no_file() {
        let (config, _) = read(&SHIPPED.replace("enable_logging: true", "enable_logging: false")).unwrap();
        assert_eq!(config.log_file, None);
    }

    #[test]
    fn levels_of_syslog_are_understood_and_unknown_ones_ignored_with_a_word() {
        for (word, expected) in [
            ("debug", LogLevel::Debug),
            ("notice", LogLevel::Info),
            ("warning", LogLevel::Warn),
            ("emergency", LogLevel::Error),
            ("chatty", LogLevel::Info),
        ] {
            let (config, notices) = read(&SHIPPED.replace("level: info", &format!("level: {word}"))).unwrap();
            assert_eq!(config.log_level, expected, "{word}");
            let told = notices
                .iter()
                .any(|notice| notice.contains("'chatty', which is no level"));
            assert_eq!(told, word == "chatty");
        }
    }

    #[cfg(not(target_os = "freebsd"))]
    #[test]
    fn a_dataset_as_root_is_explained() {
        let message = refusal(&SHIPPED.replace("/var/lib/kleene", "zroot/kleene"));
        assert!(
            message.starts_with(&format!("{PATH}: kleene_root is the dataset 'zroot/kleene': ")),
            "{message}"
        );
    }

    #[test]
    fn unknown_keys_are_told_and_ignored() {
        let (_, notices) = read(&format!("{SHIPPED}colour: red\n")).unwrap();
        assert_eq!(notices[1], "'colour' is not known and has no effect");
    }

    #[test]
    fn a_mistake_has_its_line_and_key() {
        let message = refusal(&SHIPPED.replace("enable_logging: true", "enable_logging: perhaps"));
        assert!(
            message.starts_with(&format!("{PATH}, line 6: enable_logging: ")),
            "{message}"
        );
        let message = refusal(&SHIPPED.replace("http:///var", "ftp:///var"));
        assert!(
            message.contains("cannot listen at 'ftp:///var/run/kleened.sock'"),
            "{message}"
        );
        assert!(message.starts_with(&format!("{PATH}, line ")), "{message}");
    }
}
