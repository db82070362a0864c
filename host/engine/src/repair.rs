//! Comparing what the host has with what it should have, and making up the difference: after others changed it, and
//! for what an earlier undo left behind. For that nothing is asked of a plugin, and what is as it should be stays
//! untouched. A repair that was asked for also [reviews](crate::review) what there is.

use std::collections::HashSet;

use kleene_api::{Repair, Repaired, Unrepaired};
use kleene_plan::{DatasetName, InterfaceName, Op};
use kleene_store::{Applied, Object};

use crate::Engine;
use crate::error::Result;
use crate::locks::{unpoisoned, unpoisoned_read};

/// What is different from what should be, and what became of it.
#[derive(Debug, Default)]
struct Report(Repair);

impl Report {
    fn restored(&mut self, object: &Object, op: &Op) {
        self.0.restored.push(Repaired {
            object: object.to_string(),
            what: op.to_string(),
        });
    }

    fn failed(&mut self, object: &Object, op: &Op, reason: impl ToString) {
        self.0.failed.push(Unrepaired {
            object: object.to_string(),
            reason: reason.to_string(),
            what: op.to_string(),
        });
    }
}

impl Engine {
    /// Makes the host what the state says: takes back what earlier undos could not, and applies again what got lost of
    /// networks, running containers and volumes; and asks drivers and policies whether its rules are still those that
    /// they want. Doing it twice is the same as once.
    ///
    /// # Errors
    /// If the state cannot be read. What cannot be repaired is part of the answer.
    pub fn repair(&self) -> Result<Repair> {
        let mut repair = self.take_leftovers_back()?;
        self.notice_ends()?;
        let lost = [self.mount_lost_volumes()?, self.restore(|_| true)?];
        // With what they want today on what is there again.
        for more in lost.into_iter().chain([self.review_again()?]) {
            repair.restored.extend(more.restored);
            repair.failed.extend(more.failed);
        }
        Ok(repair)
    }

    /// A container that ended unnoticed needs cleaning up, not restoring.
    fn notice_ends(&self) -> Result<()> {
        for container in self.store.read(|read| read.containers())? {
            if container.started.is_some() {
                self.locks
                    .hold(&container.id, || self.present_container(&container.id))?;
            }
        }
        Ok(())
    }

    fn take_leftovers_back(&self) -> Result<Repair> {
        let mut report = Report::default();
        let _one_at_a_time = unpoisoned(&self.networks);
        for leftover in self.store.read(|read| read.leftovers())? {
            let mut take_back = || -> Result<()> {
                // Somebody may have been faster.
                let left = self.store.read(|read| read.leftovers_of(&leftover.object))?;
                if !left.iter().any(|left| left.id == leftover.id) {
                    return Ok(());
                }
                match self.platform.apply(&leftover.op) {
                    Ok(()) => report.restored(&leftover.object, &leftover.op),
                    Err(error) => {
                        report.failed(&leftover.object, &leftover.op, error);
                        return Ok(());
                    }
                }
                Ok(self.store.write(|write| write.remove_leftover(leftover.id))?)
            };
            match &leftover.object {
                Object::Container(id) => self.locks.hold(id, take_back)?,
                _ => take_back()?,
            }
        }
        Ok(report.0)
    }

    /// Volumes are always mounted.
    fn mount_lost_volumes(&self) -> Result<Repair> {
        let mut report = Report::default();
        let _volumes_stay = unpoisoned_read(&self.volumes);
        for volume in self.store.read(|read| read.volumes())? {
            let object = Object::Volume(volume.name.clone());
            let mount = Op::MountDataset(DatasetName::volume(&volume.name));
            self.restore_one(&object, &mount, &mut report);
        }
        Ok(report.0)
    }

    /// Applies again what holds for networks and running containers and got lost, of the operations that are `wanted`.
    /// It is compared under the locks under which it changes, so that nothing comes back that is just being removed.
    pub(crate) fn restore(&self, wanted: impl Fn(&Op) -> bool) -> Result<Repair> {
        let mut report = Report::default();
        let _one_at_a_time = unpoisoned(&self.networks);
        let mut objects = self.store.read(|read| read.all_applied())?;
        // Containers need the interfaces of their networks.
        objects.sort_by_key(|(object, _)| !matches!(object, Object::Network(_)));
        // Looked for before anything is restored: a firewall may bring all rules back with the first.
        let lost = self.lost_rules(&objects);
        let mut restored_interfaces = false;
        for (object, _) in &objects {
            let mut restore = || -> Result<()> {
                for Applied { op, .. } in self.store.read(|read| read.applied(object))? {
                    if !wanted(&op) {
                        continue;
                    }
                    let before = report.0.restored.len();
                    if lost.contains(&op.to_string()) {
                        self.apply_lost(object, &op, &mut report);
                    } else {
                        self.restore_one(object, &op, &mut report);
                    }
                    restored_interfaces |=
                        report.0.restored.len() > before && !matches!(op, Op::SetRules { .. });
                }
                Ok(())
            };
            match object {
                Object::Container(id) => self.locks.hold(id, restore)?,
                _ => restore()?,
            }
        }
        if restored_interfaces {
            self.set_rules_once_more(&objects, &mut report);
        }
        Ok(report.0)
    }

    /// The rules that are not in the firewall, as they read.
    fn lost_rules(&self, objects: &[(Object, Vec<Applied>)]) -> HashSet<String> {
        objects
            .iter()
            .flat_map(|(_, applied)| applied)
            .filter(|applied| matches!(applied.op, Op::SetRules { .. }))
            // An error is told when the operation's turn comes.
            .filter(|applied| self.platform.would_change(&applied.op).unwrap_or(false))
            .map(|applied| applied.op.to_string())
            .collect()
    }

    /// Rules may set something on the interfaces they name, which is lost when those are made anew.
    fn set_rules_once_more(&self, objects: &[(Object, Vec<Applied>)], report: &mut Report) {
        for (object, applied) in objects {
            if !matches!(object, Object::Container(_)) {
                continue;
            }
            for Applied { op, .. } in applied {
                if matches!(op, Op::SetRules { .. })
                    && let Err(error) = self.platform.apply(op)
                {
                    report.failed(object, op, error);
                }
            }
        }
    }

    fn restore_one(&self, object: &Object, op: &Op, report: &mut Report) {
        match self.platform.would_change(op) {
            Ok(false) => {}
            Ok(true) => self.apply_lost(object, op, report),
            Err(error) => report.failed(object, op, error),
        }
    }

    fn apply_lost(&self, object: &Object, op: &Op, report: &mut Report) {
        // The jail has its side of a pair since it started; another one would not get there.
        if let Op::EnsurePair(pair) = op
            && !self.has_interface(&pair.host)
        {
            let reason = format!(
                "interface {} of the running container was removed; stop the container and start it again",
                pair.host
            );
            return report.failed(object, op, reason);
        }
        match self.platform.apply(op) {
            Ok(()) => report.restored(object, op),
            Err(error) => report.failed(object, op, error),
        }
    }

    fn has_interface(&self, name: &InterfaceName) -> bool {
        self.platform
            .interfaces()
            .is_ok_and(|interfaces| interfaces.iter().any(|interface| interface.name == *name))
    }
}
