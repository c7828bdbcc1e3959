//! SQLite's door: the virtual table, its functions and the parser of its declaration.

mod module;

#[cfg(feature = "loadable_extension")]
pub use module::set_host_routines;
