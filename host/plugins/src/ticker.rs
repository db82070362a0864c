//! The clock behind deadlines: a thread that advances the engine's epoch, and sleeps while no plugin runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

/// How exactly a deadline is kept.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The ticking thread; ends when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    calls: usize,
    stop: bool,
}

impl Shared {
    /// The state is two plain values, whole at every moment: a panic elsewhere cannot have spoilt it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, engine: &Engine) {
        let mut state = self.lock();
        loop {
            while state.calls == 0 && !state.stop {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop {
                return;
            }
            drop(state);
            std::thread::sleep(TICK);
            engine.increment_epoch();
            state = self.lock();
        }
    }
}

/// The clock runs at least as long as this lives.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().calls -= 1;
    }
}

impl Ticker {
    /// A clock for `engine`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(move || for_thread.tick(&engine))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Lets the clock run during a call.
    pub(crate) fn run(&self) -> Running<'_> {
        let mut state = self.shared.lock();
        state.calls += 1;
        if state.calls == 1 {
            self.shared.changed.notify_one();
        }
        Running(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: it does nothing but wait and count.
            let _ = thread.join();
        }
    }
}
