//! The clock behind deadlines: a thread that advances the engine's epoch, and sleeps while no plugin runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

/// Calls at the same time; more wait for their turn.
pub(crate) const AT_ONCE: u32 = 16;

/// How exactly a deadline is kept.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call before the clock sleeps: to be woken costs more than most calls, and calls come in bursts.
const LINGER: u32 = 20;

/// The ticking thread; ends when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    free: Condvar,
}

#[derive(Default)]
struct State {
    calls: u32,
    stop: bool,
    asleep: bool,
}

impl Shared {
    /// The state is two plain values, whole at every moment: a panic elsewhere cannot have spoilt it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, engine: &Engine) {
        let mut idle = 0;
        let mut state = self.lock();
        while !state.stop {
            if state.calls == 0 && idle >= LINGER {
                state.asleep = true;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep = false;
                idle = 0;
                continue;
            }
            idle = if state.calls == 0 { idle + 1 } else { 0 };
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
        self.0.free.notify_one();
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

    /// Lets the clock run during a call; waits first while as many calls are under way as there may be.
    pub(crate) fn run(&self) -> Running<'_> {
        let mut state = self.shared.lock();
        while state.calls >= AT_ONCE {
            state = self
                .shared
                .free
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.calls += 1;
        if state.asleep {
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
