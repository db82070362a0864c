//! Keys that leave a process alone in the middle of a session: Docker's ctrl-p ctrl-q unless told otherwise.

use std::str::FromStr;

/// The keys, one after the other. None means that no keys detach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

impl FromStr for DetachKeys {
    type Err = String;

    /// Reads keys separated by commas, each a single character or `ctrl-` and one of `a` to `z`, `@ [ \ ] ^ _`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(key).collect::<Result<_, _>>().map(Self)
    }
}

fn key(text: &str) -> Result<u8, String> {
    let key = match text.strip_prefix("ctrl-") {
        None => text,
        Some(key) => key,
    };
    match (key.as_bytes(), key.len() == text.len()) {
        (&[byte], true) if byte.is_ascii() => Ok(byte),
        (&[byte @ (b'a'..=b'z' | b'@' | b'['..=b'_')], false) => Ok(byte & 0x1f),
        _ => Err(format!(
            "'{text}' is no key: write a character, or ctrl- and a letter, as in ctrl-p,ctrl-q"
        )),
    }
}

/// Waits for the keys in what a user types.
#[derive(Debug)]
pub struct Watch {
    keys: Vec<u8>,
    /// How many of the keys have been typed; they are held back until it is clear what is meant.
    typed: usize,
}

/// What became of typed keys.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// They are meant for the process.
    Input(Vec<u8>),
    /// These are meant for the process; then the user detached.
    Detached(Vec<u8>),
}

impl Watch {
    /// Waits for `keys`.
    pub fn new(keys: DetachKeys) -> Self {
        Self {
            keys: keys.0,
            typed: 0,
        }
    }

    /// Looks at what was typed next.
    pub fn look(&mut self, bytes: &[u8]) -> Typed {
        let mut input = Vec::with_capacity(bytes.len());
        if self.keys.is_empty() {
            input.extend_from_slice(bytes);
            return Typed::Input(input);
        }
        for &byte in bytes {
            // What is held back is a beginning of the keys; with this byte it is a longer one, or a part of it still is,
            // or nothing.
            let mut held = self.keys[..self.typed].to_vec();
            held.push(byte);
            while !self.keys.starts_with(&held) {
                input.push(held.remove(0));
            }
            self.typed = held.len();
            if self.typed == self.keys.len() {
                return Typed::Detached(input);
            }
        }
        Typed::Input(input)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watch(keys: &str) -> Watch {
        Watch::new(keys.parse().unwrap())
    }

    #[test]
    fn keys_are_characters_or_control_characters() {
        assert_eq!("ctrl-p,ctrl-q".parse(), Ok(DetachKeys(vec![0x10, 0x11])));
        assert_eq!("a,ctrl-\\,ctrl-@".parse(), Ok(DetachKeys(vec![b'a', 0x1c, 0])));
        assert_eq!("".parse(), Ok(DetachKeys(vec![])));
        for text in ["ctrl-", "ctrl-P", "ab", ",", "ctrl-1", "ü"] {
            assert!(text.parse::<DetachKeys>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_keys_detach_also_when_they_come_one_by_one() {
        let mut watch = watch("ctrl-p,ctrl-q");
        assert_eq!(watch.look(b"ls\r"), Typed::Input(b"ls\r".to_vec()));
        assert_eq!(watch.look(b"\x10"), Typed::Input(vec![]));
        assert_eq!(watch.look(b"\x11"), Typed::Detached(vec![]));
    }

    #[test]
    fn a_beginning_that_goes_on_otherwise_reaches_the_process() {
        let mut watch = watch("ctrl-p,ctrl-q");
        assert_eq!(watch.look(b"\x10"), Typed::Input(vec![]));
        assert_eq!(watch.look(b"x"), Typed::Input(b"\x10x".to_vec()));
        assert_eq!(watch.look(b"\x10\x10"), Typed::Input(b"\x10".to_vec()));
        assert_eq!(watch.look(b"\x11"), Typed::Detached(vec![]));
    }

    #[test]
    fn a_beginning_within_a_beginning_counts() {
        assert_eq!(watch("a,a,b").look(b"aaab"), Typed::Detached(b"a".to_vec()));
    }

    #[test]
    fn without_keys_everything_reaches_the_process() {
        assert_eq!(watch("").look(b"\x10\x11"), Typed::Input(b"\x10\x11".to_vec()));
    }

    proptest! {
        #[test]
        fn nothing_typed_before_is_lost_or_doubled(
            keys in prop::collection::vec(0..3_u8, 1..4),
            typed in prop::collection::vec(0..3_u8, 0..24),
        ) {
            let mut watch = Watch::new(DetachKeys(keys.clone()));
            let mut input = Vec::new();
            for (index, byte) in typed.iter().enumerate() {
                match watch.look(&[*byte]) {
                    Typed::Input(bytes) => input.extend(bytes),
                    Typed::Detached(bytes) => {
                        input.extend(bytes);
                        input.extend(&keys);
                        prop_assert_eq!(&input, &typed[..=index]);
                        return Ok(());
                    }
                }
            }
            prop_assert!(typed.starts_with(&input));
            prop_assert!(!typed.windows(keys.len()).any(|window| window == keys));
        }
    }
}
