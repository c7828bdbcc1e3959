//! A scan over a collection: a search, or rows in order of rowid.

use super::auxiliary::{RowHandle, remember};
use super::callers::Calls;
use super::columns::{ColumnRole, Hidden};
use super::filter_terms;
use super::module::{Args, Output, VirtualCursor};
use super::plan::{Order, QueryPlan, Term};
use super::request;
use super::row_match::{Origin, RowMatch, no_search, remember_vector};
use super::row_scan::{EMPTY, RowScan, narrow};
use super::search_options::SearchOptions;
use super::search_scan::SearchScan;
use super::table_state::{OpenCursor, TableState};
use crate::collection::KeyTest;
use crate::error::Result;
use crate::storage::VectorBytes;
use crate::storage::decode_vector;
use crate::value::{Op, Value};
use crate::vector::Store;
use std::rc::Rc;
use std::sync::Arc;

/// A cursor of a [`super::table::Table`].
pub struct TableCursor {
    shared: Arc<TableState>,
    positions: Vec<Option<usize>>,
    scan: Scan,
    options: SearchOptions,
    row_match: Arc<RowMatch>,
    _open: OpenCursor,
}

enum Scan {
    Done,
    Search(Box<SearchScan>),
    Rows(RowScan),
}

impl TableCursor {
    /// A cursor that has no rows yet.
    pub fn new(shared: Arc<TableState>) -> Self {
        let positions = shared.collection.schema.stored_positions().collect();
        let open = shared.open_cursor();
        Self {
            shared,
            positions,
            scan: Scan::Done,
            options: SearchOptions::default(),
            row_match: Arc::default(),
            _open: open,
        }
    }

    fn start_search(&mut self, plan: &QueryPlan, calls: Calls, args: &Args<'_>) -> Result<()> {
        if let Some((request, asked)) = request::build(&self.shared, plan, args, &mut self.options)?
            && let Some(scan) = SearchScan::start(&self.shared, plan, calls, request, asked)?
        {
            self.scan = Scan::Search(Box::new(scan));
        }
        Ok(())
    }

    fn start_rows(&mut self, plan: &QueryPlan, args: &Args<'_>) -> Result<()> {
        let mut range = (i64::MIN, i64::MAX);
        let mut rest = Vec::new();
        for (position, term) in plan.terms.iter().enumerate() {
            let value = Value::from(args.value(position));
            match term {
                Term::Rowid(op) => narrow(&mut range, *op, &value),
                // A number may be equal to several keys, by an affinity that only SQLite knows: it checks each row.
                Term::Key if matches!(value, Value::Integer(_) | Value::Real(_)) => {}
                Term::Key => {
                    let found = self.shared.collection.storage.rowid_of_key(self.shared.conn(), &value)?;
                    let rowid = Value::from(found);
                    narrow(&mut range, Op::Eq, &rowid);
                }
                Term::KeyIn => {
                    if let Some(keys) = filter_terms::keys_of(args.in_values(position)?) {
                        rest = self.shared.on().resolve_keys(KeyTest::Among(&keys))?;
                        range = EMPTY;
                    }
                }
                Term::K => match self.options.read(&self.shared, *term, &value)? {
                    None => return Ok(()),
                    Some(_) => return Err(no_search(&self.shared)),
                },
                Term::Ef | Term::Exact => {
                    self.options.read(&self.shared, *term, &value)?;
                }
                _ => {}
            }
        }
        let mut scan = RowScan::new(range, plan.order == Order::Descending, rest);
        if scan.fetch(&self.shared)? {
            self.scan = Scan::Rows(scan);
        }
        Ok(())
    }

    fn user_column(&self, out: &mut Output<'_>, at: usize) -> Result<()> {
        if let Scan::Search(scan) = &self.scan
            && let Some((_, value)) = scan.query.fixed.iter().find(|(column, _)| *column == at)
        {
            out.set_value(value);
            return Ok(());
        }
        match self.positions.get(at).copied().flatten() {
            Some(position) => self.stored_column(out, at, position),
            None => self.vector_column(out, at),
        }
    }

    fn origin(&self) -> Origin {
        Origin::of(&self.shared, &self.row_match)
    }

    /// The value at a position of the stored row.
    fn stored_column(&self, out: &mut Output<'_>, at: usize, position: usize) -> Result<()> {
        let value = match &self.scan {
            Scan::Search(scan) => scan.looked_at(&self.shared)?.value(&self.shared, position)?,
            Scan::Rows(scan) => scan.value(position),
            Scan::Done => None,
        };
        let value = value.unwrap_or(&Value::Null);
        out.set_value(value);
        if self.shared.match_called.get()
            && let Value::Text(text) = value
            && let Some(field) = self.shared.collection.schema.full_text_nth(at)
        {
            remember(self.origin(), self.rowid()?, field, text);
        }
        Ok(())
    }

    /// The vector of a VECTOR column; nothing for an INTEGER key, which has neither.
    fn vector_column(&self, out: &mut Output<'_>, at: usize) -> Result<()> {
        let mut vectors = self.shared.collection.schema.vectors().enumerate();
        let Some((nth, (_, spec))) = vectors.find(|(_, (column, _))| *column == at) else { return Ok(()) };
        let nth_of = |vectors: &VectorBytes| vectors.get(nth).cloned().flatten();
        let stored = match &self.scan {
            Scan::Search(scan) => nth_of(scan.looked_at(&self.shared)?.vectors(&self.shared)?),
            Scan::Rows(scan) => scan.vectors(&self.shared)?.and_then(|vectors| nth_of(&vectors)),
            Scan::Done => return Ok(()),
        };
        let floats = match stored {
            Some(bytes) if spec.store != Store::F32 => {
                let mut floats = vec![0.0; spec.dim];
                decode_vector(spec, &bytes, &mut floats, self.shared.collection.storage.name("vectors"))?;
                Some(floats.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
            stored => stored,
        };
        if let Some(bytes) = &floats {
            out.set_blob(bytes);
        }
        if self.shared.match_called.get() {
            remember_vector(self.origin(), at, floats.as_deref());
        }
        Ok(())
    }

    fn hidden_column(&self, out: &mut Output<'_>, hidden: Hidden) -> Result<()> {
        let option = |out: &mut Output<'_>, value: &Option<Value>| {
            if let Some(value) = value {
                out.set_value(value);
            }
        };
        match hidden {
            Hidden::EfSearch => option(out, &self.options.ef_search),
            Hidden::Exact => option(out, &self.options.exact),
            _ => match &self.scan {
                Scan::Search(scan) => self.found_column(out, scan.looked_at(&self.shared)?, hidden),
                Scan::Rows(scan) => return self.row_column(out, scan, hidden),
                Scan::Done => {}
            },
        }
        Ok(())
    }

    /// A hidden column of a scan of rows.
    fn row_column(&self, out: &mut Output<'_>, scan: &RowScan, hidden: Hidden) -> Result<()> {
        let name = |word| self.shared.collection.schema.hidden(word);
        let known = match hidden {
            Hidden::Table => {
                if let Some(row) = scan.rows.get(scan.at) {
                    let (shared, row_match) = (Arc::clone(&self.shared), Arc::clone(&self.row_match));
                    let asked = Rc::new(request::Asked::default());
                    let (rowid, found) = (row.rowid, None);
                    let handle = RowHandle { shared, rowid, bm25: None, found, text: None, asked, row_match };
                    out.set_pointer(handle, RowHandle::NAME);
                }
                return Ok(());
            }
            Hidden::Distance => self.row_match.distance(&self.shared)?,
            Hidden::Rank => self.row_match.rank(&self.shared)?,
            Hidden::Bm25 => return self.row_match.refuse_bm25(&self.shared, &name("bm25")),
            Hidden::Score => return self.row_match.refuse(&self.shared, &name("score")),
            Hidden::VectorRank => return self.row_match.refuse(&self.shared, &name("vector_rank")),
            Hidden::TextRank => return self.row_match.refuse(&self.shared, &name("text_rank")),
            Hidden::Explain => return self.row_match.refuse(&self.shared, &name("explain")),
            Hidden::K => return self.row_match.k(&self.shared),
            Hidden::EfSearch | Hidden::Exact => None,
        };
        if let Some(known) = known {
            out.set_real(known);
        }
        Ok(())
    }

    /// A hidden column of a row that a search found.
    fn found_column(&self, out: &mut Output<'_>, scan: &SearchScan, hidden: Hidden) {
        let real = |out: &mut Output<'_>, value: Option<f64>| {
            if let Some(value) = value {
                out.set_real(value);
            }
        };
        let integer = |out: &mut Output<'_>, value: Option<i64>| {
            if let Some(value) = value {
                out.set_integer(value);
            }
        };
        match hidden {
            Hidden::K => {
                if let Some(k) = &self.options.k {
                    out.set_value(k);
                }
            }
            Hidden::Table => {
                let handle = RowHandle {
                    shared: Arc::clone(&self.shared),
                    found: Some((scan.hit.clone(), Rc::clone(&scan.legs))),
                    rowid: scan.hit.rowid,
                    bm25: scan.hit.bm25,
                    text: scan.search.text_query().cloned(),
                    asked: Rc::clone(&scan.query),
                    row_match: Arc::clone(&self.row_match),
                };
                out.set_pointer(handle, RowHandle::NAME);
            }
            Hidden::Rank => out.set_real(scan.hit.rank()),
            Hidden::Distance => real(out, scan.hit.distance),
            Hidden::Bm25 => real(out, scan.hit.bm25.map(f64::from)),
            Hidden::Score => real(out, scan.hit.score.map(f64::from)),
            Hidden::VectorRank => integer(out, scan.hit.vector_rank.map(i64::from)),
            Hidden::TextRank => integer(out, scan.hit.text_rank.map(i64::from)),
            Hidden::Explain => out.set_text(&scan.search.trace().json()),
            Hidden::EfSearch | Hidden::Exact => {}
        }
    }
}

impl VirtualCursor for TableCursor {
    fn filter(&mut self, idx_num: i32, idx_str: &str, args: &Args<'_>) -> Result<()> {
        self.scan = Scan::Done;
        self.options = SearchOptions::default();
        let (calls, reads) = self.shared.callers.calls(idx_num);
        let plan = QueryPlan::read(idx_str)?;
        if plan.is_search() {
            self.row_match.start(Default::default());
            self.start_search(&plan, calls, args)
        } else {
            self.row_match.start((calls, reads));
            self.start_rows(&plan, args)
        }
    }

    fn next(&mut self) -> Result<()> {
        self.row_match.next_row();
        let more = match &mut self.scan {
            Scan::Done => false,
            Scan::Rows(scan) => scan.next(&self.shared)?,
            Scan::Search(scan) => scan.next(&self.shared)?,
        };
        if !more {
            self.scan = Scan::Done;
        }
        Ok(())
    }

    fn eof(&self) -> bool {
        matches!(self.scan, Scan::Done)
    }

    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        if out.nochange() {
            return Ok(());
        }
        match self.shared.role(index) {
            Some(ColumnRole::User(at)) => self.user_column(out, at),
            Some(ColumnRole::Rowid) => {
                out.set_integer(self.rowid()?);
                Ok(())
            }
            Some(ColumnRole::Hidden(hidden)) => self.hidden_column(out, hidden),
            None => Ok(()),
        }
    }

    fn rowid(&self) -> Result<i64> {
        Ok(match &self.scan {
            Scan::Search(scan) => scan.looked_at(&self.shared)?.hit.rowid,
            Scan::Rows(scan) => scan.rows.get(scan.at).map_or(0, |row| row.rowid),
            Scan::Done => 0,
        })
    }
}
