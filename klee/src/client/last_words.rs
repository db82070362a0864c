//! A stream whose writing end may break without its reading end being given up.
//!
//! With TLS 1.3 a daemon refuses a client certificate after the handshake, when the first request is on its way: it says
//! why and hangs up. Who gives up because the request can no longer be written never reads why.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Pretends that writing works after the other side has hung up; reading then tells its last words and the end.
pub struct LastWords<S> {
    stream: S,
    is_hung_up: bool,
}

impl<S> LastWords<S> {
    /// Of `stream`.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            is_hung_up: false,
        }
    }

    /// `outcome`, or `pretended` if it was that the other side hung up.
    fn unless_hung_up<T>(&mut self, outcome: io::Result<T>, pretended: T) -> io::Result<T> {
        match outcome {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.is_hung_up = true;
                Ok(pretended)
            }
            outcome => outcome,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWords<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LastWords<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_hung_up {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        Poll::Ready(self.unless_hung_up(outcome, bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_hung_up {
            return Poll::Ready(Ok(()));
        }
        let outcome = ready!(Pin::new(&mut self.stream).poll_flush(context));
        Poll::Ready(self.unless_hung_up(outcome, ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_hung_up {
            return Poll::Ready(Ok(()));
        }
        let outcome = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
        Poll::Ready(self.unless_hung_up(outcome, ()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_hanging_up_is_read_although_writing_broke() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"no").await.unwrap();
        drop(theirs);
        let mut ours = LastWords::new(ours);
        ours.write_all(b"a request").await.unwrap();
        ours.flush().await.unwrap();
        let mut words = String::new();
        ours.read_to_string(&mut words).await.unwrap();
        assert_eq!(words, "no");
    }
}
