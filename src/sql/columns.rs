//! The columns a table shows to SQLite: the user's, then the hidden ones in a fixed order.

use crate::collection::OpenCollection;
use crate::schema::{ColumnKind, ColumnType, Schema, quoted};

/// A hidden column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Named like the table: MATCH for text and hybrid queries, commands, and the handle of `snippet()`.
    Table,
    /// Ascending is best first.
    Rank,
    /// Exact distance.
    Distance,
    /// BM25 score.
    Bm25,
    /// Fused score.
    Score,
    /// Rank in the vector leg.
    VectorRank,
    /// Rank in the text leg.
    TextRank,
    /// Rows returned at most.
    K,
    /// Breadth of graph searches.
    EfSearch,
    /// Exact search.
    Exact,
    /// Plan and counters as JSON.
    Explain,
}

const HIDDEN: [(Hidden, &str, &str); 11] = [
    (Hidden::Table, "", ""),
    (Hidden::Rank, "rank", "REAL"),
    (Hidden::Distance, "distance", "REAL"),
    (Hidden::Bm25, "bm25", "REAL"),
    (Hidden::Score, "score", "REAL"),
    (Hidden::VectorRank, "vector_rank", "INTEGER"),
    (Hidden::TextRank, "text_rank", "INTEGER"),
    (Hidden::K, "k", "INTEGER"),
    (Hidden::EfSearch, "ef_search", "INTEGER"),
    (Hidden::Exact, "exact", "INTEGER"),
    (Hidden::Explain, "explain", "TEXT"),
];

/// What a column number of SQLite means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// Column of the schema.
    User(usize),
    /// Hidden column.
    Hidden(Hidden),
    /// The rowid.
    Rowid,
}

impl ColumnRole {
    /// Meaning of column `number`; -1 is the rowid, as is a column declared INTEGER PRIMARY KEY.
    pub fn of(schema: &Schema, number: i32) -> Option<Self> {
        let Ok(at) = usize::try_from(number) else { return Some(Self::Rowid) };
        match schema.columns.get(at) {
            Some(column) if column.kind == ColumnKind::Key(ColumnType::Integer) => Some(Self::Rowid),
            Some(_) => Some(Self::User(at)),
            None => HIDDEN.get(at - schema.columns.len()).map(|(hidden, ..)| Self::Hidden(*hidden)),
        }
    }
}

/// Number of a hidden column.
pub fn hidden_at(schema: &Schema, hidden: Hidden) -> usize {
    schema.columns.len() + HIDDEN.iter().position(|(h, ..)| *h == hidden).unwrap_or(0)
}

/// The hidden columns: number, meaning, and name where it is not that of the table.
pub fn hidden_columns(schema: &Schema) -> impl Iterator<Item = (usize, Hidden, String)> + '_ {
    let first = schema.columns.len();
    HIDDEN
        .into_iter()
        .enumerate()
        .map(move |(at, (hidden, name, _))| (first + at, hidden, schema.hidden(name)))
}

/// The statement that runs a command, `?1`, with an argument, `?2`: what is inserted into two hidden columns.
pub fn command_sql(collection: &OpenCollection) -> String {
    let (database, table) = (quoted(&collection.storage.database), quoted(collection.table()));
    let rank = quoted(&collection.schema.hidden("rank"));
    format!("INSERT INTO {database}.{table}({table}, {rank}) VALUES(?1, ?2)")
}

/// The `CREATE TABLE` text that declares the columns to SQLite, NOT NULL and an INTEGER key among it.
///
/// A TEXT key is no PRIMARY KEY here: SQLite would believe in an index of it, which a virtual table does not have.
pub fn declaration(schema: &Schema, table: &str) -> String {
    let mut parts = Vec::new();
    for column in &schema.columns {
        let kind = match &column.kind {
            // A type JSON would have NUMERIC affinity.
            ColumnKind::FullText { .. } | ColumnKind::Metadata(ColumnType::Json) => "TEXT",
            ColumnKind::Key(kind) | ColumnKind::Metadata(kind) => kind.name(),
            ColumnKind::Unindexed => "",
            ColumnKind::Vector(_) => "BLOB",
        };
        let key = if column.kind == ColumnKind::Key(ColumnType::Integer) { " PRIMARY KEY" } else { "" };
        let not_null = if column.not_null { " NOT NULL" } else { "" };
        parts.push(format!("{} {kind}{key}{not_null}", quoted(&column.name)));
    }
    for (hidden, name, kind) in HIDDEN {
        let name = if hidden == Hidden::Table { table.to_owned() } else { schema.hidden(name) };
        parts.push(format!("{} {kind} HIDDEN", quoted(&name)));
    }
    format!("CREATE TABLE x({})", parts.join(", "))
}
