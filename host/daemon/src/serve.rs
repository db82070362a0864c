//! Serving the interface at all sockets until the daemon is told to stop.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::{Listener, ListenerExt};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::handshake::TlsListener;
use crate::listen::{Socket, SocketKind};
use crate::router::router;

/// How long requests that are being worked on may take until the daemon ends regardless.
const GRACE: Duration = Duration::from_secs(10);

/// Serves `app` at `sockets` until SIGTERM or SIGINT. Containers run on after that.
///
/// # Errors
/// If the runtime cannot use a socket or handle signals.
pub async fn serve(app: &App, sockets: Vec<Socket>) -> io::Result<()> {
    let signals = Signals::catch()?;
    let (stop, stopped) = watch::channel(false);
    let router = router(app);
    let mut servers = JoinSet::new();
    for socket in sockets {
        servers.spawn(serve_one(socket, router.clone(), stopped.clone())?);
    }
    signals.wait_for_the_end().await;
    stop.send_replace(true);
    let rest = async {
        while let Some(ended) = servers.join_next().await {
            if let Err(panic) = ended {
                tracing::error!(%panic, "a server broke");
            }
        }
    };
    if timeout(GRACE, rest).await.is_err() {
        tracing::warn!("ending although requests are being worked on");
    }
    Ok(())
}

/// # Errors
/// If the runtime cannot use the socket. Later errors of single connections end those connections only.
fn serve_one(
    socket: Socket,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<BoxFuture<'static, ()>> {
    // The sender lives until all servers have ended; were it gone, that would mean the same.
    let stopped = async move { stopped.wait_for(|&stopped| stopped).await.map_or((), |_| ()) };
    Ok(match socket.kind {
        SocketKind::Tcp(listener) => {
            let prompt = TcpListener::from_std(listener)?.tap_io(|stream| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps small frames back");
                }
            });
            match socket.tls {
                Some(config) => run(TlsListener::new(prompt, config), router, stopped).boxed(),
                None => run(prompt, router, stopped).boxed(),
            }
        }
        SocketKind::Unix(listener, file) => {
            let listener = UnixListener::from_std(listener)?;
            let served = match socket.tls {
                Some(config) => run(TlsListener::new(listener, config), router, stopped).boxed(),
                None => run(listener, router, stopped).boxed(),
            };
            served.map(|()| drop(file)).boxed()
        }
    })
}

async fn run<L>(listener: L, router: Router, stopped: impl Future<Output = ()> + Send + 'static)
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "a server broke");
    }
}

/// The signals that concern the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    child: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // Caught rather than ignored: ignoring would be inherited by everything in containers.
            hang_up: signal(SignalKind::hangup())?,
            child: signal(SignalKind::child())?,
        })
    }

    async fn wait_for_the_end(mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => tracing::info!("ignoring the hang-up signal"),
                _ = self.child.recv() => kleene_supervisor::reap(),
            }
        }
        tracing::info!("ending; containers run on");
    }
}
