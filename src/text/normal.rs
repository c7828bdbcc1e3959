//! One form for texts that Unicode calls the same.
//!
//! Composed letters and letters with marks beside them become NFC before any tokenizer sees them. Words and trigrams
//! besides lose the characters that only say how to break or to show a text ([`is_ignored`]), and letters in a form
//! that only some medium needed (full and half width, presentation forms, ligatures, mathematical alphabets) become
//! plain ones. NFKC as a whole would go too far: `Word™` would be `wordtm`, `x²` would be `x2`, `1½` two words.
//!
//! Tokens are found in the normal text; [`Normal::original`] says where they stand in the original one.

use super::letters::{is_dropped, is_ignored};
use std::borrow::Cow;
use std::ops::Range;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// How far a text is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Not at all.
    AsWritten,
    /// To NFC.
    Canonical,
    /// To NFC, without ignored characters and loose accents, in plain letters.
    Letters,
}

/// A text in normal form.
#[derive(Debug)]
pub(super) struct Normal<'a> {
    pub text: Cow<'a, str>,
    /// Empty when the text is the original.
    steps: Vec<Step>,
}

/// A stretch of the normal text, which ends where the next begins, and what it was made from.
#[derive(Debug)]
struct Step {
    at: usize,
    original: Range<usize>,
    /// The two are equal byte for byte.
    same: bool,
}

impl<'a> Normal<'a> {
    pub(super) fn of(text: &'a str, form: Form) -> Self {
        if is_normal(text, form) {
            return Self { text: Cow::Borrowed(text), steps: Vec::new() };
        }
        let mut builder =
            Builder { source: text, form, out: String::with_capacity(text.len()), steps: vec![] };
        // A starter and what may compose with it or be put in another order behind it.
        let mut cluster = String::new();
        let mut original = 0..0;
        let mut pieces: Vec<char> = Vec::new();
        for (at, c) in text.char_indices() {
            if form == Form::Letters && is_ignored(c) {
                continue;
            }
            pieces.clear();
            if form == Form::Letters && is_variant(c) {
                decompose_compatible(c, |piece| pieces.push(piece));
            }
            // The variants of lone marks are marks over a space: they would end the word.
            if pieces.is_empty() || pieces.contains(&' ') {
                pieces.clear();
                pieces.push(c);
            }
            for piece in &pieces {
                if begins_cluster(*piece) {
                    builder.push(&cluster, original.clone());
                    cluster.clear();
                }
                if cluster.is_empty() {
                    original.start = at;
                }
                original.end = at + c.len_utf8();
                cluster.push(*piece);
            }
        }
        builder.push(&cluster, original);
        Self { text: Cow::Owned(builder.out), steps: builder.steps }
    }

    /// Where `range` of the normal text, which is not empty, stands in the original one.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let step = |at: usize| {
            let after = self.steps.partition_point(|step| step.at <= at);
            self.steps.get(after.checked_sub(1)?)
        };
        let start = step(range.start).map_or(range.start, |step| {
            step.original.start + if step.same { range.start - step.at } else { 0 }
        });
        let end = step(range.end.saturating_sub(1)).map_or(range.end, |step| {
            if step.same { step.original.start + range.end - step.at } else { step.original.end }
        });
        start..end
    }
}

struct Builder<'a> {
    source: &'a str,
    form: Form,
    out: String,
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn push(&mut self, cluster: &str, original: Range<usize>) {
        if cluster.is_empty() {
            return;
        }
        let at = self.out.len();
        if is_nfc_quick(cluster.chars()) == IsNormalized::Yes && self.form != Form::Letters {
            self.out.push_str(cluster);
        } else {
            let letters = self.form == Form::Letters;
            self.out.extend(cluster.nfc().filter(|c| !letters || !is_dropped(*c)));
        }
        if self.out.len() == at {
            return;
        }
        let same = self.out.get(at..) == self.source.get(original.clone());
        match self.steps.last_mut() {
            Some(last) if same && last.same && last.original.end == original.start => {
                last.original.end = original.end;
            }
            _ => self.steps.push(Step { at, original, same }),
        }
    }
}

fn is_normal(text: &str, form: Form) -> bool {
    if form == Form::AsWritten || text.is_ascii() {
        return true;
    }
    let kept = |c: char| c < '\u{AD}' || form == Form::Canonical || !is_changed(c);
    text.chars().all(kept) && is_nfc_quick(text.chars()) == IsNormalized::Yes
}

fn is_changed(c: char) -> bool {
    is_ignored(c) || is_dropped(c) || is_variant(c)
}

/// Whether nothing before `c` can change it or be changed by it.
fn begins_cluster(c: char) -> bool {
    c < '\u{300}'
        || (canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) != IsNormalized::Maybe)
}

/// Letters and digits that a text holds only for the sake of their shape, and the micro sign, whose capital is that of mu.
fn is_variant(c: char) -> bool {
    matches!(c as u32,
        0xB5 | 0x2F00..=0x2FD5 | 0xFB00..=0xFBB1 | 0xFBD3..=0xFDFB | 0xFE80..=0xFEFC | 0xFF01..=0xFFDC
        | 0x1D400..=0x1D7FF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> String {
        Normal::of(text, Form::Letters).text.into_owned()
    }

    #[test]
    fn texts_that_are_normal_are_borrowed() {
        for text in ["", "plain", "Ünïcödé", "東京都", "войной", "한국어", "हिन्दी"]
        {
            assert!(matches!(Normal::of(text, Form::Letters).text, Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn the_letters_of_every_form_are_the_same() {
        let cases = [
            ("infor\u{AD}ma\u{200B}ti\u{2060}o\u{FEFF}n", "information"),
            ("й", "й"),
            ("и\u{306}", "й"),
            ("\u{1112}\u{1161}\u{11AB}", "한"),
            ("ｶﾞﾗｽ", "ガラス"),
            ("ﬁne", "fine"),
            ("ﻙﺘﺎﺏ", "كتاب"),
            ("\u{212B}", "Å"),
            ("µm", "μm"),
            ("𝐛old", "bold"),
            ("⽇本", "日本"),
            ("e\u{AD}\u{301}", "é"),
            ("x\u{301}y", "xy"),
            ("™ ½ x²", "™ ½ x²"),
            ("葛\u{E0100}城", "葛城"),
        ];
        for (text, expected) in cases {
            assert_eq!(letters(text), expected, "{text:?}");
            assert_eq!(letters(&letters(text)), expected, "{text:?} twice");
        }
    }

    #[test]
    fn canonical_form_keeps_what_only_looks_alike() {
        let normal = |text| Normal::of(text, Form::Canonical).text;
        assert_eq!(normal("e\u{301}\u{AD}ﬁ µ x\u{301}"), "é\u{AD}ﬁ µ x\u{301}");
        assert_eq!(Normal::of("e\u{301}", Form::AsWritten).text, "e\u{301}");
    }

    #[test]
    fn every_stretch_of_the_normal_text_leads_back_to_where_it_came_from() {
        let text = "ab e\u{301}x in\u{AD}fo \u{FEFF}ﬁn и\u{306}";
        let normal = Normal::of(text, Form::Letters);
        assert_eq!(normal.text, "ab éx info fin й");
        let back = |word: &str| {
            let at = normal.text.find(word).unwrap_or_default();
            &text[normal.original(at..at + word.len())]
        };
        assert_eq!(back("ab"), "ab");
        assert_eq!(back("b é"), "b e\u{301}");
        assert_eq!(back("éx"), "e\u{301}x");
        assert_eq!(back("x"), "x");
        assert_eq!(back("info"), "in\u{AD}fo");
        assert_eq!(back("in"), "in");
        assert_eq!(back("fo"), "fo");
        assert_eq!(back("fin"), "ﬁn");
        assert_eq!(back("n й"), "n и\u{306}");
        assert_eq!(back("й"), "и\u{306}");
    }
}
