//! The smallest pieces of query text.

pub(super) fn is_operator(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|after| {
        after.chars().next().is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')' | '"'))
    })
}

/// The inside of the quoted string that `text` begins with (`\"` is a quote), and the length with both quotes.
pub(super) fn quoted(text: &str) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((inside, at + 1)),
            '\\' => inside.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => inside.push(c),
        }
    }
    None
}

/// A positive decimal number at the start of `text` and its length.
pub(super) fn leading_number(text: &str) -> Option<(f32, usize)> {
    let len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f32 = text[..len].parse().ok()?;
    (number.is_finite() && number > 0.0 && number < 1e6).then_some((number, len))
}
