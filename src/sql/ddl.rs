//! The arguments of `CREATE VIRTUAL TABLE t USING nearlite(...)`: text to [`Schema`] ([`parse`]) and back ([`write`]).
//!
//! ```text
//! argument := column | option                        keywords in any case; comments and blanks between tokens
//! column   := name (scalar | json | text | vector | stored)
//! scalar   := (TEXT | INTEGER | INT | REAL | DOUBLE | FLOAT | BOOLEAN | BOOL) { PRIMARY KEY | NOT NULL | DEFAULT literal }
//! json     := JSON { NOT NULL | DEFAULT literal }
//! text     := [TEXT] FULLTEXT { WEIGHT number | TOKENIZER string | NOT NULL }
//! vector   := (VECTOR '(' dim ')' | VECTOR '[' dim ']' | FLOAT '[' dim ']')
//!             { METRIC (cosine | l2 | ip) | INDEX (flat | hnsw ['(' {(m | ef_construction) '=' int} ')'])
//!             | CODES (int8 | none | bit) | STORE (f32 | f16) | NOT NULL }
//! stored   := [any type] UNINDEXED { NOT NULL | DEFAULT literal }
//! option   := (tokenizer | model | hidden_prefix | stop_words | syntax | operator | minimum_match | prefix_last | fuzzy)
//!             '=' (string | name | number)
//! literal  := [+ | -] number | string | blob | TRUE | FALSE | NULL
//! name     := word | "quoted" | `quoted` | [quoted]
//! ```
//! The words after a type come in any order, each at most once. A column always says what it is: a bare name is an
//! error, because a forgotten type would otherwise decide silently what can be searched and filtered.

mod default;
mod foreign;
mod options;
mod spelling;
mod tokens;
mod vector;
mod write;

use self::foreign::{Place, advice, is_constraint};
use self::spelling::nearest;
use self::tokens::{Token, is_keyword, tokenize};
use self::vector::METRICS;
pub(crate) use self::write::{write, write_column, write_options};
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, ColumnType, Schema};
use crate::value::Value;

const TYPES: [&str; 10] =
    ["TEXT", "INTEGER", "INT", "REAL", "DOUBLE", "FLOAT", "BOOLEAN", "BOOL", "JSON", "VECTOR(n)"];

/// Parses the declared arguments of the table called `table` and validates the result.
pub(crate) fn parse(table: &str, declared: &[&str]) -> Result<Schema> {
    let mut schema = Schema::new();
    for text in declared {
        let tokens = tokenize(text).map_err(|why| Error::Schema(format!("{table}: {why} in: {text}")))?;
        let mut parser = Parser::new(table, &tokens);
        match tokens.as_slice() {
            [] => {}
            [Token::Word(name), Token::Sign('='), ..] => parser.option(name, &mut schema)?,
            _ => {
                let column = parser.column()?;
                schema.columns.push(column);
            }
        }
    }
    schema.validate(table)?;
    Ok(schema)
}

/// Parses one column that is declared alone, which still has to be validated.
pub(crate) fn parse_column(table: &str, declared: &str) -> Result<Column> {
    let tokens = tokenize(declared).map_err(|why| Error::Schema(format!("{table}: {why} in: {declared}")))?;
    if let [Token::Word(name), Token::Sign('='), ..] = tokens.as_slice() {
        return Err(Error::Schema(format!("{table}: {name} is an option, and only columns can be added")));
    }
    Parser::new(table, &tokens).column()
}

struct Parser<'a> {
    table: &'a str,
    column: Option<String>,
    tokens: &'a [Token],
    at: usize,
    /// The DEFAULT of the column.
    default: Option<Value>,
}

impl<'a> Parser<'a> {
    fn new(table: &'a str, tokens: &'a [Token]) -> Self {
        Self { table, column: None, tokens, at: 0, default: None }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes the next token if it is the bare word `word` in any case.
    fn take(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    /// The place, for errors: `table.column` or `table`.
    fn place(&self) -> String {
        match &self.column {
            Some(column) => format!("{}.{column}", self.table),
            None => self.table.to_owned(),
        }
    }

    fn error<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        Err(Error::Schema(format!("{}: {what}", self.place())))
    }

    /// "X is not understood here", with what would be and the word of it that is probably meant.
    fn unexpected<T>(&self, place: Option<Place>, allowed: &[&str]) -> Result<T> {
        let allowed_text = allowed.join(", ");
        let Some(token) = self.peek() else {
            return self
                .error(format_args!("the declaration ends too early; expected one of: {allowed_text}"));
        };
        let shown = token.shown();
        let previous = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let hint = match (place.and_then(|place| self.advice(place, &shown)), token, previous) {
            (Some(advice), ..) => format!(" ({advice})"),
            (None, Token::Sign('='), Some(Token::Word(word))) => format!(" (write {word} without =)"),
            _ => nearest(&shown, allowed).map_or(String::new(), |word| format!(" (did you mean {word}?)")),
        };
        self.error(format_args!("{shown} is not understood here{hint}; expected one of: {allowed_text}"))
    }

    /// What to write instead of the next token, `word`, which other databases have at this place.
    fn advice(&self, place: Place, word: &str) -> Option<String> {
        let following = &self.tokens[self.at + 1..];
        if let (Place::Vector, [Token::Sign('='), Token::Word(value), ..]) = (place, following)
            && advice(place, word, None).is_some()
        {
            // Of `distance_metric=L2` the value says what is meant.
            let metric = METRICS.iter().find(|metric| value.eq_ignore_ascii_case(metric.name()));
            let named = metric.map(|metric| format!("write METRIC {}", metric.name()));
            if let Some(advice) = named.or_else(|| advice(Place::Metric, value, None)) {
                return Some(advice);
            }
        }
        let brackets = match following {
            [Token::Sign('[' | '('), Token::Word(inside), ..] => Some(inside.as_str()),
            [Token::Sign('['), ..] => Some("n"),
            _ => None,
        };
        advice(place, word, brackets)
    }

    /// One word out of `words`, by its position.
    fn choice(&mut self, words: &[&str]) -> Result<usize> {
        self.choice_at(None, words)
    }

    fn choice_at(&mut self, place: Option<Place>, words: &[&str]) -> Result<usize> {
        match words.iter().position(|word| self.take(word)) {
            Some(at) => Ok(at),
            None => self.unexpected(place, words),
        }
    }

    fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T> {
        let minus = if self.take_sign('-') { "-" } else { "" };
        let shown = self.peek().map_or("nothing".to_owned(), Token::shown);
        let parsed = match self.peek() {
            Some(Token::Word(word)) => format!("{minus}{word}").parse().ok(),
            _ => None,
        };
        self.at += 1;
        match parsed {
            Some(number) => Ok(number),
            None => self.error(format_args!("{what} must be a number in range, got {minus}{shown}")),
        }
    }

    fn column(&mut self) -> Result<Column> {
        match self.tokens {
            [Token::Sign('+'), Token::Word(name) | Token::Quoted(name), ..] => {
                return self.error(format_args!("write {name} UNINDEXED instead of +{name}"));
            }
            [first, second, ..] if is_constraint(first, second) => {
                return self.error(format_args!(
                    "{} cannot stand alone; a key is declared after the type of its column: id TEXT PRIMARY KEY",
                    first.shown()
                ));
            }
            _ => {}
        }
        let name = match self.peek() {
            Some(Token::Word(name) | Token::Quoted(name)) => name.clone(),
            other => {
                let shown = other.map_or(String::new(), Token::shown);
                return self.error(format_args!("{shown} cannot start a column; expected its name"));
            }
        };
        self.at = 1;
        self.column = Some(name.clone());
        let (kind, not_null) = self.kind()?;
        let declared = (kind == ColumnKind::Unindexed).then(|| self.declared_type()).flatten();
        let default = self.default_of(&kind)?;
        Ok(Column { name, kind, not_null, default, declared })
    }

    fn kind(&mut self) -> Result<(ColumnKind, bool)> {
        if self.peek().is_none() {
            return self.error(format_args!(
                "the column needs a type; expected one of: {}, FULLTEXT, UNINDEXED",
                TYPES.join(", ")
            ));
        }
        if self.take("FULLTEXT") {
            return self.full_text();
        }
        if self.take("UNINDEXED") {
            return self.stored();
        }
        if self.take("VECTOR") {
            return self.vector();
        }
        if self.take("FLOAT") {
            return match self.peek() {
                Some(Token::Sign('[')) => self.vector(),
                Some(Token::Sign('(')) => {
                    self.error("write VECTOR(n) or FLOAT[n] for a vector, REAL for a number")
                }
                _ => self.scalar(ColumnType::Real),
            };
        }
        for (word, kind) in [
            ("TEXT", ColumnType::Text),
            ("INTEGER", ColumnType::Integer),
            ("INT", ColumnType::Integer),
            ("REAL", ColumnType::Real),
            ("DOUBLE", ColumnType::Real),
            ("BOOLEAN", ColumnType::Boolean),
            ("BOOL", ColumnType::Boolean),
            ("JSON", ColumnType::Json),
        ] {
            if self.take(word) {
                return self.scalar(kind);
            }
        }
        // A column that is only stored may have any type in front of UNINDEXED: BLOB, VARCHAR(20).
        let end = match &self.tokens[self.at..] {
            [Token::Word(_), next, ..] if is_keyword(next, "UNINDEXED") => Some(self.at + 1),
            [Token::Word(_), Token::Sign('('), ..] => {
                let close = self.tokens.iter().position(|token| *token == Token::Sign(')'));
                close.map(|close| close + 1)
            }
            _ => None,
        };
        if let Some(end) = end.filter(|&end| self.tokens.get(end).is_some_and(|t| is_keyword(t, "UNINDEXED")))
        {
            self.at = end + 1;
            return self.stored();
        }
        if matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("BLOB")) {
            return self.error(
                "a BLOB can be stored but not filtered; write BLOB UNINDEXED, or VECTOR(n) for a vector",
            );
        }
        self.unexpected(Some(Place::Type), &[&TYPES[..], &["FULLTEXT", "UNINDEXED"]].concat())
    }

    fn not_null(&mut self, not_null: &mut bool) -> Result<bool> {
        if !self.take("NOT") {
            return Ok(false);
        }
        self.choice(&["NULL"])?;
        self.once(not_null, "NOT NULL")?;
        Ok(true)
    }

    /// Notes that a word was seen, unless it was before.
    fn once(&self, seen: &mut bool, word: &str) -> Result<()> {
        if std::mem::replace(seen, true) {
            return self.error(format_args!("{word} is given twice"));
        }
        Ok(())
    }

    fn scalar(&mut self, kind: ColumnType) -> Result<(ColumnKind, bool)> {
        let (mut not_null, mut key) = (false, false);
        while self.peek().is_some() {
            if self.not_null(&mut not_null)? || !key && self.default()? {
            } else if self.take("PRIMARY") {
                self.choice(&["KEY"])?;
                self.once(&mut key, "PRIMARY KEY")?;
            } else if !key && self.peek().is_some_and(|token| is_keyword(token, "FULLTEXT")) {
                if kind != ColumnType::Text {
                    return self.error(format_args!("FULLTEXT needs TEXT, not {}", kind.name()));
                }
                self.at += 1;
                let (kind, later) = self.full_text()?;
                return self.joined(kind, not_null, later);
            } else if !key && self.take("UNINDEXED") {
                let (kind, later) = self.stored()?;
                return self.joined(kind, not_null, later);
            } else {
                let text: &[&str] = if kind == ColumnType::Text && !key { &["FULLTEXT"] } else { &[] };
                let open: &[&str] = match kind {
                    _ if key => &[],
                    ColumnType::Json => &["UNINDEXED"],
                    _ => &["PRIMARY KEY", "UNINDEXED"],
                };
                let default: &[&str] = if key { &[] } else { &["DEFAULT"] };
                return self.unexpected(Some(Place::Scalar), &[open, text, &["NOT NULL"], default].concat());
            }
        }
        if key {
            return Ok((ColumnKind::Key(kind), not_null || kind == ColumnType::Text));
        }
        Ok((ColumnKind::Metadata(kind), not_null))
    }

    fn joined(&self, kind: ColumnKind, before: bool, after: bool) -> Result<(ColumnKind, bool)> {
        let mut not_null = before;
        if after {
            self.once(&mut not_null, "NOT NULL")?;
        }
        Ok((kind, not_null))
    }

    fn full_text(&mut self) -> Result<(ColumnKind, bool)> {
        let (mut not_null, mut weighted, mut weight, mut tokenizer) = (false, false, 1.0, None);
        while self.peek().is_some() {
            if self.not_null(&mut not_null)? {
            } else if self.take("WEIGHT") {
                self.once(&mut weighted, "WEIGHT")?;
                weight = self.number("WEIGHT")?;
            } else if self.take("TOKENIZER") {
                self.once(&mut tokenizer.is_some(), "TOKENIZER")?;
                let Some(Token::Word(name) | Token::Quoted(name) | Token::Text(name)) = self.peek() else {
                    return self.error("TOKENIZER needs a name, for example TOKENIZER 'code'");
                };
                tokenizer = Some(name.clone());
                self.at += 1;
            } else {
                return self.unexpected(Some(Place::Scalar), &["WEIGHT", "TOKENIZER", "NOT NULL"]);
            }
        }
        Ok((ColumnKind::FullText { weight, tokenizer }, not_null))
    }

    fn stored(&mut self) -> Result<(ColumnKind, bool)> {
        let mut not_null = false;
        while self.peek().is_some() {
            if !self.not_null(&mut not_null)? && !self.default()? {
                return self.unexpected(Some(Place::Scalar), &["NOT NULL", "DEFAULT"]);
            }
        }
        Ok((ColumnKind::Unindexed, not_null))
    }
}

/// Whether `sql`, as `sqlite_schema` has it, declares a table of this type.
pub fn is_declaration(sql: &str) -> bool {
    let named = sql.strip_prefix("CREATE VIRTUAL TABLE ").and_then(|rest| tokenize(rest).ok());
    let Some([_, using, module, ..]) = named.as_deref() else { return false };
    let ours = |name: &str| name.eq_ignore_ascii_case("nearlite");
    is_keyword(using, "USING")
        && matches!(module, Token::Word(name) | Token::Quoted(name) | Token::Text(name) if ours(name))
}

#[cfg(test)]
mod tests;
