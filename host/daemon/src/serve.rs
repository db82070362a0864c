//! Serving the interface at all sockets until the daemon is told to stop.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::listen::Socket;
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

fn serve_one(
    socket: Socket,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    // The sender lives until all servers have ended; were it gone, that would mean the same.
    let stopped = async move { stopped.wait_for(|&stopped| stopped).await.map_or((), |_| ()) };
    enum Listener {
        Tcp(TcpListener),
        Unix(UnixListener, crate::listen::SocketFile),
    }
    let listener = match socket {
        Socket::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
        Socket::Unix(listener, file) => Listener::Unix(UnixListener::from_std(listener)?, file),
    };
    Ok(async move {
        let served = match listener {
            Listener::Tcp(listener) => {
                let prompt = listener.tap_io(|stream| {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps small frames back");
                    }
                });
                axum::serve(prompt, router).with_graceful_shutdown(stopped).await
            }
            Listener::Unix(listener, _file) => {
                axum::serve(listener, router)
                    .with_graceful_shutdown(stopped)
                    .await
            }
        };
        if let Err(error) = served {
            tracing::error!(%error, "a server broke");
        }
    })
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
