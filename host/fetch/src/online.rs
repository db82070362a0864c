//! The threads on which connections are driven, and whom TLS trusts.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// How often somebody who waits looks whether it still makes sense.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits for `future` on this thread, while other threads drive its connections. `None`: `given_up` said so first.
///
/// Must not be called by asynchronous code.
///
/// # Errors
/// If this process cannot have more threads.
pub fn wait<T>(given_up: &dyn Fn() -> bool, future: impl Future<Output = T>) -> io::Result<Option<T>> {
    Ok(runtime()?.block_on(async {
        let mut future = pin!(future);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                value = &mut future => return Some(value),
                _ = looks.tick() => if given_up() { return None },
            }
        }
    }))
}

/// One for the whole process, made when it is first needed: most daemons fetch nothing for most of their time.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: Mutex<Option<&'static Runtime>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = *runtime {
        return Ok(runtime);
    }
    let made = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("kleene-fetch")
        .enable_all()
        .build()?;
    Ok(*runtime.insert(Box::leak(Box::new(made))))
}

/// Makes ring what clients in this process encrypt with, unless something else was chosen before. To be called before a
/// client is made.
pub fn prepare_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that there is a provider already, which is just as well.
        let _ = ring::default_provider().install_default();
    });
}

/// The certificate authorities that this system trusts (also by the variables `SSL_CERT_FILE` and `SSL_CERT_DIR`). A
/// system that has none, which is common in small ones, trusts those that Mozilla does.
#[must_use]
pub fn authorities() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return found.certs;
    }
    for error in found.errors {
        tracing::debug!(%error, "certificates of authorities");
    }
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_a_future_returns_is_returned() {
        assert_eq!(wait(&|| true, async { 1 }).unwrap(), Some(1));
    }

    #[test]
    fn a_future_that_nobody_waits_for_is_given_up() {
        let given_up = AtomicBool::new(false);
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| given_up.store(true, Ordering::Relaxed));
            let never = std::future::pending::<()>();
            assert_eq!(wait(&|| given_up.load(Ordering::Relaxed), never).unwrap(), None);
        });
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
