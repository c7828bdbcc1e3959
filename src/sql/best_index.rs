//! Answers SQLite's planner: which constraints a scan takes, in which order its rows come, what it costs.

use super::callers::Reads;
use super::columns::{ColumnRole, Hidden, hidden_at};
use super::module::{Constraint, ConstraintOp, IndexInfo, Verdict};
use super::plan::{Order, QueryPlan, Term};
use super::question::{MAX_OMITTED, Question, is_match};
use super::table_state::TableState;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::value::{Op, Value};

/// From this term on SQLite does not distinguish an IN from `=`.
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
    let search = constraints.iter().any(|constraint| is_match(schema, constraint));
    let mut used: Vec<Used> = Vec::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let question = Question::new(&shared.collection, info, search, index, constraint);
        if !constraint.usable {
            if question.is_needed() {
                return Ok(Verdict::Unusable);
            }
            continue;
        }
        question.refuse_misuse(&constraints)?;
        if let Some((term, omit)) = question.term()? {
            used.push(Used { index, term, omit });
        }
    }
    refuse_two_vectors(table, &used)?;
    in_order_of_statement(&constraints, &mut used);
    if !search {
        // It could be a list, which SQLite would then check value by value, see [`Question::term`].
        used.retain(|one| one.term != Term::Key || one.index < MAX_LISTS);
        keep_one_lookup(&mut used);
    }
    let mut plan = QueryPlan::default();
    for (position, one) in used.iter().enumerate() {
        plan.terms.push(one.term);
        info.set_arg(one.index, position);
        // SQLite keeps a promise by its position, in 16 bits.
        if one.omit && position < MAX_OMITTED {
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
    set_cost(schema, info, &plan, joined, unique);
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

/// Puts the texts into the order of the statement, in which the first one ranks. SQLite goes through the terms of a WHERE
/// from the last to the first and appends each MATCH that it meets: they come last and reversed. `docs = 'words'` stands
/// where it was written, in front of them.
fn in_order_of_statement(constraints: &[Constraint], used: &mut [Used]) {
    let texts: Vec<usize> = (0..used.len())
        .filter(|&at| {
            matches!(used[at].term, Term::Text(_)) && constraints[used[at].index].op == ConstraintOp::Match
        })
        .collect();
    for nth in 0..texts.len() / 2 {
        used.swap(texts[nth], texts[texts.len() - 1 - nth]);
    }
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

/// What a scan of rows reads that a MATCH could be about, if it also reads what only a MATCH can tell: a column of a search,
/// or the column named like the table, which functions of a row take.
fn reads_of(schema: &Schema, info: &IndexInfo<'_>) -> Option<Reads> {
    let known_to_search = [
        Hidden::Rank,
        Hidden::Distance,
        Hidden::Bm25,
        Hidden::Score,
        Hidden::VectorRank,
        Hidden::TextRank,
        Hidden::K,
        Hidden::Explain,
    ];
    let row = info.reads(hidden_at(schema, Hidden::Table));
    if !row && !known_to_search.into_iter().any(|hidden| info.reads(hidden_at(schema, hidden))) {
        return None;
    }
    let vector = schema.vectors().any(|(at, _)| info.reads(at));
    let text = row || schema.full_texts().any(|(at, _)| info.reads(at));
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
        Some(ColumnRole::Hidden(Hidden::Score)) if plan.is_search() && term.desc => {
            plan.order = Order::Score;
            true
        }
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

/// A search costs more than going through the rows that it gives, so that it becomes the outer loop of a join with an
/// ordinary table and is not run once for each row of it. A rowid that another table of a join gives must not turn a
/// search into one search per row either.
///
/// Beside a MATCH an OR of look-ups must not be run as look-ups, for whose rows the MATCH would be called as a function.
/// SQLite asks for plans of each side of an OR (older versions without showing the MATCH, newer ones run the side without
/// it), takes the least cost and the fewest rows of each, and adds the sides up. It drops the OR if the search neither
/// costs nor gives more. So every plan of a side costs more than half as much as a search and gives as many rows: even
/// where the search waits for a query from another table, going through that table for each of these rows costs more.
///
/// SQLite runs a scan once for each value of an IN that it keeps (a row value, or the term beyond the 32nd), which looks
/// here like `=`. It also asks for a plan without such terms: that has to cost less, or each value would have its own k
/// and its own ranks. So each equality of a search costs something.
fn set_cost(schema: &Schema, info: &mut IndexInfo<'_>, plan: &QueryPlan, joined: bool, unique: bool) {
    const FOUND: i64 = 25;
    let side = plan.is_search() || may_match(schema, info);
    let (least_cost, least) = if side { (SEARCH_COST / 2 + 1, FOUND) } else { (10, 1) };
    let has = |wanted: fn(&Term) -> bool| plan.terms.iter().any(wanted);
    let lookup = has(|t| matches!(t, Term::Rowid(Op::Eq) | Term::Key));
    let (cost, rows) = if plan.is_search() {
        if lookup && joined { (5_000.0, least) } else { (search_cost(plan), FOUND) }
    } else if lookup {
        if unique {
            info.set_unique();
        }
        (f64::from(least_cost), least)
    } else if has(|t| *t == Term::KeyIn) {
        (50.0, least.max(5))
    } else if has(|t| matches!(t, Term::Rowid(_))) {
        (50_000.0, 25_000)
    } else {
        (200_000.0, 100_000)
    };
    info.set_cost(cost);
    info.set_rows(rows);
}

/// Whether a MATCH may stand in the statement: it reads a column that one could be about.
fn may_match(schema: &Schema, info: &IndexInfo<'_>) -> bool {
    info.reads(hidden_at(schema, Hidden::Table))
        || schema.vectors().any(|(at, _)| info.reads(at))
        || schema.full_texts().any(|(at, _)| info.reads(at))
}

/// The cost of a search without equalities: more than three times the rows that it is said to give, which is what SQLite
/// takes a scan of as many rows of an ordinary table to cost.
const SEARCH_COST: u32 = 90;

/// Whole numbers whose base-2 logarithms differ by a tenth, which is all that SQLite tells apart.
fn search_cost(plan: &QueryPlan) -> f64 {
    let equal = |term: &&Term| matches!(term, Term::Compare(_, Op::Eq) | Term::Rowid(Op::Eq) | Term::Key);
    f64::from(
        plan.terms.iter().filter(equal).fold(SEARCH_COST, |cost, _| cost.saturating_add(1.max(cost / 8))),
    )
}
