//! Answers SQLite's planner: which constraints a scan takes, in which order its rows come, what it costs.

use super::callers::Reads;
use super::columns::{ColumnRole, Hidden, hidden_at, hidden_columns};
use super::module::{Constraint, ConstraintOp, IndexInfo, Verdict};
use super::plan::{MATCHES_JSON, Order, QueryPlan, Term};
use super::table_state::TableState;
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType, Schema};
use crate::value::{Op, Value};

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

/// SQLite checks the terms from this one on again, whatever a plan promises.
const MAX_OMITTED: usize = 16;

/// From this term on SQLite does not tell an IN from `=`.
const MAX_LISTS: usize = 32;

/// A constraint that the plan uses: its index, what it becomes, and whether SQLite need not check it again.
struct Used {
    index: usize,
    term: Term,
    omit: bool,
}

/// Answers SQLite's planner for one combination of usable constraints.
pub fn best_index(shared: &TableState, info: &mut IndexInfo<'_>) -> Result<Verdict> {
    let (schema, table) = (&shared.collection.schema, shared.table());
    let constraints: Vec<_> = info.constraints().collect();
    let is_match = |op: ConstraintOp, place: Option<ColumnRole>| {
        op == ConstraintOp::Match
            || (op == ConstraintOp::Eq && place == Some(ColumnRole::Hidden(Hidden::Table)))
    };
    let search = constraints.iter().any(|c| is_match(c.op, ColumnRole::of(schema, c.column)));
    let mut used: Vec<Used> = Vec::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let place = ColumnRole::of(schema, constraint.column);
        let matches = is_match(constraint.op, place);
        let option = matches!(place, Some(ColumnRole::Hidden(Hidden::K | Hidden::EfSearch | Hidden::Exact)));
        if !constraint.usable {
            let needed = matches || (option && constraint.op == ConstraintOp::Eq);
            if needed {
                return Ok(Verdict::Unusable);
            }
            continue;
        }
        let binary = || info.collation(index).eq_ignore_ascii_case("BINARY");
        let text = || matches!(info.rhs_value(index), Some(Value::Text(_)));
        let in_list = info.is_in(index);
        if let Some(ColumnRole::Hidden(hidden)) = place {
            refuse_misuse(schema, table, &constraints, constraint.op, hidden, in_list, search)?;
        }
        if matches && constraint.op == ConstraintOp::Eq && index >= MAX_OMITTED {
            return Err(Error::Value(format!(
                "{table}: write {table} MATCH ...: SQLite checks the {}th term of a WHERE again, and as a comparison it would fail",
                index + 1
            )));
        }
        if let Some((term, omit)) =
            term_of(schema, table, constraint.op, place, matches, search, in_list, &binary, &text)?
        {
            used.push(Used { index, term, omit });
        }
    }
    refuse_two_vectors(table, &used)?;
    if !search {
        // It could be a list, which SQLite would then check value by value, see `user_term`.
        used.retain(|one| one.term != Term::Key || one.index < MAX_LISTS);
        keep_one_lookup(&mut used);
    }
    let mut plan = QueryPlan::default();
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
    if plan.is_search() {
        see_what_is_read(schema, info, &mut plan);
    }
    consume_order(schema, info, &mut plan);
    let joined = used.iter().any(|one| {
        matches!(one.term, Term::Rowid(Op::Eq) | Term::Key) && info.rhs_value(one.index).is_none()
    });
    // A number is equal to several texts: '5', '05', '5.0'.
    let unique = used.iter().any(|one| match one.term {
        Term::Rowid(op) => op == Op::Eq,
        Term::Key => matches!(info.rhs_value(one.index), Some(Value::Text(_))),
        _ => false,
    });
    set_cost(info, &plan, joined, unique);
    let number = match reads_of(schema, info) {
        _ if plan.unranked => shared.callers.number(Reads::default()),
        _ if plan.is_search() => 1,
        Some(reads) => shared.callers.number(reads),
        None => 0,
    };
    info.set_idx_num(number);
    info.set_idx_str(&plan.write(schema))?;
    Ok(Verdict::Plan)
}

#[expect(clippy::too_many_arguments, reason = "one constraint has that many properties")]
fn term_of(
    schema: &Schema,
    table: &str,
    op: ConstraintOp,
    place: Option<ColumnRole>,
    matches: bool,
    search: bool,
    in_list: bool,
    binary: &dyn Fn() -> bool,
    text: &dyn Fn() -> bool,
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
        ColumnRole::Hidden(Hidden::K) if op == ConstraintOp::Eq => Some((Term::K, true)),
        ColumnRole::Hidden(Hidden::EfSearch) if op == ConstraintOp::Eq => Some((Term::Ef, true)),
        ColumnRole::Hidden(Hidden::Exact) if op == ConstraintOp::Eq => Some((Term::Exact, true)),
        ColumnRole::Hidden(hidden @ (Hidden::Distance | Hidden::Score | Hidden::Bm25 | Hidden::Rank))
            if search =>
        {
            match (hidden, comparison(op)) {
                (_, None | Some(Op::Eq | Op::Ne)) => None,
                (Hidden::Distance, Some(op)) => Some((Term::Distance(op), false)),
                (Hidden::Score, Some(op)) => Some((Term::Score(op), false)),
                (Hidden::Bm25, Some(op)) => Some((Term::Bm25(op), false)),
                (_, Some(op)) => Some((Term::Rank(op), false)),
            }
        }
        ColumnRole::Hidden(_) => None,
        ColumnRole::Rowid => match (op, comparison(op)) {
            // Left to SQLite when it is no search: it then looks rows up one by one.
            (ConstraintOp::Eq, _) if in_list && search => Some((Term::RowidIn, true)),
            (ConstraintOp::Is | ConstraintOp::Ne, _) | (_, None) => None,
            // The value may be of any type; only the comparison SQLite makes itself is always right.
            (_, Some(op)) => Some((Term::Rowid(op), false)),
        },
        ColumnRole::User(at) => user_term(schema, at, op, search, in_list, binary, text),
    };
    Ok(term)
}

fn match_term(schema: &Schema, table: &str, place: ColumnRole) -> Result<Term> {
    match place {
        ColumnRole::Hidden(Hidden::Table) => Ok(Term::Text(None)),
        ColumnRole::User(at) => match &schema.columns[at].kind {
            ColumnKind::Vector(_) => Ok(Term::Vector(at)),
            ColumnKind::FullText { .. } => Ok(Term::Text(Some(at))),
            _ => {
                let name = &schema.columns[at].name;
                Err(Error::Value(format!("{table}.{name}: MATCH works on VECTOR and FULLTEXT columns only")))
            }
        },
        ColumnRole::Rowid | ColumnRole::Hidden(_) => Err(Error::Value(format!(
            "{table}: MATCH works on VECTOR and FULLTEXT columns and on the column named {table}"
        ))),
    }
}

/// A comparison with TEXT is left out of SQLite's check only if the value is a literal TEXT. What another right side
/// means depends on its affinity, which SQLite does not tell: against an INTEGER column, `'007'` equals 7.
fn user_term(
    schema: &Schema,
    at: usize,
    op: ConstraintOp,
    search: bool,
    in_list: bool,
    binary: &dyn Fn() -> bool,
    text: &dyn Fn() -> bool,
) -> Option<(Term, bool)> {
    match &schema.columns[at].kind {
        ColumnKind::Key(ColumnType::Text) if op == ConstraintOp::Eq && binary() => {
            // Taken whole: the check that SQLite makes value by value forgets the affinity of a subquery.
            Some((if in_list { Term::KeyIn } else { Term::Key }, false))
        }
        ColumnKind::Metadata(ColumnType::Json) if search => match op {
            ConstraintOp::IsNull => Some((Term::Null(at, true), true)),
            ConstraintOp::IsNotNull => Some((Term::Null(at, false), true)),
            ConstraintOp::Function(MATCHES_JSON) => Some((Term::Json(at), true)),
            _ => None,
        },
        ColumnKind::Metadata(kind) if search => match op {
            ConstraintOp::IsNull => Some((Term::Null(at, true), true)),
            ConstraintOp::IsNotNull => Some((Term::Null(at, false), true)),
            // IS and IS NOT treat NULL as a value: SQLite checks them.
            ConstraintOp::Is | ConstraintOp::IsNot => None,
            ConstraintOp::Like if *kind == ColumnType::Text => Some((Term::Pattern(at, false), false)),
            ConstraintOp::Glob if *kind == ColumnType::Text => Some((Term::Pattern(at, true), false)),
            ConstraintOp::Eq if in_list && binary() => Some((Term::In(at), *kind != ColumnType::Text)),
            // SQLite does not reveal the collation of `<>`. What differs in bytes is a superset of what differs otherwise.
            ConstraintOp::Ne => Some((Term::Compare(at, Op::Ne), *kind != ColumnType::Text)),
            _ => {
                let op = comparison(op)?;
                binary().then(|| (Term::Compare(at, op), *kind != ColumnType::Text || text()))
            }
        },
        _ => None,
    }
}

/// What would silently give rows twice, or none: SQLite runs the scan once for each value of a list that it keeps, and
/// a knob that was not given reads back as NULL, which compares with nothing.
fn refuse_misuse(
    schema: &Schema,
    table: &str,
    constraints: &[Constraint],
    op: ConstraintOp,
    hidden: Hidden,
    in_list: bool,
    search: bool,
) -> Result<()> {
    let Some((_, _, name)) = hidden_columns(schema).find(|(_, other, _)| *other == hidden) else {
        return Ok(());
    };
    if in_list && hidden == Hidden::Table {
        return Err(Error::Value(format!(
            "{table}: a search takes one query text; combine several with OR inside the text"
        )));
    }
    if !matches!(hidden, Hidden::K | Hidden::EfSearch | Hidden::Exact) {
        return Ok(());
    }
    if in_list {
        return Err(Error::Value(format!("{table}: {name} takes one value, not a list")));
    }
    let compared = matches!(
        op,
        ConstraintOp::Lt
            | ConstraintOp::Le
            | ConstraintOp::Gt
            | ConstraintOp::Ge
            | ConstraintOp::Ne
            | ConstraintOp::Is
            | ConstraintOp::IsNot
    );
    let given = constraints.iter().any(|c| {
        c.op == ConstraintOp::Eq && ColumnRole::of(schema, c.column) == Some(ColumnRole::Hidden(hidden))
    });
    if compared && search && !given {
        return Err(Error::Value(format!(
            "{table}: {name} takes a value ({name} = ?); it cannot be compared"
        )));
    }
    Ok(())
}

fn refuse_two_vectors(table: &str, used: &[Used]) -> Result<()> {
    let vectors = used.iter().filter(|one| matches!(one.term, Term::Vector(_))).count();
    if vectors > 1 {
        return Err(Error::Value(format!(
            "{table}: a search takes one vector MATCH; to combine several write hybrid_query(near('a', :a), near('b', :b))"
        )));
    }
    Ok(())
}

/// What a scan of rows reads that a MATCH could be about, if it also reads what only a MATCH can tell.
fn reads_of(schema: &Schema, info: &IndexInfo<'_>) -> Option<Reads> {
    let known_to_match = [Hidden::Rank, Hidden::Distance, Hidden::Bm25, Hidden::K];
    if !known_to_match.into_iter().any(|hidden| info.reads(hidden_at(schema, hidden))) {
        return None;
    }
    let vector = schema.vectors().any(|(at, _)| info.reads(at));
    let text =
        info.reads(hidden_at(schema, Hidden::Table)) || schema.full_texts().any(|(at, _)| info.reads(at));
    (vector || text).then_some(Reads { vector, text })
}

/// A plain scan starts from one look-up or range; what it does not use SQLite checks.
fn keep_one_lookup(used: &mut Vec<Used>) {
    let first = |term| used.iter().find(|one| one.term == term).map(|one| one.index);
    let chosen = first(Term::Rowid(Op::Eq)).or(first(Term::Key)).or(first(Term::KeyIn));
    used.retain(|one| match one.term {
        Term::Key | Term::KeyIn | Term::Rowid(Op::Eq) => chosen == Some(one.index),
        Term::Rowid(_) => chosen.is_none(),
        Term::K | Term::Ef | Term::Exact => true,
        _ => false,
    });
}

/// Whether a search for texts has to rank its rows: not if nobody reads a rank or cuts by one, and either another order
/// is asked for or no column of the row is read. (The rowid is none, and every statement reads the column named like the
/// table in which MATCH stands.)
fn see_what_is_read(schema: &Schema, info: &IndexInfo<'_>, plan: &mut QueryPlan) {
    let ranks = [Hidden::Rank, Hidden::Bm25, Hidden::Score, Hidden::VectorRank, Hidden::TextRank];
    let ranked = plan.terms.iter().any(|term| matches!(term, Term::Vector(_) | Term::K))
        || ranks.into_iter().any(|hidden| info.reads(hidden_at(schema, hidden)));
    plan.bare = !ranked && !(0..schema.columns.len()).any(|at| info.reads(at));
    let ordered = info.order_by().next().is_some();
    plan.unranked = !ranked && (plan.bare || ordered);
    plan.lazy = !ranked && !plan.unranked;
    plan.bare &= !ordered;
}

fn consume_order(schema: &Schema, info: &mut IndexInfo<'_>, plan: &mut QueryPlan) {
    let order: Vec<_> = info.order_by().collect();
    let [term] = order[..] else { return };
    if info.distinct() != 0 {
        return;
    }
    let place = ColumnRole::of(schema, term.column);
    let vector = plan.terms.iter().any(|t| matches!(t, Term::Vector(_)));
    let text = plan.terms.iter().any(|t| matches!(t, Term::Text(_)));
    let own = match place {
        Some(ColumnRole::Rowid) if !plan.is_search() || plan.unranked => {
            plan.order = if term.desc { Order::Descending } else { Order::Ascending };
            true
        }
        Some(ColumnRole::Hidden(Hidden::Rank)) => plan.is_search() && !term.desc,
        Some(ColumnRole::Hidden(Hidden::Distance)) => !term.desc && vector && !text,
        // Where a search has no such score it is NULL in every row: any order will do.
        Some(ColumnRole::Hidden(Hidden::Score)) => plan.is_search() && term.desc,
        Some(ColumnRole::Hidden(Hidden::Bm25)) if term.desc && text && !vector => {
            // The text may turn out to be a hybrid query.
            plan.order = Order::Bm25;
            true
        }
        _ => false,
    };
    if own {
        info.set_order_by_consumed();
    }
}

/// A search is cheaper than any look-up: it becomes the outer loop of a join with an ordinary table, and an OR of
/// look-ups beside a MATCH is not run as look-ups, where SQLite could not evaluate the MATCH. A rowid that another
/// table of a join gives must not turn a search into one search per row.
///
/// SQLite runs a scan once for each value of an IN that it keeps (a row value, or the term beyond the 32nd), which looks
/// here like `=`. It also asks for a plan without such terms: that has to cost less, or each value would have its own k
/// and its own ranks. So each equality of a search costs something.
fn set_cost(info: &mut IndexInfo<'_>, plan: &QueryPlan, joined: bool, unique: bool) {
    let has = |wanted: fn(&Term) -> bool| plan.terms.iter().any(wanted);
    let lookup = has(|t| matches!(t, Term::Rowid(Op::Eq) | Term::Key));
    let (cost, rows) = if plan.is_search() {
        if lookup && joined { (5_000.0, 1) } else { (search_cost(plan), 25) }
    } else if lookup {
        if unique {
            info.set_unique();
        }
        (10.0, 1)
    } else if has(|t| *t == Term::KeyIn) {
        (50.0, 5)
    } else if has(|t| matches!(t, Term::Rowid(_))) {
        (50_000.0, 25_000)
    } else {
        (200_000.0, 100_000)
    };
    info.set_cost(cost);
    info.set_rows(rows);
}

/// Whole numbers whose base-2 logarithms differ by a tenth, which is all that SQLite tells apart.
fn search_cost(plan: &QueryPlan) -> f64 {
    let equal = |term: &&Term| matches!(term, Term::Compare(_, Op::Eq) | Term::Rowid(Op::Eq) | Term::Key);
    f64::from(plan.terms.iter().filter(equal).fold(2_u32, |cost, _| cost.saturating_add(1.max(cost / 8))))
}
