//! Rules that others take away come back by themselves: when the administrator flushes or reloads the host's firewall,
//! what was applied for networks and running containers is applied again, from the store and without any plugin.

use std::sync::Arc;
use std::time::Duration;

use kleene_plan::Op;

use crate::Engine;
use crate::error::{EngineError, Result};

/// Rest after each restoration, so that somebody who takes rules away again and again does not keep us busy.
const REST: Duration = Duration::from_millis(100);

impl Engine {
    /// Watches the host's firewall from now on, on a thread of its own that ends with the engine. It sleeps while
    /// nobody touches Kleene's rules.
    ///
    /// # Errors
    /// If the host does not tell. A host that cannot be watched is none: rules then come back by
    /// [`repair`](Self::repair).
    pub fn watch_firewall(&self) -> Result<()> {
        let Some(mut watch) = self.platform.watch()? else {
            tracing::info!("this host's firewall cannot be watched; `klee system repair` restores its rules");
            return Ok(());
        };
        let engine = Arc::downgrade(&self.0);
        let watching = move || {
            loop {
                if let Err(error) = watch.wait() {
                    return tracing::error!(%error, "the firewall is no longer watched");
                }
                let Some(engine) = engine.upgrade().map(Engine) else {
                    return;
                };
                engine.restore_rules();
                drop(engine);
                std::thread::sleep(REST);
            }
        };
        std::thread::Builder::new()
            .name("firewall".to_owned())
            .spawn(watching)
            .map_err(|error| EngineError::invalid(format!("could not start a thread: {error}")))?;
        Ok(())
    }

    fn restore_rules(&self) {
        tracing::warn!("somebody changed Kleene's part of the firewall; its rules are restored");
        match self.restore(|op| matches!(op, Op::SetRules { .. })) {
            Ok(repair) => {
                for repaired in repair.restored {
                    tracing::info!(object = repaired.object, what = repaired.what, "restored");
                }
                for failed in repair.failed {
                    tracing::error!(
                        object = failed.object,
                        what = failed.what,
                        reason = failed.reason,
                        "could not be restored"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "could not restore the rules"),
        }
    }
}
