//! Paths of requests, with everything that users type encoded for a URL.

use std::fmt::{self, Write};

/// A path with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    text: String,
    has_query: bool,
}

impl Route {
    /// The path of these segments; each is encoded on its own, so that a `/` in one stays inside it.
    pub fn new<const N: usize>(segments: [&str; N]) -> Self {
        let mut text = String::new();
        for segment in segments {
            text.push('/');
            encode(segment, &mut text);
        }
        Self {
            text,
            has_query: false,
        }
    }

    /// With one more query parameter.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        encode(name, &mut self.text);
        self.text.push('=');
        encode(&value.to_string(), &mut self.text);
        self
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3, and `:` and `@`, which
/// are plain in paths and queries alike (section 3.3).
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                into.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => {
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_parameters_are_encoded() {
        let route = Route::new(["images", "my/img:1 ü", "tag"])
            .query("nametag", "a:b&c")
            .query("all", true);
        assert_eq!(
            route.to_string(),
            "/images/my%2Fimg:1%20%C3%BC/tag?nametag=a:b%26c&all=true"
        );
    }
}
