//! Segments and views: what one snapshot of a collection consists of, and how rows become segments.
//!
//! A [`sealed::Segment`] is immutable and named at random, so the process-wide [`cache`] can never serve wrong bytes. A
//! [`View`] is what one snapshot sees: segments, their dead rows and the delta. Views are found again by the root
//! nonce and the position in the log, both read in the query's own snapshot ([`views`]).

pub mod cache;
mod compare;
mod delta;
mod merge;
mod payloads;
mod resident;
mod seal;
mod sealed;
mod verify;
mod view;
mod views;

pub use crate::storage::{decode_vector, encode_vector};
pub use delta::{metadata_of, stored_positions, texts_of};
pub use merge::{automerge, optimize};
pub use seal::{rebuild, seal};
pub use verify::verify;
pub use view::{SegmentView, TextView, View, text_config};
pub use views::Views;
