//! Containers in the database, with their labels, mounts and ports.

use std::collections::HashMap;

use jiff::Timestamp;
use kleene_plan::{ExitStatus, Id, ObjectName};
use rusqlite::params;

use crate::cells::{Cells, to_json};
use crate::error::{Result, StoreError};
use crate::record::{Container, LastExit, Mount, Port, Running};
use crate::store::{Read, Write};

const COLUMNS: &str = "SELECT id, name, image, created, cmd, env, user, working_dir, stop_signal, jail_param, \
    network_driver, persist, restart_policy, generation, exec, since, exit_code, exit_signal, finished FROM containers";
const LABELS: &str = "SELECT container, key, value FROM container_labels";
const MOUNTS: &str = "SELECT container, type, source, destination, read_only FROM mounts";
const PORTS: &str = "SELECT container, protocol, interfaces, host_ports, container_ports FROM ports";

impl Read<'_> {
    /// A container.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn container(&self, id: &Id) -> Result<Option<Container>> {
        let key = [id.as_str()];
        let found = self.row("containers", &format!("{COLUMNS} WHERE id = ?"), key, decode)?;
        let Some(mut container) = found else {
            return Ok(None);
        };
        let of_it = "WHERE container = ? ORDER BY";
        container.labels = self
            .rows("container_labels", &format!("{LABELS} {of_it} key"), key, label)?
            .into_iter()
            .collect();
        container.mounts = self.rows("mounts", &format!("{MOUNTS} {of_it} seq"), key, mount)?;
        container.ports = self.rows("ports", &format!("{PORTS} {of_it} seq"), key, port)?;
        Ok(Some(container))
    }

    /// All containers, the oldest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let sql = format!("{COLUMNS} ORDER BY created, rowid");
        let mut containers = self.rows("containers", &sql, [], decode)?;
        let mut place = HashMap::new();
        for (index, container) in containers.iter().enumerate() {
            place.insert(container.id.to_string(), index);
        }
        // One pass over each of the smaller tables instead of three queries per container.
        let by_container = "ORDER BY container,";
        for (of, (key, value)) in self.rows(
            "container_labels",
            &format!("{LABELS} {by_container} key"),
            [],
            |cells| with_owner(cells, label),
        )? {
            if let Some(index) = place.get(&of) {
                containers[*index].labels.insert(key, value);
            }
        }
        for (of, mount) in self.rows("mounts", &format!("{MOUNTS} {by_container} seq"), [], |cells| {
            with_owner(cells, mount)
        })? {
            if let Some(index) = place.get(&of) {
                containers[*index].mounts.push(mount);
            }
        }
        for (of, port) in self.rows("ports", &format!("{PORTS} {by_container} seq"), [], |cells| {
            with_owner(cells, port)
        })? {
            if let Some(index) = place.get(&of) {
                containers[*index].ports.push(port);
            }
        }
        Ok(containers)
    }

    /// Containers made from an image, the oldest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn containers_of_image(&self, image: &Id) -> Result<Vec<Id>> {
        let sql = "SELECT id FROM containers WHERE image = ? ORDER BY created, rowid";
        self.rows("containers", sql, [image.as_str()], |cells| cells.parse("id"))
    }

    /// Mounts of a volume, with the containers that have them.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn mounts_of_volume(&self, volume: &ObjectName) -> Result<Vec<(Id, Mount)>> {
        let sql = format!("{MOUNTS} WHERE type = 'volume' AND source = ? ORDER BY container, seq");
        self.rows("mounts", &sql, [volume.as_str()], |cells| {
            Ok((cells.parse("container")?, mount(cells)?))
        })
    }

    /// A container as messages speak of it: by its name, if it has one.
    pub(crate) fn container_in_words(&self, id: &Id) -> Result<String> {
        let name = self.row(
            "containers",
            "SELECT id, name FROM containers WHERE id = ?",
            [id.as_str()],
            |cells| cells.get::<Option<String>>("name"),
        )?;
        Ok(match name.flatten() {
            Some(name) => format!("container '{name}' ({id})"),
            None => format!("container {id}"),
        })
    }
}

impl Write<'_> {
    /// Adds a container.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another has its name, [`StoreError::NotFound`] if there is no such image.
    pub fn insert_container(&mut self, container: &Container) -> Result<()> {
        self.execute_or_explain(
            "INSERT INTO containers (id, name, image, created, cmd, env, user, working_dir, stop_signal, jail_param, \
             network_driver, persist, restart_policy, generation, exec, since, exit_code, exit_signal, finished) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                container.id.as_str(),
                container.name.as_ref().map(ObjectName::as_str),
                container.image.as_str(),
                container.created.as_microsecond(),
                to_json(&container.cmd)?,
                to_json(&container.env)?,
                container.user,
                container.working_dir,
                container.stop_signal,
                to_json(&container.jail_param)?,
                container.network_driver.as_str(),
                container.persist,
                container.restart_policy.as_str(),
                container.generation,
                container.started.as_ref().map(|running| running.exec.as_str()),
                container.started.as_ref().map(|running| running.since.as_microsecond()),
                container.last_exit.and_then(exit_code),
                container.last_exit.and_then(exit_signal),
                container.last_exit.map(|exit| exit.finished.as_microsecond()),
            ],
            |write| write.why_refused(container),
        )?;
        self.insert_parts(container)
    }

    /// Replaces what users can change of a container: name, command, environment, user, jail parameters, policies,
    /// labels, mounts and ports. Not its image, driver or age, nor what [`mark_started`](Self::mark_started) and
    /// [`mark_exited`](Self::mark_exited) record.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another has its name, [`StoreError::NotFound`] if there is no such container.
    pub fn update_container(&mut self, container: &Container) -> Result<()> {
        let changed = self.execute_or_explain(
            "UPDATE containers SET name = ?, cmd = ?, env = ?, user = ?, jail_param = ?, persist = ?, \
             restart_policy = ? WHERE id = ?",
            params![
                container.name.as_ref().map(ObjectName::as_str),
                to_json(&container.cmd)?,
                to_json(&container.env)?,
                container.user,
                to_json(&container.jail_param)?,
                container.persist,
                container.restart_policy.as_str(),
                container.id.as_str(),
            ],
            |write| write.why_refused(container),
        )?;
        if changed == 0 {
            return Err(StoreError::not_found(format!("container {}", container.id)));
        }
        let id = [container.id.as_str()];
        self.execute("DELETE FROM container_labels WHERE container = ?", id)?;
        self.execute("DELETE FROM mounts WHERE container = ?", id)?;
        self.execute("DELETE FROM ports WHERE container = ?", id)?;
        self.insert_parts(container)
    }

    /// Removes a container's record, with its endpoints, their addresses, and its ports; returns whether there was one.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_container(&mut self, id: &Id) -> Result<bool> {
        Ok(self.execute("DELETE FROM containers WHERE id = ?", [id.as_str()])? > 0)
    }

    /// Records that a container was started by an execution; returns the generation of this run.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such container.
    pub fn mark_started(&mut self, id: &Id, exec: &Id, since: Timestamp) -> Result<u64> {
        self.row(
            "containers",
            "UPDATE containers SET generation = generation + 1, exec = ?, since = ? WHERE id = ? \
             RETURNING id, generation",
            params![exec.as_str(), since.as_microsecond(), id.as_str()],
            |cells| cells.get("generation"),
        )?
        .ok_or_else(|| StoreError::not_found(format!("container {id}")))
    }

    /// Records how a run of a container ended; returns false, and changes nothing, if that run is not the present one.
    ///
    /// # Errors
    /// If the database fails.
    pub fn mark_exited(&mut self, id: &Id, generation: u64, exit: LastExit) -> Result<bool> {
        let changed = self.execute(
            "UPDATE containers SET exec = NULL, since = NULL, exit_code = ?, exit_signal = ?, finished = ? \
             WHERE id = ? AND generation = ? AND exec IS NOT NULL",
            params![
                exit_code(exit),
                exit_signal(exit),
                exit.finished.as_microsecond(),
                id.as_str(),
                generation
            ],
        )?;
        Ok(changed > 0)
    }

    fn insert_parts(&mut self, container: &Container) -> Result<()> {
        let id = container.id.as_str();
        for (key, value) in &container.labels {
            self.execute(
                "INSERT INTO container_labels (container, key, value) VALUES (?, ?, ?)",
                params![id, key, value],
            )?;
        }
        for (seq, mount) in container.mounts.iter().enumerate() {
            self.execute(
                "INSERT INTO mounts (container, seq, type, source, destination, read_only) VALUES (?, ?, ?, ?, ?, ?)",
                params![id, seq, mount.kind.as_str(), mount.source, mount.destination, mount.read_only],
            )?;
        }
        for (seq, port) in container.ports.iter().enumerate() {
            self.execute(
                "INSERT INTO ports (container, seq, protocol, interfaces, host_ports, container_ports) \
                 VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    id,
                    seq,
                    port.protocol.to_string(),
                    to_json(&port.interfaces)?,
                    port.host_ports.to_string(),
                    port.container_ports.to_string()
                ],
            )?;
        }
        Ok(())
    }

    /// Why the database refuses a container's row.
    fn why_refused(&self, container: &Container) -> Result<Option<StoreError>> {
        if let Some(name) = &container.name {
            let sql = "SELECT id FROM containers WHERE name = ? AND id <> ?";
            let holder: Option<Id> = self.row(
                "containers",
                sql,
                [name.as_str(), container.id.as_str()],
                |cells| cells.parse("id"),
            )?;
            if let Some(holder) = holder {
                let what = format!("the container name '{name}'");
                return Ok(Some(StoreError::Taken {
                    what,
                    by: format!("container {holder}"),
                }));
            }
        }
        if self.container(&container.id)?.is_some() {
            let by = self.container_in_words(&container.id)?;
            return Ok(Some(StoreError::Taken {
                what: format!("the id {}", container.id),
                by,
            }));
        }
        if self.image(&container.image)?.is_none() {
            return Ok(Some(StoreError::not_found(format!("image {}", container.image))));
        }
        Ok(None)
    }
}

fn exit_code(exit: LastExit) -> Option<u8> {
    match exit.status {
        ExitStatus::Code(code) => Some(code),
        ExitStatus::Signal(_) => None,
    }
}

fn exit_signal(exit: LastExit) -> Option<u8> {
    match exit.status {
        ExitStatus::Code(_) => None,
        ExitStatus::Signal(signal) => Some(signal),
    }
}

fn decode(cells: &Cells<'_>) -> Result<Container> {
    Ok(Container {
        id: cells.parse("id")?,
        name: cells.parse_optional("name")?,
        image: cells.parse("image")?,
        created: cells.time("created")?,
        cmd: cells.json("cmd")?,
        env: cells.json("env")?,
        user: cells.get("user")?,
        working_dir: cells.get("working_dir")?,
        stop_signal: cells.get("stop_signal")?,
        jail_param: cells.json("jail_param")?,
        network_driver: cells.parse("network_driver")?,
        persist: cells.get("persist")?,
        restart_policy: cells.parse("restart_policy")?,
        labels: Default::default(),
        mounts: Vec::new(),
        ports: Vec::new(),
        generation: cells.get("generation")?,
        started: running(cells)?,
        last_exit: last_exit(cells)?,
    })
}

fn running(cells: &Cells<'_>) -> Result<Option<Running>> {
    match (cells.parse_optional("exec")?, cells.time_optional("since")?) {
        (Some(exec), Some(since)) => Ok(Some(Running { exec, since })),
        (None, None) => Ok(None),
        _ => Err(cells.damaged("exec", &"must have a value when 'since' has one, and only then")),
    }
}

fn last_exit(cells: &Cells<'_>) -> Result<Option<LastExit>> {
    let status = match (cells.get("exit_code")?, cells.get("exit_signal")?) {
        (Some(code), None) => Some(ExitStatus::Code(code)),
        (None, Some(signal)) => Some(ExitStatus::Signal(signal)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(cells.damaged("exit_code", &"excludes a value in 'exit_signal'")),
    };
    match (status, cells.time_optional("finished")?) {
        (Some(status), Some(finished)) => Ok(Some(LastExit { status, finished })),
        (None, None) => Ok(None),
        _ => Err(cells.damaged(
            "finished",
            &"must have a value when there is an exit status, and only then",
        )),
    }
}

fn with_owner<T>(cells: &Cells<'_>, decode: fn(&Cells<'_>) -> Result<T>) -> Result<(String, T)> {
    Ok((cells.get("container")?, decode(cells)?))
}

fn label(cells: &Cells<'_>) -> Result<(String, String)> {
    Ok((cells.get("key")?, cells.get("value")?))
}

fn mount(cells: &Cells<'_>) -> Result<Mount> {
    Ok(Mount {
        kind: cells.parse("type")?,
        source: cells.get("source")?,
        destination: cells.get("destination")?,
        read_only: cells.get("read_only")?,
    })
}

fn port(cells: &Cells<'_>) -> Result<Port> {
    let protocol: String = cells.get("protocol")?;
    Ok(Port {
        protocol: crate::ports::protocol(&protocol)
            .ok_or_else(|| cells.damaged("protocol", &"is neither 'tcp' nor 'udp'"))?,
        interfaces: cells.json("interfaces")?,
        host_ports: cells.parse("host_ports")?,
        container_ports: cells.parse("container_ports")?,
    })
}
