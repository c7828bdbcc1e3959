//! One JSON text (RFC 8259) as a tree that borrows from it.

use std::borrow::Cow;

/// Deepest nesting of lists and objects: parsing, walking and dropping a tree recurse.
const MAX_DEPTH: usize = 256;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent, of 64 signed bits.
    Int(i64),
    /// Any other number; never NaN nor -0, infinite where the number is beyond the floats.
    Real(f64),
    /// A text; an escaped half of a surrogate pair without its other half is U+FFFD.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Json<'a>>),
    /// An object, its keys ascending by bytes and each there once.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl Json<'_> {
    /// The kind of value with an article, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Real(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a text; of a key that an object has twice the last value counts.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn parse(text: &str) -> Result<Json<'_>, String> {
    Parser { text, at: 0, unique: false }.whole()
}

/// As [`parse`], from bytes that may not be UTF-8.
///
/// # Errors
/// As [`parse`].
pub fn parse_bytes(bytes: &[u8]) -> Result<Json<'_>, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => Err(format!("bytes that are no UTF-8 at byte {}", error.valid_up_to())),
    }
}

/// As [`parse`], but a key that is given twice is an error.
pub(super) fn parse_unique(text: &str) -> Result<Json<'_>, String> {
    Parser { text, at: 0, unique: true }.whole()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    unique: bool,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> Result<Json<'a>, String> {
        let value = self.value(0)?;
        self.blanks();
        if self.at < self.text.len() {
            return self.expected("the end of the text");
        }
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes the next byte if it is `byte`.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// "expected ..., got ... at byte n".
    fn expected<T>(&self, what: &str) -> Result<T, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').take(20).collect();
        let got = match rest.chars().next() {
            None => "the end".to_owned(),
            Some(_) if !word.is_empty() => word,
            Some(sign) => format!("{sign:?}"),
        };
        Err(format!("expected {what}, got {got} at byte {}", self.at))
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.blanks();
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in
                    [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
                {
                    if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.expected("a JSON value")
            }
        }
    }

    fn deep(&self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels of nesting at byte {}", self.at));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.deep(depth)?;
        self.at += 1;
        let mut values = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Json::List(values));
        }
        loop {
            values.push(self.value(depth)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::List(values));
            }
            if !self.take(b',') {
                return self.expected("',' or ']'");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.deep(depth)?;
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return self.expected("a key in double quotes");
            }
            let key = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return self.expected("':'");
            }
            let value = self.value(depth)?;
            members.push((key, value));
            self.blanks();
            if self.take(b'}') {
                return self.sorted(members);
            }
            if !self.take(b',') {
                return self.expected("',' or '}'");
            }
        }
    }

    fn sorted(&self, mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Result<Json<'a>, String> {
        // Stable, so the last of equal keys stays the last.
        members.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            if self.unique {
                let key: String = twice[0].0.chars().take(40).collect();
                return Err(format!("the key \"{key}\" is given twice before byte {}", self.at));
            }
            members.reverse();
            members.dedup_by(|next, kept| next.0 == kept.0);
            members.reverse();
        }
        Ok(Json::Object(members))
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Json<'a>, String> {
        let start = self.at;
        self.take(b'-');
        if self.take(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.expected("a number without leading zeros");
            }
        } else if !self.digits() {
            return self.expected("a digit");
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            if !self.digits() {
                return self.expected("a digit");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                return self.expected("a digit");
            }
        }
        let digits = &self.text[start..self.at];
        if whole && let Ok(int) = digits.parse() {
            return Ok(Json::Int(int));
        }
        match digits.parse::<f64>() {
            // Adding zero turns -0.0 into 0.0.
            Ok(real) => Ok(Json::Real(real + 0.0)),
            Err(_) => self.expected("a number"),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        let opened = self.at;
        self.at += 1;
        let mut start = self.at;
        let mut decoded: Option<String> = None;
        loop {
            match self.peek() {
                None => return Err(format!("the text that begins at byte {opened} has no end")),
                Some(b'"') => {
                    let rest = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(match decoded {
                        None => Cow::Borrowed(rest),
                        Some(mut decoded) => {
                            decoded.push_str(rest);
                            Cow::Owned(decoded)
                        }
                    });
                }
                Some(b'\\') => {
                    let rest = &self.text[start..self.at];
                    let out = decoded.get_or_insert_default();
                    out.push_str(rest);
                    let c = self.escape()?;
                    out.push(c);
                    start = self.at;
                }
                Some(0..=0x1f) => {
                    return Err(format!("a control character inside a text at byte {}; escape it", self.at));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// One escape, two if they are the halves of a pair.
    fn escape(&mut self) -> Result<char, String> {
        self.at += 1;
        let Some(letter) = self.peek() else { return self.expected("an escape") };
        let plain = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let first = self.hex()?;
                return Ok(self.pair(first));
            }
            _ => return self.expected("an escape such as \\n or \\u00e9"),
        };
        self.at += 1;
        Ok(plain)
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return self.expected("four hexadecimal digits");
        }
        let digits = &self.text[self.at..self.at + 4];
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|error| error.to_string())
    }

    fn pair(&mut self, first: u32) -> char {
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        if self.take(b'\\')
            && self.take(b'u')
            && let Ok(second @ 0xdc00..0xe000) = self.hex()
        {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        self.at = before;
        char::REPLACEMENT_CHARACTER
    }
}
