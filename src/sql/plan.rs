//! How a scan runs, and the text form of that.
//!
//! The text is what EXPLAIN QUERY PLAN shows and what `filter` gets back:
//! ```text
//! plan  := "nearlite: " words " [" token*(" ") "]"
//! token := letter (number)? (operator)?      one per argument, in order; see `Term`
//! ```

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::value::Op;

/// The code of `json_matches(column, filter)` as a constraint.
pub const MATCHES_JSON: u8 = 150;

/// The code of `row_matches(table, filter)` as a constraint.
pub const MATCHES_ROW: u8 = 151;

/// What one argument of `filter` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Query vector for a column.
    Vector(usize),
    /// Query text for one FULLTEXT column, or (table column) text or hybrid for all.
    Text(Option<usize>),
    /// Comparison of a metadata column.
    Compare(usize, Op),
    /// Metadata column in a list.
    In(usize),
    /// Metadata column IS NULL or IS NOT NULL.
    Null(usize, bool),
    /// LIKE pattern (`true`: GLOB); its literal prefix narrows the search, SQLite checks the rest.
    Pattern(usize, bool),
    /// Filter over a JSON column.
    Json(usize),
    /// Filter over the row.
    Row,
    /// Comparison of the rowid.
    Rowid(Op),
    /// Rowid in a list.
    RowidIn,
    /// Text key equal to.
    Key,
    /// Text key in a list.
    KeyIn,
    /// Bound on the distance.
    Distance(Op),
    /// Bound on the fused score.
    Score(Op),
    /// Bound on the BM25 score.
    Bm25(Op),
    /// Bound on the rank.
    Rank(Op),
    /// `k = ?`.
    K,
    /// `ef_search = ?`.
    Ef,
    /// `exact = ?`.
    Exact,
    /// LIMIT, a hint.
    Limit,
    /// OFFSET, a hint.
    Offset,
}

impl Term {
    /// The bound that includes its end.
    pub fn or_equal(self) -> Self {
        match self {
            Self::Distance(op) => Self::Distance(op.or_equal()),
            Self::Score(op) => Self::Score(op.or_equal()),
            Self::Bm25(op) => Self::Bm25(op.or_equal()),
            Self::Rank(op) => Self::Rank(op.or_equal()),
            other => other,
        }
    }

    fn write(self) -> String {
        match self {
            Self::Vector(at) => format!("v{at}"),
            Self::Text(None) => "t".into(),
            Self::Text(Some(at)) => format!("t{at}"),
            Self::Compare(at, op) => format!("c{at}{}", op.symbol()),
            Self::In(at) => format!("i{at}"),
            Self::Null(at, true) => format!("n{at}"),
            Self::Null(at, false) => format!("m{at}"),
            Self::Pattern(at, false) => format!("p{at}"),
            Self::Pattern(at, true) => format!("g{at}"),
            Self::Json(at) => format!("j{at}"),
            Self::Row => "w".into(),
            Self::Rowid(op) => format!("r{}", op.symbol()),
            Self::RowidIn => "R".into(),
            Self::Key => "q".into(),
            Self::KeyIn => "Q".into(),
            Self::Distance(op) => format!("d{}", op.symbol()),
            Self::Score(op) => format!("s{}", op.symbol()),
            Self::Bm25(op) => format!("b{}", op.symbol()),
            Self::Rank(op) => format!("a{}", op.symbol()),
            Self::K => "k".into(),
            Self::Ef => "e".into(),
            Self::Exact => "x".into(),
            Self::Limit => "l".into(),
            Self::Offset => "o".into(),
        }
    }

    fn read(token: &str) -> Option<Self> {
        let (letter, rest) = token.split_at_checked(1)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, symbol) = rest.split_at(digits);
        let at = number.parse::<usize>().ok();
        let op = operator(symbol);
        Some(match (letter, at) {
            ("v", Some(at)) => Self::Vector(at),
            ("t", at) => Self::Text(at),
            ("c", Some(at)) => Self::Compare(at, op?),
            ("i", Some(at)) => Self::In(at),
            ("n", Some(at)) => Self::Null(at, true),
            ("m", Some(at)) => Self::Null(at, false),
            ("p", Some(at)) => Self::Pattern(at, false),
            ("g", Some(at)) => Self::Pattern(at, true),
            ("j", Some(at)) => Self::Json(at),
            ("w", None) => Self::Row,
            ("r", None) => Self::Rowid(op?),
            ("R", None) => Self::RowidIn,
            ("q", None) => Self::Key,
            ("Q", None) => Self::KeyIn,
            ("d", None) => Self::Distance(op?),
            ("s", None) => Self::Score(op?),
            ("b", None) => Self::Bm25(op?),
            ("a", None) => Self::Rank(op?),
            ("k", None) => Self::K,
            ("e", None) => Self::Ef,
            ("x", None) => Self::Exact,
            ("l", None) => Self::Limit,
            ("o", None) => Self::Offset,
            _ => return None,
        })
    }

    fn describe(self, schema: &Schema) -> Option<String> {
        let name = |at: usize| schema.columns.get(at).map_or("?", |c| c.name.as_str());
        Some(match self {
            Self::Compare(at, op) => format!("{} {} ?", name(at), op.symbol()),
            Self::In(at) => format!("{} IN (?)", name(at)),
            Self::Null(at, true) => format!("{} IS NULL", name(at)),
            Self::Null(at, false) => format!("{} IS NOT NULL", name(at)),
            Self::Pattern(at, glob) => format!("{} {} ?", name(at), if glob { "GLOB" } else { "LIKE" }),
            Self::Json(at) => format!("json_matches({}, ?)", name(at)),
            Self::Row => "row_matches(?)".into(),
            Self::Rowid(op) => format!("rowid {} ?", op.symbol()),
            Self::RowidIn => "rowid IN (?)".into(),
            Self::Key => "key = ?".into(),
            Self::KeyIn => "key IN (?)".into(),
            Self::Distance(op) => format!("distance {} ?", op.symbol()),
            Self::Score(op) => format!("score {} ?", op.symbol()),
            Self::Bm25(op) => format!("bm25 {} ?", op.symbol()),
            Self::Rank(op) => format!("rank {} ?", op.symbol()),
            _ => return None,
        })
    }
}

/// In which order the rows of a scan come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The scan's own: a search gives the best row first, any other scan the smallest rowid.
    #[default]
    Own,
    /// From the smallest rowid to the largest.
    Ascending,
    /// From the largest rowid to the smallest.
    Descending,
    /// From the largest BM25 score to the smallest, then those that have none.
    Bm25,
    /// From the largest fused score to the smallest.
    Score,
}

impl Order {
    fn token(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::Ascending => Some("asc"),
            Self::Descending => Some("desc"),
            Self::Bm25 => Some("bm25"),
            Self::Score => Some("score"),
        }
    }
}

/// How a scan runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryPlan {
    /// Meaning of each argument.
    pub terms: Vec<Term>,
    /// The order that SQLite relies on.
    pub order: Order,
    /// Of a search for texts nobody reads how well a row matches. Functions of a row may, which SQLite names later.
    pub unranked: bool,
    /// Nor does anybody read a column of the row.
    pub bare: bool,
    /// Nobody reads a rank or asks for an order, but a column is read or stands in a condition: rows come best first, if
    /// anybody looks at one.
    pub lazy: bool,
}

impl QueryPlan {
    /// The plan in its text form.
    pub fn read(text: &str) -> Result<Self> {
        let inside = text.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        let bad = || Error::Value(format!("not a plan of this table: {text}"));
        let mut plan = Self::default();
        for token in inside.ok_or_else(bad)?.split_whitespace() {
            let order = [Order::Ascending, Order::Descending, Order::Bm25, Order::Score];
            if let Some(order) = order.into_iter().find(|order| order.token() == Some(token)) {
                plan.order = order;
            } else if token == "unranked" {
                plan.unranked = true;
            } else if token == "bare" {
                plan.bare = true;
            } else if token == "lazy" {
                plan.lazy = true;
            } else {
                plan.terms.push(Term::read(token).ok_or_else(bad)?);
            }
        }
        Ok(plan)
    }

    /// The text form, which EXPLAIN QUERY PLAN shows.
    pub fn write(&self, schema: &Schema) -> String {
        let name = |at: usize| schema.columns.get(at).map_or("?", |c| c.name.as_str());
        let mut words = Vec::new();
        for term in &self.terms {
            match term {
                Term::Vector(at) => words.push(format!("nearest {}", name(*at))),
                Term::Text(Some(at)) => words.push(format!("text in {}", name(*at))),
                Term::Text(None) => words.push("text or hybrid".into()),
                _ => {}
            }
        }
        if words.is_empty() {
            words.push("rows".into());
        }
        let filters: Vec<_> = self.terms.iter().filter_map(|term| term.describe(schema)).collect();
        if !filters.is_empty() {
            words.push(format!("filter {}", filters.join(", ")));
        }
        let mut tokens: Vec<_> = self.terms.iter().map(|term| term.write()).collect();
        tokens.extend(self.order.token().map(str::to_owned));
        tokens.extend(self.unranked.then(|| "unranked".to_owned()));
        tokens.extend(self.bare.then(|| "bare".to_owned()));
        tokens.extend(self.lazy.then(|| "lazy".to_owned()));
        // A NUL or a bracket in a column's name must not end the text early.
        let words = words.join(", ").replace(['\0', '[', ']'], "?");
        format!("nearlite: {words} [{}]", tokens.join(" "))
    }

    /// Whether the scan is a search.
    pub fn is_search(&self) -> bool {
        self.terms.iter().any(|term| matches!(term, Term::Vector(_) | Term::Text(_)))
    }
}

fn operator(symbol: &str) -> Option<Op> {
    [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge].into_iter().find(|op| op.symbol() == symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_text_form() {
        let schema = Schema::new().text("la[n]g").integer("year").vector("e", 3, Default::default());
        let plan = QueryPlan {
            terms: vec![
                Term::Vector(2),
                Term::Text(None),
                Term::Compare(0, Op::Ne),
                Term::Compare(1, Op::Ge),
                Term::In(1),
                Term::Null(0, true),
                Term::Null(0, false),
                Term::Pattern(0, true),
                Term::Json(1),
                Term::Row,
                Term::Rowid(Op::Lt),
                Term::RowidIn,
                Term::Key,
                Term::KeyIn,
                Term::Distance(Op::Le),
                Term::Score(Op::Gt),
                Term::Bm25(Op::Ge),
                Term::Rank(Op::Lt),
                Term::K,
                Term::Ef,
                Term::Exact,
                Term::Limit,
                Term::Offset,
            ],
            order: Order::Descending,
            unranked: true,
            bare: true,
            lazy: true,
        };
        assert_eq!(QueryPlan::read(&plan.write(&schema)).unwrap(), plan);
        assert!(QueryPlan::read("nearlite: [z9]").is_err());
        assert!(QueryPlan::read("").is_err());
    }
}
