//! What HTTP is spoken over, and how its errors are told.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

/// Anything that HTTP can be spoken over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// `[Errno 2] No such file or directory`, as 0.1.1 writes it.
pub fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let words = text
                .strip_suffix(&format!(" (os error {number})"))
                .unwrap_or(&text);
            format!("[Errno {number}] {words}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_operating_system_has_its_number_in_front() {
        assert_eq!(
            in_words(&io::Error::from_raw_os_error(2)),
            "[Errno 2] No such file or directory"
        );
    }
}
