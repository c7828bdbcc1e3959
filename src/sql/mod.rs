//! SQLite's door: the virtual table, its functions and the parser of its declaration.

mod alter;
mod auxiliary;
mod background;
mod best_index;
mod callers;
mod columns;
mod commands;
mod cursor;
mod ddl;
mod describe;
mod explain_row;
mod filter_terms;
mod functions;
mod info;
mod leg_values;
mod maintain;
mod module;
mod on_demand;
mod plan;
mod question;
mod release;
mod request;
mod row_filter;
mod row_match;
mod row_scan;
mod search_options;
mod search_scan;
mod table;
mod table_name;
mod table_state;
mod update;
mod upkeep;
mod vector_hint;
mod vector_value;
mod vocabulary;
mod warnings;

pub(crate) use ddl::{write as write_schema, write_column, write_options};
#[cfg(feature = "__loadable_extension")]
pub use module::set_host_routines;

/// Registers the `nearlite` table and all SQL functions on a connection.
///
/// ```
/// let conn = nearlite::rusqlite::Connection::open_in_memory()?;
/// nearlite::register(&conn)?;
/// conn.execute_batch("CREATE VIRTUAL TABLE notes USING nearlite(body TEXT FULLTEXT, embedding VECTOR(3))")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What SQLite reports, for example on a closed connection.
pub fn register(conn: &rusqlite::Connection) -> crate::error::Result<()> {
    functions::register(conn)?;
    functions::register_match(conn)?;
    for name in auxiliary::NAMES {
        module::overload_function(conn, name, -1)?;
    }
    module::register_reading_function(conn, "nearlite_recall", 4, |out, args| {
        let recall = info::recall(&out.connection()?, args)?;
        if let Some(recall) = recall {
            out.set_real(recall);
        }
        Ok(())
    })?;
    module::register_reading_function(conn, "nearlite_warnings", 2, |out, args| {
        out.set_text(&warnings::json(&out.connection()?, args)?);
        Ok(())
    })?;
    for nargs in [0, 1] {
        module::register_inner_function(conn, "nearlite_release", nargs, |out, args| {
            out.set_integer(i64::try_from(release::release(&out.connection()?, args)?).unwrap_or(i64::MAX));
            Ok(())
        })?;
    }
    for nargs in [1, 2] {
        module::register_inner_function(conn, "nearlite_maintain", nargs, |out, args| {
            out.set_text(&on_demand::maintain(&out.connection()?, args)?);
            Ok(())
        })?;
    }
    module::register_inner_function(conn, "nearlite_alter", 2, |out, args| {
        out.set_text(&alter::alter(&out.connection()?, args)?);
        Ok(())
    })?;
    module::register_atomic(conn)?;
    module::register_module::<info::Info>(conn, "nearlite_info")?;
    module::register_module::<describe::Description>(conn, "nearlite_schema")?;
    module::register_module::<info::Recall>(conn, "nearlite_recall")?;
    module::register_module::<vocabulary::Tokens>(conn, "nearlite_tokens")?;
    module::register_module::<vocabulary::Terms>(conn, "nearlite_terms")?;
    module::register_module::<table::Table>(conn, "nearlite")
}
