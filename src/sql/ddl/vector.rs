//! The declaration of a VECTOR column, from its dimensions on.

use super::Parser;
use super::foreign::Place;
use super::tokens::Token;
use crate::error::Result;
use crate::schema::{ColumnKind, IndexKind, VectorSpec};
use crate::vector::{Codes, Metric, Store};

pub(super) const METRICS: [Metric; 3] = [Metric::Cosine, Metric::L2, Metric::Ip];

impl Parser<'_> {
    pub(super) fn vector(&mut self) -> Result<(ColumnKind, bool)> {
        let close = if self.take_sign('(') {
            ')'
        } else if self.take_sign('[') {
            ']'
        } else {
            return self.error("a vector needs its number of dimensions, for example VECTOR(384)");
        };
        let dim = self.number("the number of dimensions")?;
        if !self.take_sign(close) {
            return self.unexpected(None, &[&close.to_string()]);
        }
        let mut spec = VectorSpec::new(dim, Metric::default());
        let (mut not_null, mut metric, mut index, mut codes, mut store) = (false, false, false, false, false);
        while self.peek().is_some() {
            if self.not_null(&mut not_null)? {
            } else if self.take("METRIC") {
                self.once(&mut metric, "METRIC")?;
                spec.metric = METRICS[self.choice_at(Some(Place::Metric), &METRICS.map(Metric::name))?];
            } else if self.take("INDEX") {
                self.once(&mut index, "INDEX")?;
                spec.index = self.index()?;
            } else if self.take("CODES") {
                self.once(&mut codes, "CODES")?;
                let all = [Codes::Int8, Codes::None, Codes::Bit];
                spec.codes = all[self.choice_at(Some(Place::Codes), &all.map(Codes::name))?];
            } else if self.take("STORE") {
                self.once(&mut store, "STORE")?;
                let all = [Store::F32, Store::F16];
                spec.store = all[self.choice_at(Some(Place::Store), &["f32", "f16"])?];
            } else {
                return self
                    .unexpected(Some(Place::Vector), &["METRIC", "INDEX", "CODES", "STORE", "NOT NULL"]);
            }
        }
        Ok((ColumnKind::Vector(spec), not_null))
    }

    fn index(&mut self) -> Result<IndexKind> {
        if self.choice_at(Some(Place::Index), &["hnsw", "flat"])? == 1 {
            return Ok(IndexKind::Flat);
        }
        let IndexKind::Hnsw { mut m, mut ef_construction } = IndexKind::default() else {
            return Ok(IndexKind::Flat);
        };
        let (mut seen_m, mut seen_ef) = (false, false);
        if self.take_sign('(') {
            while !self.take_sign(')') {
                let which = self.choice(&["m", "ef_construction"])?;
                if !self.take_sign('=') {
                    return self.unexpected(None, &["="]);
                }
                if which == 0 {
                    self.once(&mut seen_m, "m")?;
                    m = self.number("m")?;
                } else {
                    self.once(&mut seen_ef, "ef_construction")?;
                    ef_construction = self.number("ef_construction")?;
                }
                if !self.take_sign(',') && self.peek() != Some(&Token::Sign(')')) {
                    return self.unexpected(None, &[",", ")"]);
                }
            }
        }
        Ok(IndexKind::Hnsw { m, ef_construction })
    }
}
