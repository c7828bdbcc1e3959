//! The collections of a database by their names.

use super::access::Access;
use super::catalog;
use super::database::Database;
use super::statement::error_of;
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use crate::schema::quoted;

impl Database {
    /// Names of the collections in the file, in alphabetical order.
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be read.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.with(catalog::collection_names)
    }

    /// Removes a collection with everything in it.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// db.drop_collection("notes")?;
    /// assert!(db.collections()?.is_empty());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no collection of this name.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.write(|conn| {
            let table = catalog::existing_name(conn, name)?;
            Ok(conn.execute_batch(&format!("DROP TABLE main.{}", quoted(&table)))?)
        })
    }

    /// Gives a collection another name. A [`Collection`](crate::Collection) that was opened by the old one reports that it is not there any more.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// db.rename_collection("notes", "papers")?;
    /// assert_eq!(db.collections()?, ["papers"]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no collection of this name, [`Error::Schema`] when the new name is taken or reserved.
    pub fn rename_collection(&self, name: &str, new: &str) -> Result<()> {
        self.write(|conn| {
            let table = catalog::existing_name(conn, name)?;
            OpenCollection::open(conn, "main", &table)?.schema.check_name(new)?;
            if let Some(kind) = catalog::other_object(conn, new)?
                && !new.eq_ignore_ascii_case(&table)
            {
                return Err(Error::Schema(format!("there is {kind} {new} already; choose another name")));
            }
            let sql = format!("ALTER TABLE main.{} RENAME TO {}", quoted(&table), quoted(new));
            conn.execute_batch(&sql).map_err(error_of)
        })
    }
}
