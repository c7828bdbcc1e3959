//! `LIKE` patterns: `%` is any text, `_` one character, ASCII letters match in either case.

/// Longest pattern in bytes: matching costs up to its length times that of the text.
pub const MAX_PATTERN: usize = 1024;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern `text`.
    ///
    /// # Errors
    /// A text that is too long.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("a pattern has up to {MAX_PATTERN} bytes, got {}", text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // After the last `%`: where the pattern goes on, and where the text was tried last.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'%') => {
                    p += 1;
                    retry = Some((p, t));
                    continue;
                }
                Some(b'_') => {
                    p += 1;
                    t = next_character(text, t);
                    continue;
                }
                Some(byte) if byte.eq_ignore_ascii_case(&text[t]) => {
                    p += 1;
                    t += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after, tried)) = retry else { return false };
            t = next_character(text, tried);
            p = after;
            retry = Some((after, t));
        }
        pattern[p..].iter().all(|byte| *byte == b'%')
    }
}

fn next_character(text: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while text.get(next).is_some_and(|byte| byte & 0xc0 == 0x80) {
        next += 1;
    }
    next
}
