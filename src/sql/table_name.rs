//! The name of a table in a text, as SQL would read it.

/// The schema, if there is one, and the table that `text` names, where a part of it is quoted: `"at 2".docs`, `[x y]`.
/// `None` for what is not such a name.
pub fn quoted(text: &str) -> Option<(Option<String>, String)> {
    let (first, rest) = identifier(text.trim_ascii_start())?;
    let rest = rest.trim_ascii();
    if rest.is_empty() {
        return Some((None, first));
    }
    let (second, rest) = identifier(rest.strip_prefix('.')?.trim_ascii_start())?;
    rest.trim_ascii().is_empty().then_some((Some(first), second))
}

/// The identifier at the start of `text` without its quotes, and what follows.
pub fn identifier(text: &str) -> Option<(String, &str)> {
    let first = text.chars().next()?;
    let close = match first {
        '"' | '`' | '\'' => first,
        '[' => {
            let (name, rest) = text[1..].split_once(']')?;
            return Some((name.to_owned(), rest));
        }
        _ => {
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
            let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
            return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
        }
    };
    // A doubled quote stands for one.
    let mut name = String::new();
    let mut rest = &text[1..];
    loop {
        let (part, after) = rest.split_once(close)?;
        name.push_str(part);
        match after.strip_prefix(close) {
            Some(after) => {
                name.push(close);
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn names_are_read_as_in_sql() {
        for (text, schema, table) in [
            ("docs", None, "docs"),
            (" main . docs ", Some("main"), "docs"),
            ("\"at 2\".t", Some("at 2"), "t"),
            ("[at 2].[x y]", Some("at 2"), "x y"),
            ("`a``b`.'it''s'", Some("a`b"), "it's"),
            ("\"a.\"\"b\"\"\"", None, "a.\"b\""),
            ("größe", None, "größe"),
        ] {
            assert_eq!(quoted(text), Some((schema.map(str::to_owned), table.to_owned())), "{text}");
        }
        for text in ["", " ", "a b", "a.", ".a", "a.b.c", "\"a", "[a", "\"a\"b", "a;b"] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }
}
