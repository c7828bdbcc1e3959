//! Queries: the filter, the plan, the legs, their fusion, and rows handed out one by one.

mod candidate_heap;
mod candidates;
mod drawn;
pub mod explain;
pub mod filter;
pub mod fusion;
mod groups;
mod hybrid;
mod like;
mod listing;
mod masks;
mod matching;
mod mmr;
mod nearest;
mod ordered;
pub mod planner;
mod recall;
mod request;
mod row_map;
mod running_leg;
mod search;

pub use filter::Filter;
pub use groups::Groups;
pub use like::Like;
pub use masks::{matching_rowids, passing_count, passing_rowids};
pub use ordered::{Facet, OrderBy, facets, ordered_rowids};
pub use recall::recall;
pub use request::{Grouping, Hit, Leg, LegQuery, Request, Required, TextLeg, VectorLeg};
pub use search::Search;
