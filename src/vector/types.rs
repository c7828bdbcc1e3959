//! What a vector column is made of: its metric, its stored precision and the codes its graph is walked on.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the distance of two vectors is measured; smaller is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Metric {
    /// `1 - cos(a, b)`, in `0..=2`; 1 when either vector is zero.
    #[default]
    Cosine,
    /// Euclidean distance (not squared).
    L2,
    /// `-(a · b)`.
    Ip,
}

impl Metric {
    /// The word used in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::Ip => "ip",
        }
    }
}

/// The compressed form of the vectors that the graph is walked on. Results are always reranked exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Codes {
    /// One byte a dimension.
    #[default]
    Int8,
    /// The full vectors, 4 bytes a dimension.
    None,
    /// One bit a dimension, and more candidates reranked: for 512 dimensions and more, where memory counts. As
    /// [`Codes::Int8`] below 256 dimensions, and for data that single bits are too coarse for.
    Bit,
}

impl Codes {
    /// The word used in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::None => "none",
            Self::Bit => "bit",
        }
    }
}

/// Precision of the stored vectors, the source of truth of every reported distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Store {
    /// 4 bytes a dimension.
    #[default]
    F32,
    /// 2 bytes a dimension (IEEE half).
    F16,
}

impl Store {
    /// The word used in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// `Display` and `FromStr` by the words used in SQL; parsing ignores case.
macro_rules! words {
    ($type:ident, $what:literal, [$($variant:ident),+]) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = Error;

            /// Reads the word used in SQL, in any case.
            fn from_str(word: &str) -> Result<Self> {
                let all = [$(Self::$variant),+];
                all.into_iter().find(|one| one.name().eq_ignore_ascii_case(word)).ok_or_else(|| {
                    let known: Vec<_> = all.iter().map(|one| one.name()).collect();
                    Error::Value(format!("{word} is no {}; the words are {}", $what, known.join(", ")))
                })
            }
        }
    };
}

words!(Metric, "metric", [Cosine, L2, Ip]);
words!(Codes, "kind of codes", [Int8, None, Bit]);
words!(Store, "stored precision", [F32, F16]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        assert_eq!("COSINE".parse::<Metric>().unwrap(), Metric::Cosine);
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
        }
        for codes in [Codes::Int8, Codes::None, Codes::Bit] {
            assert_eq!(codes.to_string().parse::<Codes>().unwrap(), codes);
        }
        for store in [Store::F32, Store::F16] {
            assert_eq!(store.to_string().parse::<Store>().unwrap(), store);
        }
        let error = "euclid".parse::<Metric>().unwrap_err().to_string();
        assert_eq!(error, "euclid is no metric; the words are cosine, l2, ip");
    }
}
