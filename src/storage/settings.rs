//! What can be set of a collection: names, ranges, defaults, and where they are stored.

use super::run::run;
use super::shadow::Storage;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::text_options::TextOptions;
use crate::value::Value;
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
    /// How text queries are meant that do not say it themselves, in place of what is declared.
    pub text: TextOptions,
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
            text: TextOptions::default(),
        }
    }
}

impl Settings {
    /// Names of the settings that are numbers, with their allowed ranges.
    pub const RANGES: [(&'static str, usize, usize); 7] = [
        ("ef_search", 0, 100_000),
        ("automerge", 0, 64),
        ("delta_rows", 1, 1_000_000),
        ("cache_mb", 1, 1_048_576),
        ("resident_vectors", 0, 1),
        ("maintenance", 0, 3),
        ("threads", 0, 1_024),
    ];

    /// The names of all settings.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::RANGES.iter().map(|(name, ..)| *name).chain(TextOptions::OF_TABLE)
    }

    /// All settings with their values, as a JSON object.
    pub fn json(&self, schema: &Schema) -> String {
        let value = |name| self.value(schema, name).as_ref().and_then(json).unwrap_or_default();
        let all: serde_json::Map<_, _> = Self::names().map(|name| (name.to_owned(), value(name))).collect();
        serde_json::Value::Object(all).to_string()
    }

    /// How a query with the options `own` is meant.
    pub fn text_options(&self, schema: &Schema, own: &TextOptions) -> TextOptions {
        own.over(&self.text.over(&schema.text))
    }

    /// Who keeps the table in few segments.
    pub fn maintenance(&self) -> Maintenance {
        match self.maintenance {
            0 => Maintenance::Auto,
            1 => Maintenance::Commit,
            3 => Maintenance::Background,
            _ => Maintenance::Manual,
        }
    }

    /// The value of the setting called `name`: a number, a name, NULL where nothing is said.
    pub fn value(&self, schema: &Schema, name: &str) -> Option<Value> {
        if TextOptions::OF_TABLE.contains(&name) {
            let declared = self.text_options(schema, &TextOptions::new()).declared();
            let own = declared.into_iter().find(|(own, _)| *own == name);
            return Some(own.map_or(Value::Null, |(_, value)| value.into()));
        }
        let number = self.clone().field(name).map(|value| *value)?;
        if name == "maintenance" {
            return Some(Maintenance::NAMES.get(number).map_or(Value::Null, |name| Value::from(*name)));
        }
        Some(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
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
            "SELECT name, value FROM {} WHERE name NOT IN ('format', 'schema', 'root', 'tile_rows') AND name NOT BETWEEN 'claim ' AND 'claim!'",
            self.name("config")
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Ok(name) = row.get::<_, String>(0) else { continue };
            if let Some(json) = json(&Value::from(row.get_ref(1)?)) {
                settings.text.set(&name, &json);
            }
            let Ok(value) = row.get::<_, i64>(1) else { continue };
            if let (Some(field), Ok(value)) = (settings.field(&name), usize::try_from(value)) {
                *field = value;
            }
        }
        Ok(settings)
    }

    /// There is no setting of this name; the error lists those there are.
    pub fn unknown_setting(&self, name: &str) -> Error {
        let known: Vec<_> = Settings::names().collect();
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

    /// Stores how text queries are meant. Of `operator` and `minimum_match` the one that was set last counts.
    ///
    /// # Errors
    /// [`Error::Value`] that says what is allowed.
    pub fn set_text(&self, conn: &Connection, name: &str, value: &Value) -> Result<()> {
        let place = |what: String| Error::Value(format!("{}: {what}", self.table));
        let mut options = TextOptions::default();
        let given = json(value);
        if let Some(Err(allowed)) = options.set(name, given.as_ref().unwrap_or(&serde_json::Value::Null)) {
            let shown = given.map_or_else(|| value.type_name().to_owned(), |given| given.to_string());
            return Err(place(format!("{name} must be {allowed}, got {shown}")));
        }
        options.check().map_err(place)?;
        self.upgrade_format(conn)?;
        for other in ["operator", "minimum_match"].into_iter().filter(|other| *other != name) {
            if matches!(name, "operator" | "minimum_match") {
                let sql = format!("DELETE FROM {} WHERE name = ?1", self.name("config"));
                run(conn, &sql, [other])?;
            }
        }
        let stored = match value {
            Value::Integer(number) => rusqlite::types::Value::Integer(*number),
            Value::Real(number) => rusqlite::types::Value::Real(*number),
            _ => rusqlite::types::Value::Text(value.as_text().unwrap_or_default().to_owned()),
        };
        self.set_config(conn, name, &stored)
    }
}

/// A value as JSON, where it can be the value of an option of texts.
fn json(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Integer(number) => Some((*number).into()),
        Value::Real(number) => serde_json::Number::from_f64(*number).map(serde_json::Value::Number),
        Value::Text(text) => Some(text.as_str().into()),
        _ => None,
    }
}
