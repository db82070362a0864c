//! The environment a process starts with: that of a login, and on top of it what image and container say.

use std::path::Path;

use kleene_plan::DEFAULT_PATH;

use crate::passwd::User;

/// `NAME=value` lines, each name once, those of the login first.
pub(crate) fn login_environment(
    user: &User,
    directory: &Path,
    has_terminal: bool,
    overlay: &[String],
) -> Vec<String> {
    let mut lines = vec![
        format!("HOME={}", user.home.display()),
        format!("SHELL={}", user.shell),
        format!("USER={}", user.name),
        format!("PATH={DEFAULT_PATH}"),
        format!("PWD={}", directory.display()),
    ];
    if has_terminal {
        lines.push("TERM=xterm".to_owned());
    }
    for line in overlay {
        match lines.iter_mut().find(|present| name(present) == name(line)) {
            Some(present) => present.clone_from(line),
            None => lines.push(line.clone()),
        }
    }
    lines
}

/// The value of a variable.
pub(crate) fn value<'a>(lines: &'a [String], wanted: &str) -> Option<&'a str> {
    lines
        .iter()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

fn name(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(has_terminal: bool, overlay: &[&str]) -> Vec<String> {
        let user = User::find("www", "www:*:80:80::/srv:/bin/zsh\n", "").unwrap();
        let overlay: Vec<String> = overlay.iter().map(|&line| line.to_owned()).collect();
        login_environment(&user, Path::new("/srv/data"), has_terminal, &overlay)
    }

    #[test]
    fn a_login_knows_its_user() {
        let path = format!("PATH={DEFAULT_PATH}");
        let expected = [
            "HOME=/srv",
            "SHELL=/bin/zsh",
            "USER=www",
            path.as_str(),
            "PWD=/srv/data",
        ];
        assert_eq!(environment(false, &[]), expected);
    }

    #[test]
    fn a_terminal_has_a_type() {
        assert_eq!(value(&environment(true, &[]), "TERM"), Some("xterm"));
        assert_eq!(value(&environment(false, &[]), "TERM"), None);
    }

    #[test]
    fn what_the_container_says_wins() {
        let lines = environment(true, &["PATH=/opt", "A=1", "A=2=3", "TERM=vt100"]);
        assert_eq!(value(&lines, "PATH"), Some("/opt"));
        assert_eq!(value(&lines, "A"), Some("2=3"));
        assert_eq!(value(&lines, "TERM"), Some("vt100"));
        assert_eq!(lines.iter().filter(|line| line.starts_with("A=")).count(), 1);
    }
}
