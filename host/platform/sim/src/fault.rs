//! Faults on order: the nth change of the host goes wrong in a chosen way.

use kleene_platform::PlatformError;

/// Whether a fault strikes before or after a change has taken place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing has changed.
    Before,
    /// The change has taken place, and nobody was told.
    After,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The change is answered by an error; everything works again afterwards.
    Fail(When),
    /// The change, and every call after it, is answered by an error until
    /// [`reboot_daemon`](crate::Sim::reboot_daemon).
    LoseHost(When),
    /// The daemon dies: the thread that calls unwinds with [`DaemonDied`] as its payload, and so does every thread that
    /// calls afterwards, until [`reboot_daemon`](crate::Sim::reboot_daemon). So none of the daemon's code runs any
    /// more, in particular no undo. Lines to supervisors stay open and silent.
    Die(When),
}

impl Fault {
    fn when(self) -> When {
        let (Self::Fail(when) | Self::LoseHost(when) | Self::Die(when)) = self;
        when
    }
}

/// What a thread unwinds with when the daemon dies; see [`std::panic::catch_unwind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonDied;

/// Counts changes and lets the chosen one go wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// How many changes are still to succeed, and what becomes of the one after them.
    ordered: Option<(u32, Fault)>,
    /// What every call is answered with.
    lasting: Option<Lasting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasting {
    Lost,
    Dead,
}

impl Faults {
    /// The `n`th change from now on, beginning with 1, goes wrong.
    pub(crate) fn order(&mut self, n: u32, fault: Fault) {
        self.ordered = Some((n.saturating_sub(1), fault));
    }

    /// Everything works again.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn daemon_is_dead(&self) -> bool {
        self.lasting == Some(Lasting::Dead)
    }

    /// What a call is answered with that changes nothing.
    pub(crate) fn on_call(&self) -> Result<(), PlatformError> {
        match self.lasting {
            None => Ok(()),
            Some(Lasting::Lost) => Err(PlatformError::failed(
                "reach the host",
                "it does not answer (simulated)",
            )),
            Some(Lasting::Dead) => std::panic::resume_unwind(Box::new(DaemonDied)),
        }
    }

    /// Counts a change; returns the fault that strikes it.
    pub(crate) fn on_change(&mut self) -> Option<Fault> {
        match &mut self.ordered {
            Some((0, fault)) => {
                let fault = *fault;
                self.ordered = None;
                Some(fault)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    /// Lets a fault strike, if this is its moment.
    pub(crate) fn strike(
        &mut self,
        fault: Option<Fault>,
        now: When,
        action: &str,
    ) -> Result<(), PlatformError> {
        match fault.filter(|fault| fault.when() == now) {
            None => Ok(()),
            Some(Fault::Fail(_)) => Err(PlatformError::failed(action, "the host refused (simulated)")),
            Some(Fault::LoseHost(_)) => {
                self.lasting = Some(Lasting::Lost);
                self.on_call()
            }
            Some(Fault::Die(_)) => {
                self.lasting = Some(Lasting::Dead);
                self.on_call()
            }
        }
    }
}
