//! The inputs in `fuzz/corpus`, and inputs made of them.

use super::targets;
use std::path::Path;

/// Longest input that is made.
const LONGEST: usize = 512;

/// The inputs of one target, by name of their file.
pub struct Corpus(Vec<(String, Vec<u8>)>);

impl Corpus {
    pub fn read(target: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
            })
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} is empty", folder.display());
        Self(inputs)
    }

    pub fn inputs(&self) -> &[(String, Vec<u8>)] {
        &self.0
    }

    /// The input number `case` of those that follow from `seed`: a few changes to one of the corpus, or noise.
    pub fn mutation(&self, seed: u64, case: u64) -> Vec<u8> {
        let mut rng = targets::Rng(seed ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        rng.next();
        if rng.below(5) == 0 {
            return (0..rng.below(120)).map(|_| rng.next() as u8).collect();
        }
        let any = |rng: &mut targets::Rng| &self.0[rng.below(self.0.len())].1;
        let mut data = any(&mut rng).clone();
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(data.len() + 1);
            let end = (at + 1 + rng.below(8)).min(data.len());
            match rng.below(6) {
                0 => data[at..end].iter_mut().for_each(|byte| *byte = rng.next() as u8),
                1 => data[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << rng.below(8)),
                2 => drop(data.drain(at..end)),
                3 => {
                    let new: Vec<u8> = (0..1 + rng.below(6)).map(|_| rng.next() as u8).collect();
                    data.splice(at..at, new);
                }
                4 => {
                    let copy = data[at..end].to_vec();
                    data.splice(at..at, copy);
                }
                _ => {
                    let other = any(&mut rng);
                    let from = rng.below(other.len() + 1);
                    data.truncate(at);
                    data.extend_from_slice(&other[from..]);
                }
            }
        }
        data.truncate(LONGEST);
        data
    }
}
