//! Queries: the filter, the plan, the legs, their fusion, and rows handed out one by one.

mod candidates;
pub mod explain;
pub mod filter;
pub mod fusion;
mod hybrid;
mod leg;
mod listing;
mod masks;
mod matching;
pub mod mmr;
mod nearest;
pub mod planner;
mod pool;
mod recall;
mod request;
mod row_map;
mod search;

pub use filter::Filter;
pub use leg::{Drawn, Standing};
pub use masks::{matching_rowids, parse_text, passing_count, passing_rowids};
pub use recall::recall;
pub use request::{Hit, Request, TextLeg, VectorLeg};
pub use search::Search;
