//! `nearlite_tokens(table, column, text)`: what a text becomes in a column. `nearlite_terms(table, column [, prefix])`: the terms
//! of a column, in order.

use super::info::{self, take_arguments};
use super::module::{Args, Host, IndexInfo, Output, Verdict, VirtualCursor, VirtualTable};
use crate::collection::{OpenCollection, TextView};
use crate::error::{Error, Result};
use crate::text::{Interrupt, Term, TextConfig, Token};
use crate::value::Value;
use std::sync::Arc;

/// Terms that are read at once.
const STEP: usize = 1024;

/// The table-valued function `nearlite_tokens`.
pub struct Tokens {
    host: Host,
}

/// Its rows.
pub struct TokensCursor {
    host: Host,
    tokens: Vec<Token>,
    at: usize,
}

/// Runs `work` on the collection and the FULLTEXT column that the first two arguments name.
fn on_column<T>(
    host: &Host,
    args: &Args<'_>,
    function: &str,
    work: impl FnOnce(&OpenCollection, usize) -> Result<T>,
) -> Result<T> {
    let text = |at| Value::from(args.value(at)).as_text().map(str::to_owned);
    let (Some(table), Some(column)) = (text(0), text(1)) else {
        return Err(Error::Value(format!("{function} takes the name of a table and of a FULLTEXT column")));
    };
    info::on(host.connection(), &table, |collection| {
        let schema = &collection.schema;
        match schema.find(&column).and_then(|(at, _)| schema.full_text_nth(at)) {
            Some(field) => work(collection, field),
            None => {
                let known: Vec<_> =
                    schema.full_texts().map(|(at, _)| schema.columns[at].name.as_str()).collect();
                let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
                Err(Error::Unknown(format!(
                    "{table} has no FULLTEXT column '{column}'; FULLTEXT columns: {known}"
                )))
            }
        }
    })
}

impl VirtualTable for Tokens {
    type Cursor = TokensCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;

    fn connect(host: Host, _: &[&str], _: bool) -> Result<(Self, String)> {
        host.config_innocuous()?;
        let declaration = "CREATE TABLE x(token TEXT, position INTEGER, start INTEGER, \"end\" INTEGER, \"table\" HIDDEN, \"column\" HIDDEN, text HIDDEN)";
        Ok((Self { host }, declaration.into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        info.set_cost(1_000.0);
        info.set_rows(100);
        Ok(take_arguments(info, 4, 3, 3))
    }

    fn open(&self) -> Result<TokensCursor> {
        Ok(TokensCursor { host: self.host.clone(), tokens: Vec::new(), at: 0 })
    }
}

impl VirtualCursor for TokensCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        self.at = 0;
        self.tokens.clear();
        self.tokens =
            on_column(&self.host, args, "nearlite_tokens", |collection, field| {
                match Value::from(args.value(2)) {
                    Value::Null => Ok(Vec::new()),
                    Value::Text(text) => TextConfig::of(&collection.schema).tokens(field, &text),
                    other => {
                        let kind = other.type_name();
                        Err(Error::Value(format!("nearlite_tokens: the text must be TEXT, got {kind}")))
                    }
                }
            })?;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        let Some(token) = self.tokens.get(self.at) else { return Ok(()) };
        let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        match index {
            0 => out.set_value(&Value::Text(token.text.clone())),
            1 => out.set_value(&number(token.position)),
            2 => out.set_value(&number(token.start)),
            3 => out.set_value(&number(token.end)),
            _ => {}
        }
        Ok(())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.at as i64 + 1)
    }
}

/// The table-valued function `nearlite_terms`.
pub struct Terms {
    host: Host,
}

/// Its rows, read as they are taken.
pub struct TermsCursor {
    host: Host,
    source: Option<(Arc<TextView>, usize, String)>,
    terms: Vec<Term>,
    at: usize,
    before: i64,
}

impl VirtualTable for Terms {
    type Cursor = TermsCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;

    fn connect(host: Host, _: &[&str], _: bool) -> Result<(Self, String)> {
        host.config_innocuous()?;
        let declaration =
            "CREATE TABLE x(term TEXT, rows INTEGER, \"table\" HIDDEN, \"column\" HIDDEN, prefix HIDDEN)";
        Ok((Self { host }, declaration.into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        info.set_cost(100_000.0);
        info.set_rows(10_000);
        let by_term = info.order_by().all(|order| order.column == 0 && !order.desc);
        if by_term && info.order_by().count() == 1 {
            info.set_order_by_consumed();
        }
        Ok(take_arguments(info, 2, 2, 3))
    }

    fn open(&self) -> Result<TermsCursor> {
        Ok(TermsCursor { host: self.host.clone(), source: None, terms: Vec::new(), at: 0, before: 0 })
    }
}

impl TermsCursor {
    fn fill(&mut self) -> Result<()> {
        let Some((text, field, prefix)) = &self.source else { return Ok(()) };
        let asked = || self.host.interrupted();
        let after = self.terms.last().map(|last| last.term.as_str());
        let next = text.searcher.terms(*field, prefix, after, STEP, &Interrupt::new(&asked))?;
        self.before += self.terms.len() as i64;
        (self.terms, self.at) = (next, 0);
        Ok(())
    }
}

impl VirtualCursor for TermsCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        (self.source, self.terms, self.at, self.before) = (None, Vec::new(), 0, 0);
        let prefix = if args.len() > 2 { Value::from(args.value(2)) } else { Value::Null };
        let conn = self.host.connection();
        self.source = on_column(&self.host, args, "nearlite_terms", |collection, field| {
            let prefix = match prefix {
                Value::Null => String::new(),
                Value::Text(prefix) => TextConfig::of(&collection.schema).beginning(field, &prefix)?,
                other => {
                    let kind = other.type_name();
                    return Err(Error::Value(format!("nearlite_terms: the prefix must be TEXT, got {kind}")));
                }
            };
            let pinned = collection.pin(conn)?;
            let text = Arc::clone(pinned.snapshot(collection.on(conn)).text()?);
            Ok(Some((text, field, prefix)))
        })?;
        self.fill()
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        // A batch that is not full was the last one.
        if self.at == self.terms.len() && self.at == STEP {
            self.fill()?;
        }
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.terms.len()
    }

    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        let Some(term) = self.terms.get(self.at) else { return Ok(()) };
        match index {
            0 => out.set_value(&Value::Text(term.term.clone())),
            1 => out.set_value(&Value::Integer(i64::try_from(term.rows).unwrap_or(i64::MAX))),
            _ => {}
        }
        Ok(())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.before + self.at as i64 + 1)
    }
}
