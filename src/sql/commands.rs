//! `INSERT INTO t(t) VALUES('command')` and `INSERT INTO t(t, rank) VALUES('setting', value)`.

use super::alter;
use super::table_state::TableState;
use crate::collection::maintenance::policy::Zeal;
use crate::collection::maintenance::{self, Site, Task};
use crate::collection::permits::Bound;
use crate::collection::{self, Journal};
use crate::error::{Error, Result};
use crate::storage::{Maintenance, Settings};
use crate::text_options::TextOptions;
use crate::value::Value;
use rusqlite::types::ValueRef;
use std::time::Duration;

/// Commands, which take no argument but where it is said.
const COMMANDS: [&str; 7] = ["optimize", "merge", "maintain", "rebuild", "integrity-check", "flush", "alter"];

/// Runs a command, or stores a setting when there is an argument.
pub fn run(shared: &TableState, command: ValueRef<'_>, argument: ValueRef<'_>) -> Result<()> {
    let table = shared.table();
    let Ok(command) = command.as_str() else {
        return Err(Error::Unknown(format!(
            "{table}: a command is a text; commands are {}",
            COMMANDS.join(", ")
        )));
    };
    let lower = command.to_ascii_lowercase();
    let command = lower.as_str();
    let rank = shared.collection.schema.hidden("rank");
    if Settings::RANGES.iter().any(|(name, ..)| *name == command) {
        let value = match argument {
            ValueRef::Text(name) if command == "maintenance" => {
                let known =
                    Maintenance::NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
                let known = known.ok_or_else(|| {
                    let names = Maintenance::NAMES.join(", ");
                    Error::Value(format!("{table}: maintenance is one of {names}"))
                })?;
                known as i64
            }
            ValueRef::Integer(value) => value,
            ValueRef::Null => {
                return Err(needs_value(table, &rank, command));
            }
            other => {
                return Err(Error::Value(format!(
                    "{table}: {command} must be an integer, got {}",
                    other.data_type()
                )));
            }
        };
        let conn = shared.conn();
        return shared.atomically(|| {
            shared.collection.storage.set(conn, command, value)?;
            // Everything cached under the nonce, settings among it, is read again.
            shared.collection.storage.renew_nonce(conn)
        });
    }
    if TextOptions::OF_TABLE.contains(&command) {
        let (conn, value) = (shared.conn(), Value::from(argument));
        if value == Value::Null {
            return Err(needs_value(table, &rank, command));
        }
        return shared.atomically(|| {
            shared.collection.storage.set_text(conn, command, &value)?;
            shared.collection.storage.renew_nonce(conn)
        });
    }
    let settings = shared.settings()?;
    let _bound = Bound::of(settings.threads);
    let on = shared.on();
    let mut go_on = |_, _| !shared.host.interrupted();
    match command {
        "flush" => {
            shared.atomically(|| collection::seal(on, false, &mut go_on))?;
            shared.upkeep.commanded(table);
            Ok(())
        }
        "merge" => build(shared, || {
            maintenance::settle(on.storage, on.conn)?;
            collection::seal(on, false, &mut go_on)?;
            let site = Site { on, settings: &settings };
            collection::automerge(&site, usize::MAX, &mut go_on).map(drop)
        }),
        "maintain" => {
            let (task, budget) = match argument {
                ValueRef::Null => (Task::Keep(Zeal::Thorough), None),
                ValueRef::Integer(budget) if budget >= 0 => {
                    (Task::Keep(Zeal::Thorough), Some(budget.unsigned_abs()))
                }
                // What threads ask for, a slice each time.
                ValueRef::Integer(rank) if Task::of_rank(rank).is_some() => {
                    (Task::of_rank(rank).unwrap_or(Task::Finish), Some(0))
                }
                other => {
                    let shown = Value::from(other);
                    return Err(Error::Value(format!(
                        "{table}: maintain takes a number of milliseconds, got {shown:?}"
                    )));
                }
            };
            shared.maintain_for(&settings, task, budget.map(Duration::from_millis))
        }
        "alter" => match Value::from(argument).as_text() {
            Some(text) => alter::run(shared, text),
            None => Err(Error::Value(format!(
                "{table}: alter takes a text: INSERT INTO {table}({table}, {rank}) VALUES('alter', 'ADD COLUMN year INTEGER')"
            ))),
        },
        "optimize" => build(shared, || collection::optimize(on, &settings, &mut go_on)),
        "rebuild" => build(shared, || collection::rebuild(on, &mut go_on)),
        "integrity-check" => {
            let defects = collection::verify(shared.on(), &settings)?;
            if defects.is_empty() { Ok(()) } else { Err(Error::corrupt(table, defects.join("; "))) }
        }
        other => {
            let settings: Vec<_> = Settings::names().collect();
            Err(Error::Unknown(format!(
                "{table}: unknown command '{other}'; commands are {}; settings are {}",
                COMMANDS.join(", "),
                settings.join(", ")
            )))
        }
    }
}

/// Builds the index again, as a whole or not at all, and ends what was being built of it.
fn build(shared: &TableState, job: impl FnOnce() -> Result<()>) -> Result<()> {
    let claims = shared.atomically(|| {
        job()?;
        maintenance::tokens(shared.on())
    })?;
    shared.upkeep.rebuilt(shared.table(), &claims);
    Ok(())
}

fn needs_value(table: &str, rank: &str, setting: &str) -> Error {
    Error::Value(format!(
        "{table}: the setting {setting} needs a value: INSERT INTO {table}({table}, {rank}) VALUES('{setting}', ...)"
    ))
}
