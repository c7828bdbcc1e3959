//! The fuzz targets without a fuzzer: all inputs in `fuzz/corpus`, mutations of them, and noise. An input that failed
//! once stays in the corpus.
//!
//! `NEARLITE_SEED` picks other mutations, `NEARLITE_CASES` more of them. `just fuzz` searches with coverage.
#![allow(clippy::unwrap_used)]

mod corpus;
mod targets;

use corpus::Corpus;
use nearlite::rusqlite::Connection;

/// An input at work; it is shown if the target panics.
struct Shown<'a> {
    target: &'a str,
    from: String,
    data: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {}, {}: b\"{}\"", self.target, self.from, self.data.escape_ascii());
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Runs a target over its corpus and over `cases` inputs made of it.
fn replay(target: &str, run: fn(&[u8]), cases: u64) {
    let corpus = Corpus::read(target);
    for (name, data) in corpus.inputs() {
        let shown = Shown { target, from: name.clone(), data };
        run(shown.data);
    }
    let seed = number("NEARLITE_SEED", 1);
    let cases = number("NEARLITE_CASES", cases);
    println!("NEARLITE_SEED={seed} NEARLITE_CASES={cases}");
    for case in 0..cases {
        let data = corpus.mutation(seed, case);
        let shown = Shown { target, from: format!("NEARLITE_SEED={seed}, case {case}"), data: &data };
        run(shown.data);
    }
}

#[test]
fn any_value_is_a_vector_or_refused() {
    replay("vector", targets::vector::run, 400);
}

#[test]
fn any_text_declares_a_sound_table_or_none() {
    replay("declaration", targets::declaration::run, 300);
}

#[test]
fn any_text_is_a_query() {
    replay("query_text", targets::query_text::run, 400);
}

#[test]
fn any_condition_finds_what_sqlite_finds() {
    replay("where", targets::r#where::run, 3000);
}

#[test]
fn any_filter_over_objects_and_rows_means_one_thing() {
    replay("json", targets::json::run, 1500);
}

#[test]
fn any_damage_is_right_or_found_and_can_be_rebuilt() {
    replay("payload", targets::payload::run, 40);
}

#[test]
fn any_operations_leave_what_the_model_says() {
    replay("model", targets::model::run, 60);
}

#[test]
fn a_panic_behind_an_error_is_a_failure() {
    let conn = Connection::open_in_memory().unwrap();
    let error = conn.query_row("SELECT no_such_function()", [], |_| Ok(())).unwrap_err();
    assert!(targets::honest::<()>(Err(error)).is_err());
    let caught = std::panic::catch_unwind(|| {
        targets::honest::<()>(Err("nearlite: internal error in xFilter: oh; please report it"))
    });
    assert!(caught.is_err());
}
