//! Connections that go from thread to thread.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, open_memory};
use nearlite::rusqlite::Connection;
use std::sync::mpsc::{Receiver, Sender, channel};

const DIM: usize = 4;
const ROWS: i64 = 40;

/// Every round ends with the connection on the other thread.
const ROUNDS: usize = 4_000;

fn filled() -> Connection {
    let (conn, mut noise) = (open_memory(), Noise(3));
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}))"
    ))
    .unwrap();
    for _ in 0..ROWS {
        conn.execute("INSERT INTO docs(body, v) VALUES('all', ?1)", [blob(&noise.vector(DIM))]).unwrap();
    }
    conn
}

/// Calls MATCH as a function of each row: what the cursor hands out is remembered by the thread.
fn search(conn: &Connection) {
    let mut statement = conn.prepare_cached("SELECT body MATCH 'all' AND v MATCH ?1 FROM docs").unwrap();
    let found = statement.query_map([blob(&[1.0; DIM])], |row| row.get(0)).unwrap();
    assert_eq!(found.map(Result::unwrap).filter(|found| *found).count() as i64, ROWS);
}

fn hand_on(mut conn: Connection, to: &Sender<Connection>, from: &Receiver<Connection>) {
    for _ in 0..ROUNDS {
        search(&conn);
        to.send(conn).unwrap();
        conn = from.recv().unwrap();
    }
}

/// What a thread remembered of a connection was counted without regard to the thread that has the connection by now: the
/// table was freed while it was used.
#[test]
fn what_a_thread_remembers_of_a_connection_is_not_in_the_way_of_the_next_thread() {
    let ((to_first, first), (to_second, second)) = (channel(), channel());
    let conns = [filled(), filled()];
    std::thread::scope(|scope| {
        let [one, other] = conns;
        scope.spawn(move || hand_on(one, &to_second, &first));
        scope.spawn(move || hand_on(other, &to_first, &second));
    });
}
