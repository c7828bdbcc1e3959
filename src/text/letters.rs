//! What a character is to the tokenizers, and what it is folded to.

use unicode_normalization::char::decompose_canonical;

/// Scripts that are written without spaces between words, and Hangul.
pub(super) fn is_unspaced(c: char) -> bool {
    let c = c as u32;
    c >= 0xE00
        && matches!(c,
            0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF | 0x1950..=0x19DF
            | 0x1A20..=0x1AAF | 0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x303B
            | 0x3040..=0x318F | 0x31A0..=0x31BF | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
            | 0xA960..=0xA97F | 0xAC00..=0xD7FF | 0xF900..=0xFAFF | 0xFF66..=0xFFDC
            | 0x1B000..=0x1B16F | 0x20000..=0x3FFFF)
}

/// Marks that Unicode does not call alphabetic but that stand inside words: accents written apart, viramas, Thai
/// tones, joiners. Without them `हिन्दी` would be two words.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c as u32,
        0x0300..=0x036F | 0x0483..=0x0489 | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670
        | 0x06D6..=0x06ED | 0x0711 | 0x0730..=0x074A | 0x093C | 0x094D | 0x0951..=0x0954 | 0x09BC | 0x09CD
        | 0x0A3C | 0x0A4D | 0x0ABC | 0x0ACD | 0x0B3C | 0x0B4D | 0x0BCD | 0x0C4D | 0x0CBC | 0x0CCD | 0x0D4D | 0x0DCA
        | 0x0E31 | 0x0E34..=0x0E3A | 0x0E47..=0x0E4E | 0x0EB1 | 0x0EB4..=0x0EBC | 0x0EC8..=0x0ECD
        | 0x102B..=0x103E | 0x17B4..=0x17D3 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200C | 0x200D
        | 0x20D0..=0x20FF | 0x3099 | 0x309A | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F)
}

/// Marks that folding removes: the combining forms of what AsciiFoldingFilter removes in composed letters.
pub(super) fn is_dropped(c: char) -> bool {
    matches!(c as u32, 0x0300..=0x036F | 0x200C | 0x200D | 0xFE00..=0xFE0F)
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

/// Whether `c`, which is no letter, belongs to words all the same: `extra` has one bit for each such ASCII character.
pub(super) fn is_extra(c: char, extra: u128) -> bool {
    c.is_ascii() && extra >> (c as u32) & 1 == 1
}

/// Whether `c` may stand inside a word.
pub(super) fn is_inside(c: char, extra: u128) -> bool {
    in_word(c) || is_extra(c, extra)
}

/// The length of two letters at the start of `word` in a script without spaces, and that of the first one.
pub(super) fn pair(word: &str) -> Option<(usize, usize)> {
    let mut chars = word.char_indices();
    let (_, first) = chars.next().filter(|(_, first)| is_unspaced(*first))?;
    // Marks cling to their letter, so that a pair is two letters in Thai as in Chinese.
    let mut end = first.len_utf8();
    let mut step = end;
    let mut letters = 1;
    for (at, c) in chars {
        if is_mark(c) {
            end = at + c.len_utf8();
            if letters == 1 {
                step = end;
            }
        } else if letters == 1 && c.is_alphanumeric() && is_unspaced(c) {
            letters = 2;
            end = at + c.len_utf8();
        } else {
            break;
        }
    }
    Some((end, step))
}

/// Characters that only say how to break, order or show a text. Inside words they are as good as absent: the soft hyphen
/// (U+00AD), the zero-width space (U+200B; in Thai and Khmer too, whose pairs of letters run across it), the joiners
/// (U+200C, U+200D), marks of direction, the word joiner (U+2060), the byte-order mark (U+FEFF), variation selectors.
pub(super) fn is_ignored(c: char) -> bool {
    c >= '\u{AD}'
        && matches!(c as u32,
            0x00AD | 0x034F | 0x061C | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
            | 0xFE00..=0xFE0F | 0xFEFF | 0xE0100..=0xE01EF)
}

/// Calls `out` with what `c`, a letter of a normal text, is folded to: the lower case of its upper case, so that what has one
/// capital (ς and σ) is one letter; Greek letters without their accents, as Greek capitals are written.
/// Accents of Latin letters are left to the filter behind the stemmer.
pub(super) fn fold(c: char, turkish: bool, mut out: impl FnMut(char)) {
    match c {
        'I' if turkish => return out('ı'),
        'ı' if turkish => return out('ı'),
        _ if c.is_ascii() => return out(c.to_ascii_lowercase()),
        _ if is_unspaced(c) => return out(c),
        _ => {}
    }
    let folded = c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    for folded in folded {
        match folded {
            'ς' => out('σ'),
            '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => {
                decompose_canonical(folded, |piece| {
                    if !is_dropped(piece) {
                        out(piece);
                    }
                });
            }
            _ if is_dropped(folded) => {}
            _ => out(folded),
        }
    }
}
