//! A collection: what one snapshot of it consists of, and how rows become segments.
//!
//! Both doors hold an [`OpenCollection`], and start every search and every change of the index from what it gives:
//! [`Connected`] is the collection on a connection, [`Snapshot`] adds what one snapshot sees.
//!
//! A [`sealed::Segment`] is immutable and named at random, so the process-wide [`cache`] can never serve wrong bytes. A
//! [`view::View`] holds the segments of a snapshot, their dead rows and the delta. Views are found again by the root nonce
//! and the position in the log, both read in the query's own snapshot ([`views`]).

mod accept;
mod alter;
mod background;
pub mod cache;
mod compare;
mod connected;
mod delta;
mod graphs;
mod layers;
pub mod maintenance;
mod merge;
mod open_collection;
mod patches;
mod payloads;
pub mod permits;
mod places;
mod resident;
mod revised;
mod seal;
mod sealed;
mod slots;
mod snapshot;
mod space;
mod typical;
mod verify;
mod view;
mod views;
mod write;

pub use alter::alter;
pub use connected::{Connected, KeyTest};
pub use delta::{metadata_of, texts_of};
pub use merge::{automerge, optimize};
pub use open_collection::OpenCollection;
pub use seal::{rebuild, seal};
pub use snapshot::{Pinned, Snapshot};
pub use space::Space;
pub use verify::verify;
pub use view::{SegmentView, TextView, View};
pub use views::Views;
pub use write::{Changed, Journal, Row, Writer};
