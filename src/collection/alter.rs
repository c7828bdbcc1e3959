//! Columns come, go and get other names; no row and no segment is written again.

use super::connected::Connected;
use crate::error::Result;
use crate::schema::Alteration;

/// Changes the columns of a collection. What was opened of it before does not fit it any more.
///
/// # Errors
/// Those of [`Schema::after`](crate::schema::Schema), and of SQLite, which checks views and triggers.
pub fn alter(on: Connected<'_>, change: &Alteration) -> Result<()> {
    let after = on.schema.after(&on.storage.table, change)?;
    on.storage.alter(on.conn, on.schema, change, &after)
}
