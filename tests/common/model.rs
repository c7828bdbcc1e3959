//! The model of table `docs`: rows in a `BTreeMap`, transactions and savepoints as copies of it.

use super::{DIM, Rng};
use std::collections::BTreeMap;

/// Words of all texts. No stop words, and no word is a prefix or a stem of another.
pub const WORDS: [&str; 10] =
    ["amber", "badger", "cobalt", "dahlia", "ember", "falcon", "garnet", "harbor", "indigo", "jasmine"];

/// Values of `lang`; NULL comes on top.
pub const LANGS: [&str; 4] = ["en", "de", "fr", "En"];

/// One row as the user wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    pub key: String,
    pub body: Option<String>,
    pub lang: Option<&'static str>,
    pub year: i64,
    pub vector: Option<[f32; DIM]>,
}

impl ModelRow {
    /// A row whose content follows from `seed` alone; keys come from a small pool, so that they collide.
    pub fn from_seed(seed: u32) -> Self {
        let mut rng = Rng(seed.into());
        Self {
            key: key_from(&mut rng),
            body: body_from(&mut rng),
            lang: lang_from(&mut rng),
            year: year_from(&mut rng),
            vector: vector_from(&mut rng),
        }
    }
}

pub fn key_from(rng: &mut Rng) -> String {
    format!("k{}", rng.below(60))
}

pub fn body_from(rng: &mut Rng) -> Option<String> {
    let words = rng.below(7);
    if words == 6 {
        return None;
    }
    Some((0..words).map(|_| WORDS[rng.below(WORDS.len())]).collect::<Vec<_>>().join(" "))
}

pub fn lang_from(rng: &mut Rng) -> Option<&'static str> {
    LANGS.get(rng.below(LANGS.len() + 1)).copied()
}

pub fn year_from(rng: &mut Rng) -> i64 {
    1990 + rng.below(20) as i64
}

/// Small whole numbers: duplicates, ties and zero vectors are common.
pub fn vector_from(rng: &mut Rng) -> Option<[f32; DIM]> {
    match rng.below(12) {
        0 => None,
        1 => Some([0.0; DIM]),
        // One of few, so that thousands of seeds share them.
        2 | 3 => Some(std::array::from_fn({
            let which = rng.below(3);
            move |i| if i == which { 1.0 } else { 0.0 }
        })),
        _ => Some(std::array::from_fn(|_| rng.below(5) as f32 - 2.0)),
    }
}

/// Rows by rowid.
pub type State = BTreeMap<i64, ModelRow>;

/// A connection's view of the table with its open transaction.
#[derive(Debug, Default)]
pub struct Model {
    /// What the connection sees.
    pub now: State,
    /// What everyone else sees.
    pub committed: State,
    began: bool,
    savepoints: Vec<(u8, State)>,
}

impl Model {
    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.began || !self.savepoints.is_empty()
    }

    /// Outside a transaction every statement commits.
    pub fn after_statement(&mut self) {
        if !self.in_transaction() {
            self.committed.clone_from(&self.now);
        }
    }

    pub fn begin(&mut self) {
        self.began = true;
    }

    pub fn commit(&mut self) {
        self.began = false;
        self.savepoints.clear();
        self.after_statement();
    }

    pub fn rollback(&mut self) {
        self.began = false;
        self.savepoints.clear();
        self.now.clone_from(&self.committed);
    }

    pub fn savepoint(&mut self, name: u8) {
        self.savepoints.push((name, self.now.clone()));
    }

    /// Whether a savepoint of this name is open.
    pub fn has_savepoint(&self, name: u8) -> bool {
        self.savepoints.iter().any(|(open, _)| *open == name)
    }

    fn place(&self, name: u8) -> usize {
        self.savepoints.iter().rposition(|(open, _)| *open == name).expect("the savepoint is open")
    }

    /// Undoes everything since the savepoint, which stays open.
    pub fn rollback_to(&mut self, name: u8) {
        let at = self.place(name);
        self.savepoints.truncate(at + 1);
        self.now.clone_from(&self.savepoints[at].1);
    }

    /// Closes the savepoint and those inside it; the outermost one outside BEGIN commits.
    pub fn release(&mut self, name: u8) {
        let at = self.place(name);
        self.savepoints.truncate(at);
        self.after_statement();
    }

    /// Rowid of the row with this key.
    pub fn rowid_of(&self, key: &str) -> Option<i64> {
        self.now.iter().find(|(_, row)| row.key == key).map(|(rowid, _)| *rowid)
    }

    /// An existing rowid chosen by `pick`.
    pub fn pick(&self, pick: u32) -> Option<i64> {
        if self.now.is_empty() {
            return None;
        }
        self.now.keys().nth(pick as usize % self.now.len()).copied()
    }

    /// Puts a row at `rowid` and removes what it collides with.
    pub fn replace(&mut self, rowid: i64, row: ModelRow) {
        self.now.retain(|_, old| old.key != row.key);
        self.now.insert(rowid, row);
    }
}
