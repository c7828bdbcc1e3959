//! `DEFAULT literal` of a column, and the type in front of UNINDEXED.

use super::Parser;
use super::tokens::{Token, is_keyword};
use crate::columns::affinity;
use crate::error::Result;
use crate::schema::ColumnKind;
use crate::value::Value;

impl Parser<'_> {
    /// Takes `DEFAULT literal`, if it comes next.
    pub(super) fn default(&mut self) -> Result<bool> {
        if !self.take("DEFAULT") {
            return Ok(false);
        }
        let mut seen = self.default.is_some();
        self.once(&mut seen, "DEFAULT")?;
        let value = self.literal()?;
        self.default = Some(value);
        Ok(true)
    }

    fn literal(&mut self) -> Result<Value> {
        let minus = self.take_sign('-');
        let signed = minus || self.take_sign('+');
        let shown = self.peek().map_or("nothing".to_owned(), Token::shown);
        let value = match (self.tokens.get(self.at..).unwrap_or_default(), signed) {
            ([Token::Word(x), Token::Text(hex), ..], false) if x.eq_ignore_ascii_case("x") => {
                self.at += 1;
                bytes(hex).map(Value::Blob)
            }
            // The sign of an exponent is a token of its own.
            ([Token::Word(word), Token::Sign(sign @ ('+' | '-')), Token::Word(exponent), ..], _)
                if word.ends_with(['e', 'E']) =>
            {
                self.at += 2;
                number(&format!("{word}{sign}{exponent}"), minus)
            }
            ([Token::Word(word), ..], _) if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                number(word, minus)
            }
            ([word, ..], false) if is_keyword(word, "TRUE") => Some(Value::Integer(1)),
            ([word, ..], false) if is_keyword(word, "FALSE") => Some(Value::Integer(0)),
            ([word, ..], false) if is_keyword(word, "NULL") => Some(Value::Null),
            ([Token::Text(text), ..], false) => Some(Value::Text(text.clone())),
            _ => None,
        };
        self.at += 1;
        match value {
            Some(value) => Ok(value),
            None => self.error(format_args!(
                "a DEFAULT is a number, 'a text', x'00', TRUE, FALSE or NULL, got {shown}"
            )),
        }
    }

    /// The default as a column of this kind stores it.
    pub(super) fn default_of(&mut self, kind: &ColumnKind) -> Result<Option<Value>> {
        let Some(value) = self.default.take().filter(|value| !value.is_null()) else { return Ok(None) };
        let ColumnKind::Metadata(kind) = kind else { return Ok(Some(value)) };
        let shown = crate::schema::literal(&value);
        match affinity::store(*kind, value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => self.error(format_args!("the DEFAULT {shown} is not of type {}", kind.name())),
        }
    }

    /// What stands between the name of a column and UNINDEXED.
    pub(super) fn declared_type(&self) -> Option<String> {
        let words = self.tokens.get(1..)?.iter();
        let words = words
            .take_while(|token| !["UNINDEXED", "NOT", "DEFAULT"].iter().any(|word| is_keyword(token, word)));
        let mut declared = String::new();
        for token in words {
            if matches!(token, Token::Word(_)) && declared.ends_with(|c: char| c.is_alphanumeric()) {
                declared.push(' ');
            }
            declared.push_str(&token.shown());
        }
        (!declared.is_empty()).then_some(declared)
    }
}

fn number(digits: &str, minus: bool) -> Option<Value> {
    let sign = if minus { "-" } else { "" };
    affinity::text_to_number(&format!("{sign}{digits}"))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let pairs = digits?;
    pairs.len().is_multiple_of(2).then(|| pairs.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
