//! Connections within TLS. Handshakes take place beside each other and beside accepting, so that a client that is slow
//! or says nothing keeps nobody else waiting.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// A client that has not finished its handshake after so long is sent away.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// So many handshakes at a time; further clients wait to be accepted.
const MOST_HANDSHAKES: usize = 256;

/// A connection and where it comes from.
type Connection<S, A> = (TlsStream<S>, A);

/// Takes connections of another listener and speaks TLS with them.
pub(crate) struct TlsListener<L: Listener> {
    inner: L,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Connection<L::Io, L::Addr>>>,
}

impl<L: Listener> TlsListener<L> {
    pub(crate) fn new(inner: L, config: Arc<ServerConfig>) -> Self {
        Self {
            inner,
            acceptor: config.into(),
            handshakes: JoinSet::new(),
        }
    }
}

impl<L> Listener for TlsListener<L>
where
    L: Listener,
    L::Addr: Debug + 'static,
{
    type Io = TlsStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => match ended {
                    Ok(Some(connection)) => return connection,
                    Ok(None) => {}
                    Err(panic) => tracing::error!(%panic, "a handshake broke"),
                },
                (stream, peer) = self.inner.accept(), if self.handshakes.len() < MOST_HANDSHAKES => {
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(handshake(acceptor, stream, peer));
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// `None` if it fails, which is the client's business and not an error of ours.
async fn handshake<S, A>(acceptor: TlsAcceptor, stream: S, peer: A) -> Option<Connection<S, A>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    A: Debug,
{
    match timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some((stream, peer)),
        Ok(Err(error)) => {
            tracing::debug!(?peer, %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(?peer, limit = ?HANDSHAKE_LIMIT, "a TLS handshake took too long");
            None
        }
    }
}
