//! Queries: the filter and its evaluation, and the fusion of the legs of a hybrid query.

pub mod filter;
pub mod fusion;
pub mod mmr;
