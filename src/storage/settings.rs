//! What can be set of a collection: names, ranges, defaults, and where they are stored.

use super::shadow::Storage;
use crate::error::{Error, Result};
use rusqlite::Connection;

/// Settings that live in `t_config` and can be changed by a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Breadth of a graph search; 0 means chosen by the engine.
    pub ef_search: usize,
    /// Segments of one size class that start a merge; 0 turns merging off but for commands.
    pub automerge: usize,
    /// Rows outside segments that start a seal.
    pub delta_rows: usize,
    /// Budget of the process-wide cache in MiB.
    pub cache_mb: usize,
    /// Whether stored vectors are kept in memory once a search needs them: 0 or 1.
    pub resident_vectors: usize,
    /// Who keeps the table in few segments: the number of a [`Maintenance`].
    pub maintenance: usize,
    /// Threads that a build of the table uses; 0: as many as the process has left.
    pub threads: usize,
}

/// Who keeps a table in few segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// Commits, in slices; a thread builds.
    Auto,
    /// Commits alone, in slices.
    Commit,
    /// Nobody, until asked to.
    Manual,
    /// A thread that writes through a connection of its own.
    Background,
}

impl Maintenance {
    /// Their names, by number.
    pub const NAMES: [&'static str; 4] = ["auto", "commit", "manual", "background"];
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ef_search: 0,
            automerge: 3,
            delta_rows: 1024,
            cache_mb: 2048,
            resident_vectors: 0,
            maintenance: 0,
            threads: 0,
        }
    }
}

impl Settings {
    /// Names of all settings with their allowed ranges.
    pub const RANGES: [(&'static str, usize, usize); 7] = [
        ("ef_search", 0, 100_000),
        ("automerge", 0, 64),
        ("delta_rows", 1, 1_000_000),
        ("cache_mb", 1, 1_048_576),
        ("resident_vectors", 0, 1),
        ("maintenance", 0, 3),
        ("threads", 0, 1_024),
    ];

    /// Who keeps the table in few segments.
    pub fn maintenance(&self) -> Maintenance {
        match self.maintenance {
            0 => Maintenance::Auto,
            1 => Maintenance::Commit,
            3 => Maintenance::Background,
            _ => Maintenance::Manual,
        }
    }

    /// The value of the setting called `name`.
    pub fn value(&self, name: &str) -> Option<usize> {
        self.clone().field(name).map(|value| *value)
    }

    fn field(&mut self, name: &str) -> Option<&mut usize> {
        match name {
            "ef_search" => Some(&mut self.ef_search),
            "automerge" => Some(&mut self.automerge),
            "delta_rows" => Some(&mut self.delta_rows),
            "cache_mb" => Some(&mut self.cache_mb),
            "resident_vectors" => Some(&mut self.resident_vectors),
            "maintenance" => Some(&mut self.maintenance),
            "threads" => Some(&mut self.threads),
            _ => None,
        }
    }
}

impl Storage {
    /// The stored settings, defaults where none is stored.
    pub fn settings(&self, conn: &Connection) -> Result<Settings> {
        let mut settings = Settings::default();
        let mut statement = conn.prepare_cached(&format!(
            "SELECT name, value FROM {} WHERE name NOT IN ('format', 'schema', 'tile_rows') AND name NOT BETWEEN 'claim ' AND 'claim!'",
            self.name("config")
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (Ok(name), Ok(value)) = (row.get::<_, String>(0), row.get::<_, i64>(1)) else { continue };
            if let (Some(field), Ok(value)) = (settings.field(&name), usize::try_from(value)) {
                *field = value;
            }
        }
        Ok(settings)
    }

    /// There is no setting of this name; the error lists those there are.
    pub fn unknown_setting(&self, name: &str) -> Error {
        let known: Vec<_> = Settings::RANGES.iter().map(|(name, ..)| *name).collect();
        Error::Unknown(format!("{}: unknown setting '{name}'; settings are {}", self.table, known.join(", ")))
    }

    /// Stores one setting.
    ///
    /// # Errors
    /// [`Error::Unknown`] lists the settings, [`Error::Value`] the allowed range.
    pub fn set(&self, conn: &Connection, name: &str, value: i64) -> Result<()> {
        let Some((name, low, high)) = Settings::RANGES.iter().find(|(known, ..)| *known == name) else {
            return Err(self.unknown_setting(name));
        };
        if !usize::try_from(value).is_ok_and(|v| (*low..=*high).contains(&v)) {
            return Err(Error::Value(format!("{}: {name} must be {low} to {high}, got {value}", self.table)));
        }
        self.set_config(conn, name, &rusqlite::types::Value::Integer(value))
    }
}
