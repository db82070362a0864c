//! `POST /containers/{id}/update`.

use kleene_api::ContainerUpdate;
use kleene_plan::Id;

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::{parse, wire};

impl Engine {
    /// Changes what is given and nothing else. What a running process was started with takes effect at its next
    /// start.
    ///
    /// # Errors
    /// [`ContainerNotFound`](EngineError::ContainerNotFound), a name that is wrong or taken, an `env` entry without
    /// `=`, parameters that the jail of a running container cannot have.
    pub fn update_container(&self, given: &str, update: &ContainerUpdate) -> Result<Id> {
        let id = self.find_container(given)?;
        self.locks.hold(&id, || {
            let stored = self.present_container(&id)?;
            let mut container = stored.clone();
            if let Some(name) = &update.name {
                let name = parse::container_name(name)?;
                self.refuse_taken_name(&name, Some(&id))?;
                container.name = Some(name);
            }
            if let Some(env) = &update.env {
                parse::env(env)?;
                container.env.clone_from(env);
            }
            if let Some(cmd) = &update.cmd {
                container.cmd.clone_from(cmd);
            }
            if let Some(user) = &update.user {
                container.user.clone_from(user);
            }
            if let Some(jail_param) = &update.jail_param {
                container.jail_param.clone_from(jail_param);
            }
            container.persist = update.persist.unwrap_or(container.persist);
            container.restart_policy = update
                .restart_policy
                .map_or(container.restart_policy, wire::policy_from);
            if container == stored {
                return Ok(id.clone());
            }
            if container.started.is_some() && container.jail_param != stored.jail_param {
                self.platform
                    .modify_jail(&id, &container.jail_param)
                    .map_err(|error| {
                        EngineError::conflict(format!(
                            "an error ocurred while updating the container: {error}"
                        ))
                    })?;
            }
            self.store.write(|write| write.update_container(&container))?;
            Ok(id.clone())
        })
    }
}
