//! Parameters of a jail in jail(8)'s form, as users give them.

/// A parameter: `key`, `key=value` or `key+=value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: Option<&'a str>,
}

/// Parameters in the order in which they were given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters<'a>(pub(crate) &'a [String]);

impl<'a> Parameters<'a> {
    fn all(self) -> impl DoubleEndedIterator<Item = Parameter<'a>> {
        self.0.iter().map(|text| match text.split_once('=') {
            Some((key, value)) => Parameter {
                key: key.trim_end_matches('+').trim(),
                value: Some(value),
            },
            None => Parameter {
                key: text.trim(),
                value: None,
            },
        })
    }

    /// Whether the user says something about any of these.
    pub(crate) fn mention(self, keys: &[&str]) -> bool {
        self.all().any(|parameter| keys.contains(&parameter.key))
    }

    /// All values of a parameter that may be given several times, such as a command; empty ones are none.
    pub(crate) fn values(self, key: &str) -> Vec<String> {
        let of_key = self.all().filter(|parameter| parameter.key == key);
        let values = of_key.filter_map(|parameter| parameter.value);
        values
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The last value of a parameter that is a number.
    pub(crate) fn number(self, key: &str) -> Option<u64> {
        self.values(key).last()?.parse().ok()
    }

    /// Whether something is switched on, where `no` before the last part of its key switches it off (jail(8)); the
    /// last word counts.
    pub(crate) fn switch(self, key: &str, default: bool) -> bool {
        let negated = match key.rsplit_once('.') {
            Some((group, name)) => format!("{group}.no{name}"),
            None => format!("no{key}"),
        };
        let is_off = |parameter: &Parameter<'_>| matches!(parameter.value, Some("false" | "0"));
        let said = self.all().rev().find_map(|parameter| {
            if parameter.key == key {
                Some(!is_off(&parameter))
            } else if parameter.key == negated {
                Some(is_off(&parameter))
            } else {
                None
            }
        });
        said.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_key_is_compared_whole() {
        let texts = given(&["exec.stopper=x", "host.hostnames"]);
        assert!(!Parameters(&texts).mention(&["exec.stop", "host.hostname"]));
        let texts = given(&["exec.stop+=x", "mount.nodevfs"]);
        assert!(Parameters(&texts).mention(&["exec.stop"]));
        assert!(Parameters(&texts).mention(&["mount.devfs", "mount.nodevfs"]));
    }

    #[test]
    fn the_last_word_about_a_switch_counts() {
        for (texts, expected) in [
            (&["mount.devfs=false"][..], false),
            (&["mount.nodevfs"], false),
            (&["mount.nodevfs=false"], true),
            (&["mount.nodevfs", "mount.devfs"], true),
            (&["mount.devfs", "mount.devfs=0"], false),
            (&[], true),
        ] {
            assert_eq!(
                Parameters(&given(texts)).switch("mount.devfs", true),
                expected,
                "{texts:?}"
            );
        }
        assert!(Parameters(&given(&["persist"])).switch("persist", false));
        assert!(!Parameters(&given(&["persist", "nopersist"])).switch("persist", false));
    }

    #[test]
    fn every_command_of_several_is_kept() {
        let texts = given(&[
            "exec.stop=/bin/a",
            "exec.stop+=/bin/b c=d",
            "exec.stop=",
            "exec.start=x",
        ]);
        assert_eq!(Parameters(&texts).values("exec.stop"), ["/bin/a", "/bin/b c=d"]);
    }
}
