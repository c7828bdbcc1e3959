//! Which known word a misspelt one is meant to be.

/// The allowed word that `word` is most likely a misspelling of.
pub(super) fn nearest<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    if word.len() > 40 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let distance = |known: &str| {
        // Of "VECTOR(n)" and "PRIMARY KEY" the first word counts.
        let first = known.split(['(', ' ']).next().unwrap_or(known);
        edits(&word, &first.to_ascii_lowercase())
    };
    let nearest = allowed.iter().map(|known| (distance(known), *known)).min()?;
    // More edits than this and any two short words are "near".
    (nearest.0 <= 1 + word.len() / 4).then_some(nearest.1)
}

/// Number of insertions, deletions, substitutions and swaps of neighbours between two words.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let substitute = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = substitute.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if swap { best.min(rows[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    rows[a.len()][b.len()]
}
