//! The virtual table: one collection on one connection, and where its parts meet.

use super::columns::{self, Hidden};
use super::cursor::TableCursor;
use super::functions::{JSON_MATCHES, ROW_MATCHES};
use super::module::{AuxFunction, Change, Host, IndexInfo, Verdict, VirtualTable};
use super::plan::{MATCHES_JSON, MATCHES_ROW};
use super::table_state::{ConnectionViews, TableState};
use super::{auxiliary, best_index, commands, ddl, row_filter, update};
use crate::collection::{self, OpenCollection};
use crate::error::{Error, Result};
use crate::storage::{SHADOWS, Storage};
use crate::text::TextConfig;
use std::sync::Arc;

/// One `USING nearlite(...)` table.
pub struct Table {
    shared: Arc<TableState>,
}

impl VirtualTable for Table {
    type Cursor = TableCursor;
    const SHADOWS: &'static [&'static str] = SHADOWS;

    fn connect(host: Host, args: &[&str], create: bool) -> Result<(Self, String)> {
        let conn = host.connection();
        let (database, table) = (host.schema().to_owned(), host.table().to_owned());
        let (storage, schema) = if create {
            let schema = ddl::parse(&table, args.get(3..).unwrap_or_default())?;
            TextConfig::of(&schema).validate()?;
            let storage = Storage::new(conn, &database, &table, &schema)?;
            storage.create(conn, &schema)?;
            (storage, schema)
        } else {
            Storage::open(conn, &database, &table)?
        };
        host.config_constraint_support()?;
        host.config_innocuous()?;
        let views = host.shared::<ConnectionViews>().of(&database, &table);
        let declaration = columns::declaration(&schema, &table);
        let state = TableState::new(host, OpenCollection::new(storage, schema, views));
        #[expect(
            clippy::arc_with_non_send_sync,
            reason = "other threads may forget it, see `row_match::Origin`"
        )]
        let shared = Arc::new(state);
        Ok((Self { shared }, declaration))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        best_index::best_index(&self.shared, info)
    }

    fn open(&self) -> Result<TableCursor> {
        self.shared.callers.opened();
        Ok(TableCursor::new(Arc::clone(&self.shared)))
    }

    fn update(&self, change: Change<'_>) -> Result<i64> {
        // After an INSERT SQLite itself stores the rowid that this call returns.
        self.shared.host.keeping_last_insert_rowid(|| self.write(change))
    }

    fn destroy(&self) -> Result<()> {
        let conn = self.shared.conn();
        conn.flush_prepared_statement_cache();
        let storage = &self.shared.collection.storage;
        self.shared.host.shared::<ConnectionViews>().forget(&storage.database, &storage.table);
        self.shared.upkeep.dropped(self.shared.on());
        storage.destroy(conn)
    }

    fn rename(&self, new: &str) -> Result<()> {
        let shared = &self.shared;
        let conn = shared.conn();
        let taken = |name: &str| name.eq_ignore_ascii_case(new);
        if let Some(column) = shared.collection.schema.columns.iter().find(|c| taken(&c.name)) {
            let table = shared.table();
            return Err(Error::Schema(format!(
                "{table} cannot be called {new}: it has a column {}",
                column.name
            )));
        }
        shared.collection.schema.check_name(new)?;
        if shared.written.get() {
            // Before the commit another object will have the table, under its new name, which `sqlite_schema` has already.
            shared.tidy(shared.on(), &*shared.settings()?)?;
        }
        shared.upkeep.renamed(shared.on(), new);
        conn.flush_prepared_statement_cache();
        shared.collection.storage.rename(conn, new)
    }

    fn integrity(&self, quick: bool) -> Result<Option<String>> {
        if quick {
            return Ok(None);
        }
        let shared = &self.shared;
        let defects = collection::verify(shared.on(), &*shared.settings()?)?;
        Ok((!defects.is_empty()).then(|| defects.join("; ")))
    }

    fn begin(&self) -> Result<()> {
        self.shared.upkeep.presence.saw(true);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if self.shared.broken.get() {
            let table = self.shared.table();
            return Err(Error::Value(format!(
                "{table}: a statement failed and could not be taken back; roll the transaction back"
            )));
        }
        let tidied = if self.shared.written.replace(false) { self.shared.tidy_if_due() } else { Ok(()) };
        self.shared.know_schema();
        tidied
    }

    fn commit(&self) -> Result<()> {
        self.shared.upkeep.committed(self.shared.table());
        Ok(())
    }

    fn rollback(&self) -> Result<()> {
        self.shared.rolled_back();
        self.shared.broken.set(false);
        self.shared.upkeep.presence.saw(false);
        self.shared.upkeep.rolled_back();
        Ok(())
    }

    fn rollback_to(&self, _: i32) -> Result<()> {
        self.shared.rolled_back();
        self.shared.reverted.set(true);
        self.shared.upkeep.reverted();
        Ok(())
    }

    fn find_function(&self, name: &str, nargs: i32) -> Option<(AuxFunction, Option<u8>)> {
        if name.eq_ignore_ascii_case(JSON_MATCHES) && nargs == 2 {
            return Some((row_filter::json_matches, Some(MATCHES_JSON)));
        }
        if name.eq_ignore_ascii_case(ROW_MATCHES) && nargs == 2 {
            return Some((row_filter::row_matches, Some(MATCHES_ROW)));
        }
        if name.eq_ignore_ascii_case("match") {
            self.shared.match_called.set(true);
        }
        let function = auxiliary::find(name);
        if function.is_some() {
            self.shared.callers.called(name);
        }
        Some((function?, None))
    }
}

impl Table {
    fn write(&self, change: Change<'_>) -> Result<i64> {
        let shared = &self.shared;
        match change {
            Change::Delete { rowid } => {
                update::delete(shared, rowid)?;
                Ok(0)
            }
            Change::Insert { rowid, values, conflict } => {
                let last = shared.conn().last_insert_rowid();
                let command = columns::hidden_at(&shared.collection.schema, Hidden::Table);
                if !matches!(values.value(command), rusqlite::types::ValueRef::Null) {
                    let argument = columns::hidden_at(&shared.collection.schema, Hidden::Rank);
                    commands::run(shared, values.value(command), values.value(argument))?;
                    return Ok(last);
                }
                update::insert(shared, rowid, &values, conflict)
            }
            Change::Update { old_rowid, new_rowid, values, conflict } => {
                update::update(shared, old_rowid, new_rowid, &values, conflict)?;
                Ok(new_rowid)
            }
        }
    }
}
