//! Vectors in tiles against a map of what was written.

use super::super::{LogOp, Storage, decode_vector, encode_vector};
use crate::error::{Error, Result};
use crate::schema::{Schema, VectorSpec};
use crate::vector::{Metric, Store};
use rusqlite::Connection;
use std::collections::BTreeMap;

const DIM: usize = 384;

struct Table {
    conn: Connection,
    storage: Storage,
    schema: Schema,
    model: BTreeMap<i64, Vec<Option<Vec<f32>>>>,
}

impl Table {
    fn new(schema: Schema) -> Self {
        let conn = Connection::open_in_memory().unwrap();
        let storage = Storage::new(&conn, "main", "t", &schema).unwrap();
        storage.create(&conn, &schema).unwrap();
        Self { conn, storage, schema, model: BTreeMap::new() }
    }

    fn one_column() -> Self {
        Self::new(Schema::new().vector("a", DIM, Metric::L2))
    }

    fn put(&mut self, rowid: i64, vectors: Vec<Option<Vec<f32>>>) {
        let specs: Vec<&VectorSpec> = self.schema.vectors().map(|(_, spec)| spec).collect();
        let bytes: Vec<Option<Vec<u8>>> =
            specs.iter().zip(&vectors).map(|(s, v)| v.as_ref().map(|v| encode_vector(s, v))).collect();
        let slices: Vec<Option<&[u8]>> = bytes.iter().map(Option::as_deref).collect();
        if !self.model.contains_key(&rowid) {
            self.storage.insert_row(&self.conn, Some(rowid), &[]).unwrap();
        }
        self.storage.put_vectors(&self.conn, rowid, &slices).unwrap();
        self.model.insert(rowid, vectors);
    }

    fn delete(&mut self, rowid: i64) {
        self.storage.delete_row(&self.conn, rowid).unwrap();
        self.model.remove(&rowid);
    }

    fn pack(&self) {
        self.storage.pack(&self.conn, self.model.keys().copied()).unwrap();
    }

    fn count(&self, table: &str) -> usize {
        // The tables of the index are made with the first tile.
        if table == "tiles" && !self.storage.has_index(&self.conn).unwrap() {
            return 0;
        }
        let sql = format!("SELECT count(*) FROM t_{table}");
        self.conn.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize
    }

    fn read(&self, column: usize, rowids: &[i64]) -> Result<Vec<Option<Vec<f32>>>> {
        let mut found = Vec::new();
        self.storage.for_each_vector(&self.conn, column, rowids.iter().copied(), |vector| {
            found.push(vector.map(<[f32]>::to_vec));
            Ok(())
        })?;
        Ok(found)
    }

    /// Every way of reading gives what was written, and nothing where nothing was.
    fn check(&self) {
        let mut rowids: Vec<i64> = self.model.keys().copied().collect();
        rowids
            .extend([i64::MIN, -1_000_000, 1 << 40, i64::MAX].iter().filter(|r| !self.model.contains_key(r)));
        for (at, (_, spec)) in self.schema.vectors().enumerate() {
            let wanted: Vec<_> =
                rowids.iter().map(|rowid| self.model.get(rowid).and_then(|v| v[at].clone())).collect();
            assert_eq!(self.read(at, &rowids).unwrap(), wanted);
            for (rowid, wanted) in rowids.iter().zip(&wanted) {
                let bytes = self.storage.vectors(&self.conn, *rowid).unwrap();
                let floats = bytes[at].as_ref().map(|bytes| {
                    let mut out = vec![0.0; spec.dim];
                    decode_vector(spec, bytes, &mut out, "here").unwrap();
                    out
                });
                assert_eq!(&floats, wanted, "row {rowid}");
            }
        }
        assert_eq!(self.storage.check_tiles(&self.conn).unwrap(), Vec::<String>::new());
    }
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.below(2001) as f32 / 1000.0 - 1.0).collect()
    }
}

fn vector(rowid: i64) -> Vec<f32> {
    Rng(rowid as u64).vector(DIM)
}

#[test]
fn neighbours_share_a_tile_and_sparse_rows_stay_single() {
    let mut table = Table::one_column();
    for rowid in (-100..100).chain((0..50).map(|i| 1_000_000 + i * 1_000)) {
        table.put(rowid, vec![Some(vector(rowid))]);
    }
    table.check();
    assert_eq!((table.count("vectors"), table.count("tiles")), (250, 0));
    table.pack();
    table.check();
    let rows = table.storage.tiling.as_ref().unwrap().rows;
    assert!(table.count("vectors") < 50 + 2 * rows, "{} rows are still single", table.count("vectors"));
    assert!(table.count("tiles") > 0);
}

#[test]
fn rows_of_a_tile_change_and_go_in_place() {
    let mut table = Table::one_column();
    (0..104).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))]));
    table.pack();
    let before = (table.count("vectors"), table.count("tiles"));
    assert_eq!(before.0, 0);
    table.put(3, vec![Some(vector(-3))]);
    table.put(30, vec![None]);
    table.delete(50);
    table.check();
    // A deleted vector is gone from the file, not only out of sight.
    table.put(50, vec![Some(vector(77))]);
    table.check();
    assert_eq!((table.count("vectors"), table.count("tiles")), before);
}

#[test]
fn the_bytes_of_a_deleted_vector_are_gone() {
    let mut table = Table::one_column();
    (0..26).for_each(|rowid| table.put(rowid, vec![Some(vec![1.5; DIM])]));
    table.put(7, vec![Some(vec![-0.3; DIM])]);
    table.pack();
    let holds = |table: &Table| {
        let bytes = (-0.3_f32).to_bits() as u16;
        let pattern = [bytes.to_le_bytes(); 8].concat();
        let sql = "SELECT count(*) FROM t_tiles WHERE instr(data, ?1) > 0";
        table.conn.query_row(sql, [pattern], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    assert!(holds(&table));
    table.delete(7);
    assert!(!holds(&table));
    table.check();
}

#[test]
fn a_vector_without_a_narrow_form_takes_its_tile_apart() {
    let mut table = Table::one_column();
    (0..26).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))]));
    table.pack();
    assert_eq!(table.count("vectors"), 0);
    let mut wide = vector(5);
    wide[0] = 1e-30;
    table.put(5, vec![Some(wide)]);
    table.check();
    assert_eq!((table.count("vectors"), table.count("tiles")), (26, 0));
    table.pack();
    assert_eq!(table.count("tiles"), 0);
    table.put(5, vec![Some(vector(5))]);
    table.pack();
    assert_eq!(table.count("vectors"), 0);
    table.check();
}

#[test]
fn a_tile_whose_rows_are_mostly_gone_is_taken_apart() {
    let mut table = Table::one_column();
    (0..26).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))]));
    table.pack();
    for rowid in 0..26 {
        table.delete(rowid);
        table.check();
        assert!(rowid < 18 || table.count("tiles") == 0, "{} rows are left in a tile", 25 - rowid);
    }
    assert_eq!((table.count("vectors"), table.count("tiles")), (0, 0));
}

#[test]
fn several_columns_and_halves_share_a_slot() {
    let half = VectorSpec { store: Store::F16, ..VectorSpec::new(200, Metric::Ip) };
    let mut table =
        Table::new(Schema::new().vector("a", DIM, Metric::L2).full_text("t").vector_with("b", half));
    let mut rng = Rng(1);
    for rowid in 0..200 {
        // Multiples of 1/8 are halves as they are.
        let half = (0..200).map(|_| rng.below(64) as f32 / 8.0 - 4.0).collect();
        let b = (rowid % 50 != 0).then_some(half);
        let a = (rowid % 60 != 0).then(|| vector(rowid));
        table.model.insert(rowid, vec![None, None]);
        table.storage.insert_row(&table.conn, Some(rowid), &[crate::value::Value::Null]).unwrap();
        table.put(rowid, vec![a, b]);
    }
    table.check();
    table.pack();
    assert!(table.count("tiles") > 0);
    table.check();
}

#[test]
fn random_writes_and_packing_give_back_what_was_written() {
    for seed in 1..=6 {
        println!("seed {seed}");
        let mut rng = Rng(seed);
        let mut table = Table::one_column();
        for step in 0..600 {
            let rowid = match rng.below(10) {
                0 => i64::MIN + rng.below(40) as i64,
                1 => i64::MAX - rng.below(40) as i64,
                _ => rng.below(120) as i64 - 60,
            };
            match rng.below(20) {
                0..=9 => table.put(rowid, vec![Some(rng.vector(DIM))]),
                10 => table.put(rowid, vec![None]),
                11 => {
                    let mut wide = rng.vector(DIM);
                    wide[7] = 1e-25;
                    table.put(rowid, vec![Some(wide)]);
                }
                12..=16 => table.delete(rowid),
                17 => (-60..60).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))])),
                _ => table.pack(),
            }
            if step % 20 == 0 {
                table.check();
            }
        }
        table.check();
    }
}

#[test]
fn a_rollback_undoes_packing_and_writes_to_tiles() {
    let mut table = Table::one_column();
    (0..60).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))]));
    table.conn.execute_batch("SAVEPOINT a").unwrap();
    table.pack();
    let packed = table.count("tiles");
    table.conn.execute_batch("ROLLBACK TO a; RELEASE a").unwrap();
    assert_eq!((table.count("vectors"), table.count("tiles")), (60, 0));
    table.check();
    table.pack();
    assert_eq!(table.count("tiles"), packed);
    let kept = table.model.clone();
    table.conn.execute_batch("SAVEPOINT a").unwrap();
    table.put(4, vec![Some(vector(99))]);
    (0..25).for_each(|rowid| table.delete(rowid));
    table.conn.execute_batch("ROLLBACK TO a; RELEASE a").unwrap();
    table.model = kept;
    table.check();
}

#[test]
fn a_bulk_load_is_packed_behind_its_end() {
    let mut table = Table::one_column();
    table.conn.execute_batch("BEGIN").unwrap();
    for rowid in 0..3000 {
        table.put(rowid, vec![Some(vec![rowid as f32; DIM])]);
        table.storage.log_append(&table.conn, LogOp::Add, rowid).unwrap();
        table.storage.pack_behind(&table.conn).unwrap();
    }
    assert!(table.count("vectors") < 300, "{} rows are single", table.count("vectors"));
    assert!(table.count("tiles") > 900);
    table.check();
}

#[test]
fn damaged_tiles_are_errors() {
    let mut table = Table::one_column();
    (0..52).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))]));
    table.pack();
    let all: Vec<i64> = (0..52).collect();
    let ids: Vec<i64> = {
        let mut statement = table.conn.prepare("SELECT id FROM t_tiles ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    assert!(ids.len() > 2);
    for id in ids {
        for harm in [
            "DELETE FROM t_tiles WHERE id = ?1",
            "UPDATE t_tiles SET data = substr(data, 1, 100) WHERE id = ?1",
            "UPDATE t_tiles SET data = data || x'00' WHERE id = ?1",
            "UPDATE t_tiles SET data = 5 WHERE id = ?1",
        ] {
            table.conn.execute_batch("SAVEPOINT harm").unwrap();
            table.conn.execute(harm, [id]).unwrap();
            let error = table.read(0, &all).unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{harm} {id}: {error}");
            assert!(!table.storage.check_tiles(&table.conn).unwrap().is_empty(), "{harm} {id}");
            assert!((0..52).any(|rowid| table.storage.vectors(&table.conn, rowid).is_err()), "{harm} {id}");
            table.conn.execute_batch("ROLLBACK TO harm; RELEASE harm").unwrap();
        }
    }
    table.check();
}

#[test]
fn no_handle_stays_open() {
    let mut table = Table::one_column();
    (0..60).for_each(|rowid| table.put(rowid, vec![Some(vector(rowid))]));
    table.pack();
    table.check();
    // A VACUUM fails while any statement runs.
    table.conn.execute_batch("VACUUM").unwrap();
    table.check();
}
