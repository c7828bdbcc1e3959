//! Operators of other query languages, which are punctuation in ours.

/// What `word`, which `rest` follows, looks like in other query languages and is not in this one.
pub(super) fn misread(word: &str, rest: &str) -> Option<&'static str> {
    let inside = |c: char| {
        word.match_indices(c).any(|(at, _)| {
            word[..at].ends_with(char::is_alphanumeric)
                && word[at + c.len_utf8()..].starts_with(char::is_alphanumeric)
        })
    };
    let stem = word.trim_end_matches('*');
    Some(match word {
        _ if word.contains("&&") => "&& is punctuation; the operator is AND",
        _ if word.contains("||") => "|| is punctuation; the operator is OR",
        _ if word.starts_with('!') => "! is punctuation; a forbidden word is -word or NOT word",
        _ if stem.contains('*') && stem.contains(char::is_alphanumeric) => {
            "a * is read at the end of a word only"
        }
        _ if inside('?') => "? is punctuation; it stands for no letter",
        _ if word.len() > 2 && word.starts_with('/') && word.ends_with('/') => {
            "regular expressions are not read; / is punctuation"
        }
        _ if word.starts_with(['[', '{']) => "ranges and sets are not read; [ and { are punctuation",
        "NEAR" if rest.starts_with('(') => "NEAR is a word; words near each other are \"two words\"~5",
        _ if word.len() > 1 && word.starts_with('^') => "^ before a word is punctuation",
        _ if word.contains(['“', '”', '„', '«', '»']) => {
            "phrases stand in straight quotes, \"two words\""
        }
        _ if word
            .rsplit_once('~')
            .is_some_and(|(_, digits)| digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit())) =>
        {
            "a distance behind ~ is too large and ignored"
        }
        _ => return None,
    })
}
