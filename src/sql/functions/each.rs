//! `vec_each(v)`: a table of the elements of a vector; the rowid is the index.

use super::vector::{Vector, bits};
use crate::error::Result;
use crate::sql::module::{Args, ConstraintOp, Host, IndexInfo, Output, Verdict, VirtualCursor, VirtualTable};
use crate::value::Value;

pub(super) struct Each;

/// Column of the argument.
const VECTOR: i32 = 1;

impl VirtualTable for Each {
    type Cursor = EachCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;

    fn connect(host: Host, _: &[&str], _: bool) -> Result<(Self, String)> {
        host.config_innocuous()?;
        Ok((Self, "CREATE TABLE x(value, vector HIDDEN)".into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        let argument = info
            .constraints()
            .position(|term| term.column == VECTOR && term.op == ConstraintOp::Eq && term.usable);
        let Some(argument) = argument else { return Ok(Verdict::Unusable) };
        info.set_arg(argument, 0);
        info.set_omit(argument);
        info.set_cost(500.0);
        info.set_rows(500);
        Ok(Verdict::Plan)
    }

    fn open(&self) -> Result<EachCursor> {
        Ok(EachCursor { elements: Vec::new(), at: 0 })
    }
}

pub(super) struct EachCursor {
    elements: Vec<Value>,
    at: usize,
}

impl VirtualCursor for EachCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        self.at = 0;
        self.elements = match Vector::get(args, 0, "vec_each")? {
            Vector::F32(vector) => vector.iter().map(|element| Value::from(*element)).collect(),
            Vector::Int8(vector) => vector.iter().map(|element| Value::from(*element)).collect(),
            Vector::Bit(bytes) => bits(bytes).map(Value::from).collect(),
        };
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.elements.len()
    }

    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        if let Some(element) = self.elements.get(self.at).filter(|_| index == 0) {
            out.set_value(element);
        }
        Ok(())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.at as i64)
    }
}
