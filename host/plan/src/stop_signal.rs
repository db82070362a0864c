//! The signal that asks a container to end: a name of signal(7), or a number of the host it runs on.

use std::fmt;
use std::str::FromStr;

use crate::names::NameError;

/// What signals are called on Linux or FreeBSD, without `SIG`.
const NAMES: [&str; 34] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "EMT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS", "INFO", "THR",
];

/// The highest number of a signal, which FreeBSD has.
const LAST: u8 = 126;

/// How many real-time signals both hosts have.
const REAL_TIME: u8 = 30;

/// A signal as users write it: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`. Numbers and names of one signal are different values,
/// because it depends on the host which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopSignal {
    /// One with a name, which is here without `SIG`.
    Named(&'static str),
    /// The so-manyth real-time signal from the first.
    AfterFirst(u8),
    /// The so-manyth real-time signal back from the last.
    BeforeLast(u8),
    /// A number.
    Number(u8),
}

impl StopSignal {
    /// What asks a process to end if nobody says otherwise.
    pub const TERM: Self = Self::Named("TERM");
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "SIG{name}"),
            Self::AfterFirst(0) => f.write_str("SIGRTMIN"),
            Self::AfterFirst(offset) => write!(f, "SIGRTMIN+{offset}"),
            Self::BeforeLast(0) => f.write_str("SIGRTMAX"),
            Self::BeforeLast(offset) => write!(f, "SIGRTMAX-{offset}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for StopSignal {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = NameError {
            kind: "signal",
            text: text.to_owned(),
            rule: "it has a name, such as SIGQUIT, or a number from 1",
        };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().ok().filter(|number| (1..=LAST).contains(number));
            return number.map(Self::Number).ok_or(error);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = NAMES.into_iter().find(|known| *known == name).map(Self::Named);
        let after_first = || offset(name, "RTMIN", '+').map(Self::AfterFirst);
        let before_last = || offset(name, "RTMAX", '-').map(Self::BeforeLast);
        named.or_else(after_first).or_else(before_last).ok_or(error)
    }
}

/// The number in `RTMIN+3`; none is 0.
fn offset(name: &str, begin: &str, sign: char) -> Option<u8> {
    let rest = name.strip_prefix(begin)?;
    if rest.is_empty() {
        return Some(0);
    }
    let digits = rest.strip_prefix(sign)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| *number <= REAL_TIME);
    number.filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_understood_as_users_write_them() {
        for (text, read) in [
            ("SIGQUIT", "SIGQUIT"),
            ("QUIT", "SIGQUIT"),
            ("sigquit", "SIGQUIT"),
            ("3", "3"),
            ("SIGRTMIN", "SIGRTMIN"),
            ("RTMIN+3", "SIGRTMIN+3"),
            ("SIGRTMAX-14", "SIGRTMAX-14"),
            ("Term", "SIGTERM"),
        ] {
            let signal: StopSignal = text.parse().unwrap();
            assert_eq!(signal.to_string(), read);
            assert_eq!(read.parse(), Ok(signal));
        }
    }

    #[test]
    fn what_is_no_signal_is_refused_by_name() {
        for text in [
            "",
            "0",
            "127",
            "300",
            "-1",
            "SIG",
            "SIGSIGQUIT",
            "SIGFOO",
            "SIGRTMIN-1",
            "RTMIN+",
            "RTMAX-+1",
            "RTMIN+31",
            "3 ",
            "QÜIT",
        ] {
            let error = text.parse::<StopSignal>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("'{text}' is not a valid signal: ")),
                "{error}"
            );
        }
    }
}
