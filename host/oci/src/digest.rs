//! Digests: by them content is named, and verified whoever it comes from.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{OciError, Result};

const ALGORITHM: &str = "sha256:";

/// The SHA-256 of some content, written `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.add(content);
        sum.digest()
    }

    /// The hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0[ALGORITHM.len()..]
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As much of it as people tell apart.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..ALGORITHM.len() + 12]
    }
}

impl FromStr for Digest {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.strip_prefix(ALGORITHM) {
            Some(hex) if hex.len() == 64 && hex.bytes().all(is_digit) => Ok(Self(text.to_owned())),
            _ => Err(OciError::BadDigest {
                given: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = OciError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A digest in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum(Sha256);

impl Sum {
    pub(crate) fn add(&mut self, content: &[u8]) {
        sha2::Digest::update(&mut self.0, content);
    }

    pub(crate) fn digest(self) -> Digest {
        let mut text = ALGORITHM.to_owned();
        for byte in sha2::Digest::finalize(self.0) {
            text.push_str(&format!("{byte:02x}"));
        }
        Digest(text)
    }
}

/// Sums up and counts what is read or written through it.
#[derive(Debug)]
pub(crate) struct Summed<T> {
    inner: T,
    sum: Sum,
    count: u64,
}

impl<T> Summed<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            sum: Sum::default(),
            count: 0,
        }
    }

    /// What is inside, the digest, and the number of bytes.
    pub(crate) fn finish(self) -> (T, Digest, u64) {
        (self.inner, self.sum.digest(), self.count)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.sum.add(bytes);
        self.count += bytes.len() as u64;
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn the_digest_of_content_is_its_sha256() {
        let digest = Digest::of(b"hello");
        assert_eq!(digest.as_str(), HELLO);
        assert_eq!(digest.short(), "sha256:2cf24dba5fb0");
        let mut summed = Summed::new(Vec::new());
        summed.write_all(b"hello").unwrap();
        assert_eq!(summed.finish(), (b"hello".to_vec(), digest, 5));
    }

    #[test]
    fn only_digests_that_can_be_verified_and_name_a_file_are_digests() {
        assert!(HELLO.parse::<Digest>().is_ok());
        let upper = HELLO.to_uppercase();
        let escaping = format!("sha256:../../{}", &HELLO[13..]);
        for text in [
            "",
            "sha256:",
            "md5:00",
            &HELLO[..70],
            &upper,
            &escaping,
            "sha512:00",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
