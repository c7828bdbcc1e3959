//! From SQLite's constraints to a plan, and the plan's text form.
//!
//! The text is what EXPLAIN QUERY PLAN shows and what `filter` gets back:
//! ```text
//! plan  := "nearlite: " words " [" token*(" ") "]"
//! token := letter (number)? (operator)?      one per argument, in order; see `Term`
//! ```

use super::columns::{Hidden, Place};
use super::module::{ConstraintOp, IndexInfo, Verdict};
use crate::columns::Op;
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType, Schema};

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
            Self::Rowid(op) => format!("r{}", op.symbol()),
            Self::RowidIn => "R".into(),
            Self::Key => "q".into(),
            Self::KeyIn => "Q".into(),
            Self::Distance(op) => format!("d{}", op.symbol()),
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
            ("r", None) => Self::Rowid(op?),
            ("R", None) => Self::RowidIn,
            ("q", None) => Self::Key,
            ("Q", None) => Self::KeyIn,
            ("d", None) => Self::Distance(op?),
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
            Self::Rowid(op) => format!("rowid {} ?", op.symbol()),
            Self::RowidIn => "rowid IN (?)".into(),
            Self::Key => "key = ?".into(),
            Self::KeyIn => "key IN (?)".into(),
            Self::Distance(op) => format!("distance {} ?", op.symbol()),
            _ => return None,
        })
    }
}

/// How a scan runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Meaning of each argument.
    pub terms: Vec<Term>,
    /// A plain scan in descending order of rowid.
    pub descending: bool,
}

impl Plan {
    /// The plan in its text form.
    pub fn read(text: &str) -> Result<Self> {
        let inside = text.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        let bad = || Error::Value(format!("not a plan of this table: {text}"));
        let mut plan = Self::default();
        for token in inside.ok_or_else(bad)?.split_whitespace() {
            if token == "desc" {
                plan.descending = true;
            } else {
                plan.terms.push(Term::read(token).ok_or_else(bad)?);
            }
        }
        Ok(plan)
    }

    fn write(&self, schema: &Schema) -> String {
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
        if self.descending {
            tokens.push("desc".into());
        }
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

/// A constraint that the plan uses: its index, what it becomes, and whether SQLite need not check it again.
struct Used {
    index: usize,
    term: Term,
    omit: bool,
}

/// Answers SQLite's planner for one combination of usable constraints.
pub fn best_index(schema: &Schema, table: &str, info: &mut IndexInfo<'_>) -> Result<Verdict> {
    let constraints: Vec<_> = info.constraints().collect();
    let is_match = |op: ConstraintOp, place: Option<Place>| {
        op == ConstraintOp::Match || (op == ConstraintOp::Eq && place == Some(Place::Hidden(Hidden::Table)))
    };
    let search = constraints.iter().any(|c| is_match(c.op, Place::of(schema, c.column)));
    let mut used: Vec<Used> = Vec::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let place = Place::of(schema, constraint.column);
        let matches = is_match(constraint.op, place);
        let knob = matches!(place, Some(Place::Hidden(Hidden::K | Hidden::EfSearch | Hidden::Exact)));
        if !constraint.usable {
            let needed = matches || (knob && constraint.op == ConstraintOp::Eq);
            if needed {
                return Ok(Verdict::Unusable);
            }
            continue;
        }
        let binary = || info.collation(index).eq_ignore_ascii_case("BINARY");
        let in_list = info.is_in(index);
        if let Some((term, omit)) =
            term_of(schema, table, constraint.op, place, matches, search, in_list, &binary)?
        {
            used.push(Used { index, term, omit });
        }
    }
    refuse_two_vectors(table, &used)?;
    if !search {
        keep_one_lookup(&mut used);
    }
    let mut plan = Plan::default();
    for (position, one) in used.iter().enumerate() {
        plan.terms.push(one.term);
        info.set_arg(one.index, position);
        if one.omit {
            info.set_omit(one.index);
        }
        if matches!(one.term, Term::In(_) | Term::RowidIn | Term::KeyIn) {
            info.take_in(one.index);
        }
    }
    consume_order(schema, info, &mut plan);
    let joined = used.iter().any(|one| {
        matches!(one.term, Term::Rowid(Op::Eq) | Term::Key) && info.rhs_value(one.index).is_none()
    });
    set_cost(info, &plan, joined);
    info.set_idx_num(i32::from(plan.is_search()));
    info.set_idx_str(&plan.write(schema))?;
    Ok(Verdict::Plan)
}

#[expect(clippy::too_many_arguments, reason = "one constraint has that many properties")]
fn term_of(
    schema: &Schema,
    table: &str,
    op: ConstraintOp,
    place: Option<Place>,
    matches: bool,
    search: bool,
    in_list: bool,
    binary: &dyn Fn() -> bool,
) -> Result<Option<(Term, bool)>> {
    if op == ConstraintOp::Limit {
        return Ok(Some((Term::Limit, false)));
    }
    if op == ConstraintOp::Offset {
        return Ok(Some((Term::Offset, false)));
    }
    let Some(place) = place else { return Ok(None) };
    if matches {
        return match_term(schema, table, place).map(|term| Some((term, true)));
    }
    let term = match place {
        Place::Hidden(Hidden::K) if op == ConstraintOp::Eq => Some((Term::K, true)),
        Place::Hidden(Hidden::EfSearch) if op == ConstraintOp::Eq => Some((Term::Ef, true)),
        Place::Hidden(Hidden::Exact) if op == ConstraintOp::Eq => Some((Term::Exact, true)),
        Place::Hidden(Hidden::Distance) if search => match comparison(op) {
            Some(op @ (Op::Lt | Op::Le | Op::Gt | Op::Ge)) => Some((Term::Distance(op), false)),
            _ => None,
        },
        Place::Hidden(_) => None,
        Place::Rowid => match (op, comparison(op)) {
            // Left to SQLite when it is no search: it then looks rows up one by one.
            (ConstraintOp::Eq, _) if in_list && search => Some((Term::RowidIn, true)),
            (ConstraintOp::Is | ConstraintOp::Ne, _) | (_, None) => None,
            // The value may be of any type; only the comparison SQLite makes itself is always right.
            (_, Some(op)) => Some((Term::Rowid(op), false)),
        },
        Place::User(at) => user_term(schema, at, op, search, in_list, binary),
    };
    Ok(term)
}

fn match_term(schema: &Schema, table: &str, place: Place) -> Result<Term> {
    match place {
        Place::Hidden(Hidden::Table) => Ok(Term::Text(None)),
        Place::User(at) => match &schema.columns[at].kind {
            ColumnKind::Vector(_) => Ok(Term::Vector(at)),
            ColumnKind::FullText { .. } => Ok(Term::Text(Some(at))),
            _ => {
                let name = &schema.columns[at].name;
                Err(Error::Value(format!("{table}.{name}: MATCH works on VECTOR and FULLTEXT columns only")))
            }
        },
        Place::Rowid | Place::Hidden(_) => Err(Error::Value(format!(
            "{table}: MATCH works on VECTOR and FULLTEXT columns and on the column named {table}"
        ))),
    }
}

fn user_term(
    schema: &Schema,
    at: usize,
    op: ConstraintOp,
    search: bool,
    in_list: bool,
    binary: &dyn Fn() -> bool,
) -> Option<(Term, bool)> {
    match &schema.columns[at].kind {
        ColumnKind::Key(ColumnType::Text) if op == ConstraintOp::Eq && binary() => {
            if in_list && search {
                Some((Term::KeyIn, false))
            } else {
                Some((Term::Key, false))
            }
        }
        ColumnKind::Metadata(kind) if search => match op {
            ConstraintOp::IsNull => Some((Term::Null(at, true), true)),
            ConstraintOp::IsNotNull => Some((Term::Null(at, false), true)),
            // IS and IS NOT treat NULL as a value: SQLite checks them.
            ConstraintOp::Is | ConstraintOp::IsNot => None,
            ConstraintOp::Like if *kind == ColumnType::Text => Some((Term::Pattern(at, false), false)),
            ConstraintOp::Glob if *kind == ColumnType::Text => Some((Term::Pattern(at, true), false)),
            // SQLite applies no affinity between a TEXT column and the column of a subquery; ours is the wider answer.
            ConstraintOp::Eq if in_list && binary() => Some((Term::In(at), *kind != ColumnType::Text)),
            // The collation of `<>` is not told. What differs in bytes is a superset of what differs otherwise.
            ConstraintOp::Ne => Some((Term::Compare(at, Op::Ne), *kind != ColumnType::Text)),
            _ => {
                let op = comparison(op)?;
                binary().then_some((Term::Compare(at, op), true))
            }
        },
        _ => None,
    }
}

fn refuse_two_vectors(table: &str, used: &[Used]) -> Result<()> {
    let vectors = used.iter().filter(|one| matches!(one.term, Term::Vector(_))).count();
    if vectors > 1 {
        return Err(Error::Value(format!(
            "{table}: one vector MATCH a query; join the table with itself to combine two"
        )));
    }
    Ok(())
}

/// A plain scan starts from one look-up or range; what it does not use SQLite checks.
fn keep_one_lookup(used: &mut Vec<Used>) {
    let key = used.iter().position(|one| one.term == Term::Key);
    let rowid = used.iter().position(|one| one.term == Term::Rowid(Op::Eq));
    let chosen = rowid.or(key).map(|at| used[at].index);
    used.retain(|one| match one.term {
        Term::Key => chosen == Some(one.index),
        Term::Rowid(Op::Eq) => chosen == Some(one.index),
        Term::Rowid(_) => chosen.is_none(),
        Term::K | Term::Ef | Term::Exact => true,
        _ => false,
    });
}

fn consume_order(schema: &Schema, info: &mut IndexInfo<'_>, plan: &mut Plan) {
    let order: Vec<_> = info.order_by().collect();
    let [term] = order[..] else { return };
    if info.distinct() != 0 {
        return;
    }
    let place = Place::of(schema, term.column);
    if !plan.is_search() {
        if place == Some(Place::Rowid) {
            plan.descending = term.desc;
            info.set_order_by_consumed();
        }
        return;
    }
    let vector = plan.terms.iter().any(|t| matches!(t, Term::Vector(_)));
    let text = plan.terms.iter().any(|t| matches!(t, Term::Text(_)));
    let ordered = match place {
        Some(Place::Hidden(Hidden::Rank)) => !term.desc,
        Some(Place::Hidden(Hidden::Distance)) => !term.desc && vector && !text,
        _ => false,
    };
    if ordered {
        info.set_order_by_consumed();
    }
}

/// A search is cheaper than any look-up: it becomes the outer loop of a join with an ordinary table, and an OR of
/// look-ups beside a MATCH is not run as look-ups, where SQLite could not evaluate the MATCH. A rowid that another
/// table of a join gives must not turn a search into one search per row.
fn set_cost(info: &mut IndexInfo<'_>, plan: &Plan, joined: bool) {
    let has = |wanted: fn(&Term) -> bool| plan.terms.iter().any(wanted);
    let lookup = has(|t| matches!(t, Term::Rowid(Op::Eq) | Term::Key));
    let (cost, rows) = if plan.is_search() {
        if lookup && joined { (5_000.0, 1) } else { (2.0, 25) }
    } else if lookup {
        info.set_unique();
        (10.0, 1)
    } else if has(|t| matches!(t, Term::Rowid(_))) {
        (50_000.0, 25_000)
    } else {
        (200_000.0, 100_000)
    };
    info.set_cost(cost);
    info.set_rows(rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_text_form() {
        let schema = Schema::new().text("la[n]g").integer("year").vector("e", 3, Default::default());
        let plan = Plan {
            terms: vec![
                Term::Vector(2),
                Term::Text(None),
                Term::Compare(0, Op::Ne),
                Term::Compare(1, Op::Ge),
                Term::In(1),
                Term::Null(0, true),
                Term::Null(0, false),
                Term::Pattern(0, true),
                Term::Rowid(Op::Lt),
                Term::RowidIn,
                Term::Key,
                Term::KeyIn,
                Term::Distance(Op::Le),
                Term::K,
                Term::Ef,
                Term::Exact,
                Term::Limit,
                Term::Offset,
            ],
            descending: true,
        };
        assert_eq!(Plan::read(&plan.write(&schema)).unwrap(), plan);
        assert!(Plan::read("nearlite: [z9]").is_err());
        assert!(Plan::read("").is_err());
    }
}
