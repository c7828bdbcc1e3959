//! Scalar SQL functions.

use super::module::register_function;
use crate::error::Result;
use rusqlite::Connection;

/// Registers every scalar function on `connection`.
pub(super) fn register(connection: &Connection) -> Result<()> {
    register_function(connection, "nearlite_version", 0, |out, _| {
        out.set_text(concat!("v", env!("CARGO_PKG_VERSION")));
        Ok(())
    })
}
