//! SQLite's door: the virtual table, its functions and the parser of its declaration.

mod ddl;
mod functions;
mod module;
mod vector_value;

#[cfg(feature = "loadable_extension")]
pub use module::set_host_routines;

use crate::error::Result;
use rusqlite::Connection;

/// Makes nearlite's tables and functions available on `connection`. Doing it again changes nothing.
///
/// # Errors
/// [`crate::Error::Sqlite`] if SQLite refuses, for example while a statement that uses one of the functions runs.
pub fn register(connection: &Connection) -> Result<()> {
    functions::register(connection)
}
