//! Checksums of what is fetched: `sha256:<64 hexadecimal digits>`, as digests of OCI images are written.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The SHA-256 of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum([u8; 32]);

impl FromStr for Checksum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "'{text}' is no checksum: write sha256: and the 64 hexadecimal digits that `sha256sum` (FreeBSD: \
                 `sha256 -q`) prints"
            )
        };
        // Files of checksums hold the digits alone.
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let mut sum = [0; 32];
        if digits.len() != 2 * sum.len() {
            return Err(bad());
        }
        for (byte, pair) in sum.iter_mut().zip(digits.chunks(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err(bad());
            };
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(sum))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Adds up what is read, if it is to be compared.
pub(super) struct Summed<R> {
    reader: R,
    sum: Option<Sha256>,
}

impl<R: Read> Summed<R> {
    pub(super) fn new(reader: R, expected: Option<&Checksum>) -> Self {
        Self {
            reader,
            sum: expected.map(|_| Sha256::new()),
        }
    }

    /// Reads what is left, which those who decode may leave alone, and returns the sum of all.
    pub(super) fn finish(mut self) -> io::Result<Option<Checksum>> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.sum.map(|sum| Checksum(sum.finalize().into())))
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Some(sum) = &mut self.sum {
            sum.update(&buffer[..read]);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_checksum_is_read_with_and_without_its_kind_and_in_any_case() {
        let sum: Checksum = HELLO.parse().unwrap();
        assert_eq!(sum.to_string(), HELLO);
        assert_eq!(HELLO["sha256:".len()..].to_uppercase().parse(), Ok(sum));
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        for text in ["sha256:", "md5:00", &HELLO[..70], &HELLO.replace('2', "g"), "ü"] {
            let refused = text.parse::<Checksum>().unwrap_err();
            assert!(
                refused.starts_with(&format!("'{text}' is no checksum")),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_sum_covers_what_was_not_read() {
        let sum: Checksum = HELLO.parse().unwrap();
        let mut summed = Summed::new(&b"hello"[..], Some(&sum));
        summed.read_exact(&mut [0; 2]).unwrap();
        assert_eq!(summed.finish().unwrap(), Some(sum));
    }
}
