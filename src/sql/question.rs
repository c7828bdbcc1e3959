//! One term of a WHERE as SQLite's planner offers it, and what the table makes of it.

use super::columns::{ColumnRole, Hidden, hidden_columns};
use super::filter_terms::is_uncertain;
use super::module::{Constraint, ConstraintOp, IndexInfo};
use super::plan::{MATCHES_JSON, MATCHES_ROW, Term};
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType, Schema};
use crate::value::Op;

/// SQLite checks the terms from this one on again, whatever a plan promises.
pub const MAX_OMITTED: usize = 16;

/// What the table may be asked about one term.
pub struct Question<'q, 'i> {
    schema: &'q Schema,
    table: &'q str,
    /// Whether SQLite orders texts as the search does.
    utf8: bool,
    info: &'q IndexInfo<'i>,
    /// Whether any term of the WHERE makes it a search.
    search: bool,
    /// Position of the term.
    index: usize,
    op: ConstraintOp,
    /// What its column is; `None` for LIMIT and OFFSET.
    role: Option<ColumnRole>,
    /// Whether this term is a MATCH.
    matches: bool,
    /// Whether it is `column IN (...)`.
    in_list: bool,
}

/// Whether a term is a MATCH, or means one: `docs = 'words'`.
pub fn is_match(schema: &Schema, constraint: &Constraint) -> bool {
    constraint.op == ConstraintOp::Match
        || constraint.op == ConstraintOp::Eq
            && ColumnRole::of(schema, constraint.column) == Some(ColumnRole::Hidden(Hidden::Table))
}

fn comparison(op: ConstraintOp) -> Option<Op> {
    Some(match op {
        ConstraintOp::Eq | ConstraintOp::Is => Op::Eq,
        ConstraintOp::Ne => Op::Ne,
        ConstraintOp::Lt => Op::Lt,
        ConstraintOp::Le => Op::Le,
        ConstraintOp::Gt => Op::Gt,
        ConstraintOp::Ge => Op::Ge,
        _ => return None,
    })
}

impl<'q, 'i> Question<'q, 'i> {
    /// About the term `index`.
    pub fn new(
        collection: &'q OpenCollection,
        info: &'q IndexInfo<'i>,
        search: bool,
        index: usize,
        constraint: &Constraint,
    ) -> Self {
        let schema = &collection.schema;
        Self {
            schema,
            table: collection.table(),
            utf8: collection.storage.utf8,
            info,
            search,
            index,
            op: constraint.op,
            role: ColumnRole::of(schema, constraint.column),
            matches: is_match(schema, constraint),
            in_list: constraint.usable && info.is_in(index),
        }
    }

    /// Whether a plan without the term would be wrong: its value is not at hand, so SQLite has to order the joins
    /// differently.
    pub fn is_needed(&self) -> bool {
        let option =
            matches!(self.role, Some(ColumnRole::Hidden(Hidden::K | Hidden::EfSearch | Hidden::Exact)));
        self.matches || option && self.op == ConstraintOp::Eq
    }

    fn is_binary(&self) -> bool {
        self.info.collation(self.index).eq_ignore_ascii_case("BINARY")
    }

    fn is_literal_text(&self) -> bool {
        self.info
            .rhs_value(self.index)
            .is_some_and(|value| value.as_text().is_some() && !is_uncertain(&value))
    }

    fn refuse<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        Err(Error::Value(format!("{}: {what}", self.table)))
    }

    /// Refuses what would silently give rows twice, or none: SQLite runs the scan once for each value of a list that it
    /// keeps, and an option that was not given reads back as NULL, which compares with nothing.
    pub fn refuse_misuse(&self, all: &[Constraint]) -> Result<()> {
        if self.matches && self.op == ConstraintOp::Eq && self.index >= MAX_OMITTED {
            let (table, nth) = (self.table, self.index + 1);
            return self.refuse(format_args!(
                "write {table} MATCH ...: SQLite checks the {nth}th term of a WHERE again, and as a comparison it would fail"
            ));
        }
        let Some(ColumnRole::Hidden(hidden)) = self.role else { return Ok(()) };
        let Some((_, _, name)) = hidden_columns(self.schema).find(|(_, other, _)| *other == hidden) else {
            return Ok(());
        };
        if self.in_list && hidden == Hidden::Table {
            return self.refuse("a search takes one query text; combine several with OR inside the text");
        }
        if !matches!(hidden, Hidden::K | Hidden::EfSearch | Hidden::Exact) {
            return Ok(());
        }
        if self.in_list {
            return self.refuse(format_args!("{name} takes one value, not a list"));
        }
        let compared = matches!(
            self.op,
            ConstraintOp::Lt
                | ConstraintOp::Le
                | ConstraintOp::Gt
                | ConstraintOp::Ge
                | ConstraintOp::Ne
                | ConstraintOp::Is
                | ConstraintOp::IsNot
        );
        let given = all
            .iter()
            .any(|c| c.op == ConstraintOp::Eq && ColumnRole::of(self.schema, c.column) == self.role);
        if compared && self.search && !given {
            return self.refuse(format_args!("{name} takes a value ({name} = ?); it cannot be compared"));
        }
        Ok(())
    }

    /// What the plan makes of the term, and whether SQLite need not check it again; `None`: it is left to SQLite.
    ///
    /// # Errors
    /// [`Error::Value`] for a MATCH on a column that cannot be matched.
    pub fn term(&self) -> Result<Option<(Term, bool)>> {
        match self.op {
            ConstraintOp::Limit => return Ok(Some((Term::Limit, false))),
            ConstraintOp::Offset => return Ok(Some((Term::Offset, false))),
            _ => {}
        }
        let Some(role) = self.role else { return Ok(None) };
        if self.matches {
            return self.match_term(role).map(|term| Some((term, true)));
        }
        Ok(match role {
            ColumnRole::Hidden(hidden) => self.hidden_term(hidden),
            ColumnRole::Rowid => self.rowid_term(),
            ColumnRole::User(at) => self.user_term(at),
        })
    }

    fn match_term(&self, role: ColumnRole) -> Result<Term> {
        match role {
            ColumnRole::Hidden(Hidden::Table) => Ok(Term::Text(None)),
            ColumnRole::User(at) => match &self.schema.columns[at].kind {
                ColumnKind::Vector(_) => Ok(Term::Vector(at)),
                ColumnKind::FullText { .. } => Ok(Term::Text(Some(at))),
                _ => {
                    let (table, name) = (self.table, &self.schema.columns[at].name);
                    let what = "MATCH works on VECTOR and FULLTEXT columns only";
                    Err(Error::Value(format!("{table}.{name}: {what}")))
                }
            },
            ColumnRole::Rowid | ColumnRole::Hidden(_) => {
                let table = self.table;
                self.refuse(format_args!(
                    "MATCH works on VECTOR and FULLTEXT columns and on the column named {table}"
                ))
            }
        }
    }

    fn hidden_term(&self, hidden: Hidden) -> Option<(Term, bool)> {
        match (hidden, comparison(self.op)) {
            (Hidden::Table, _) if self.search && self.op == ConstraintOp::Function(MATCHES_ROW) => {
                Some((Term::Row, true))
            }
            (Hidden::K, _) if self.op == ConstraintOp::Eq => Some((Term::K, true)),
            (Hidden::EfSearch, _) if self.op == ConstraintOp::Eq => Some((Term::Ef, true)),
            (Hidden::Exact, _) if self.op == ConstraintOp::Eq => Some((Term::Exact, true)),
            (_, None | Some(Op::Eq | Op::Ne)) => None,
            (Hidden::Distance, Some(op)) if self.search => Some((Term::Distance(op), false)),
            (Hidden::Score, Some(op)) if self.search => Some((Term::Score(op), false)),
            (Hidden::Bm25, Some(op)) if self.search => Some((Term::Bm25(op), false)),
            (Hidden::Rank, Some(op)) if self.search => Some((Term::Rank(op), false)),
            _ => None,
        }
    }

    fn rowid_term(&self) -> Option<(Term, bool)> {
        match (self.op, comparison(self.op)) {
            // Left to SQLite when it is no search: it then looks rows up one by one.
            (ConstraintOp::Eq, _) if self.in_list && self.search => Some((Term::RowidIn, true)),
            (ConstraintOp::Is | ConstraintOp::Ne, _) | (_, None) => None,
            // The value may be of any type; only the comparison SQLite makes itself is always right.
            (_, Some(op)) => Some((Term::Rowid(op), false)),
        }
    }

    /// A comparison with TEXT is left out of SQLite's check only if the value is a literal TEXT. What another right side
    /// means depends on its affinity, which SQLite does not reveal: against an INTEGER column, `'007'` equals 7.
    fn user_term(&self, at: usize) -> Option<(Term, bool)> {
        match &self.schema.columns[at].kind {
            ColumnKind::Key(ColumnType::Text) if self.op == ConstraintOp::Eq && self.is_binary() => {
                // Taken whole: the check that SQLite makes value by value forgets the affinity of a subquery.
                Some((if self.in_list { Term::KeyIn } else { Term::Key }, false))
            }
            ColumnKind::Metadata(kind) if self.search => self.metadata_term(at, *kind),
            _ => None,
        }
    }

    fn metadata_term(&self, at: usize, kind: ColumnType) -> Option<(Term, bool)> {
        let (json, text) = (kind == ColumnType::Json, kind == ColumnType::Text);
        match self.op {
            ConstraintOp::IsNull => Some((Term::Null(at, true), true)),
            ConstraintOp::IsNotNull => Some((Term::Null(at, false), true)),
            ConstraintOp::Function(MATCHES_JSON) if json => Some((Term::Json(at), true)),
            _ if json => None,
            // IS and IS NOT treat NULL as a value: SQLite checks them.
            ConstraintOp::Is | ConstraintOp::IsNot => None,
            ConstraintOp::Like if text => Some((Term::Pattern(at, false), false)),
            ConstraintOp::Glob if text => Some((Term::Pattern(at, true), false)),
            ConstraintOp::Eq if self.in_list && self.is_binary() => Some((Term::In(at), !text)),
            // SQLite does not reveal the collation of `<>`. What differs in bytes is a superset of what differs otherwise.
            ConstraintOp::Ne => Some((Term::Compare(at, Op::Ne), !text)),
            // SQLite's order is not the search's.
            op if text && op != ConstraintOp::Eq && !self.utf8 => None,
            op => {
                let op = comparison(op)?;
                self.is_binary().then(|| (Term::Compare(at, op), !text || self.is_literal_text()))
            }
        }
    }
}
