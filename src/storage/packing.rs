//! `t_tiles`: rows move into tiles, are read and written there, and move out again.
//!
//! A new row is single. Tiles are made a little behind the end of the log, so that a bulk load leaves few pages free, and
//! at a seal of what is left. A tile is made only where it is smaller than
//! its rows are singly, which sparse rowids are not, and taken apart when few of its rows are left.
//!
//! Between two steps rows are both in a tile and single, with equal content. A step that writes several pieces is done as a
//! whole or not at all, as everything that a statement of the user's does to a table.

use super::blob_reader::BlobReader;
use super::run::{Run, code_of};
use super::shadow::longest_value;
use super::stored::blob;
use super::tiles::{PIECE, Place, Tiling};
use super::{LogOp, Storage, encode_vector};
use crate::error::{Error, Result};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// Tiles are made whenever the log has grown by this many entries.
const PACK_EVERY: i64 = 256;

/// What a tile says of a row.
pub(super) enum Found<'a> {
    /// The vector.
    Vector(&'a [f32]),
    /// The row is in a tile and has no vector, or is not there.
    Nothing,
    /// The row is in no tile.
    NoTile,
}

/// Reads vectors from tiles, row after row.
pub(super) struct TileReader<'a> {
    tiling: &'a Tiling,
    storage: &'a Storage,
    conn: &'a Connection,
    blobs: BlobReader<'a>,
    slot: Vec<u8>,
    vector: Vec<f32>,
}

impl<'a> TileReader<'a> {
    /// A reader, if the table has tiles.
    pub fn new(storage: &'a Storage, conn: &'a Connection) -> Result<Option<Self>> {
        let Some(tiling) = &storage.tiling else { return Ok(None) };
        if !storage.may_have_tiles(conn)? {
            return Ok(None);
        }
        let blobs = BlobReader::new(conn, &storage.database, format!("{}_tiles", storage.table), "data");
        Ok(Some(Self { tiling, storage, conn, blobs, slot: Vec::new(), vector: Vec::new() }))
    }

    /// One vector of a row.
    pub fn read(&mut self, rowid: i64, column: usize) -> Result<Found<'_>> {
        let (Some(place), tiling) = (self.tiling.slot_of(rowid), self.tiling) else {
            return Ok(Found::NoTile);
        };
        let range = tiling.range(place, column).unwrap_or_default();
        self.vector.resize(self.storage.specs.get(column).map_or(0, |spec| spec.dim), 0.0);
        self.slot.resize(range.len(), 0);
        let mut done = 0;
        for (piece, part) in Tiling::pieces_of(&range) {
            let opened = match self.blobs.open(place.first + piece as i64) {
                Err(error) => self.storage.without_tiles(self.conn, error).map(|()| None)?,
                Ok(length) => length,
            };
            match opened {
                Some(length) if length == tiling.piece_len(piece) => {}
                None if done == 0 => return Ok(Found::NoTile),
                _ => return Err(self.storage.bad_tile(place)),
            }
            let end = done + part.len();
            if let Some(out) = self.slot.get_mut(done..end) {
                self.blobs.read(out, part.start)?;
            }
            done = end;
        }
        match tiling.read(column, &self.slot, &mut self.vector) {
            Some(true) => Ok(Found::Vector(&self.vector)),
            Some(false) => Ok(Found::Nothing),
            None => Err(self.storage.bad_tile(place)),
        }
    }

    /// Refuses a row that was found neither singly nor in a tile when its tile is there in part.
    pub fn check_missing(&self, rowid: i64) -> Result<()> {
        let Some(place) = self.tiling.slot_of(rowid) else { return Ok(()) };
        if self.storage.has_pieces(self.conn, place.first, place.last)? {
            Err(self.storage.bad_tile(place))
        } else {
            Ok(())
        }
    }
}

impl Storage {
    fn bad_tile(&self, place: Place) -> Error {
        let where_it_is = format!("{}_tiles {}", self.table, place.first);
        Error::corrupt(where_it_is, format!("the tile of the rows {} to {}", place.low, place.high))
    }

    fn is_tile(&self, conn: &Connection, place: Place) -> Result<bool> {
        self.has_pieces(conn, place.first, place.first)
    }

    fn has_pieces(&self, conn: &Connection, first: i64, last: i64) -> Result<bool> {
        if !self.may_have_tiles(conn)? {
            return Ok(false);
        }
        match conn.prepare_cached(&self.sql.tile_any).and_then(|mut any| any.exists([first, last])) {
            Err(error) => self.without_tiles(conn, error.into()).map(|()| false),
            Ok(there) => Ok(there),
        }
    }

    /// Whether to look into `t_tiles`. Rows are looked for in tiles one by one, so the root is not asked each time: once a
    /// snapshot had the table it is tried first. Where another snapshot has none after all, reading fails, and
    /// [`without_tiles`](Self::without_tiles) asks.
    fn may_have_tiles(&self, conn: &Connection) -> Result<bool> {
        if self.tiles_seen.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let there = self.has_index(conn)?;
        self.tiles_seen.store(there, Ordering::Relaxed);
        Ok(there)
    }

    /// `t_tiles` could not be read: fine where the snapshot has none.
    fn without_tiles(&self, conn: &Connection, error: Error) -> Result<()> {
        let missing = matches!(&error, Error::Sqlite(cause) if code_of(cause) == Some(ErrorCode::Unknown));
        if !missing || self.has_index(conn)? {
            return Err(error);
        }
        self.tiles_seen.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a row's place is in a tile that is there.
    pub fn is_tiled(&self, conn: &Connection, rowid: i64) -> Result<bool> {
        Ok(self.tile_of(conn, rowid)?.is_some())
    }

    /// The tile that a row is in.
    fn tile_of(&self, conn: &Connection, rowid: i64) -> Result<Option<(&Tiling, Place)>> {
        let Some(tiling) = &self.tiling else { return Ok(None) };
        let Some(place) = tiling.slot_of(rowid) else { return Ok(None) };
        Ok(self.is_tile(conn, place)?.then_some((tiling, place)))
    }

    /// Writes the vectors of a row to its tile; returns false where no tile can take them.
    pub(super) fn put_in_tile(
        &self,
        conn: &Connection,
        rowid: i64,
        vectors: &[Option<&[u8]>],
    ) -> Result<bool> {
        let Some((tiling, place)) = self.tile_of(conn, rowid)? else { return Ok(false) };
        let mut slot = vec![0; tiling.slot(place).len()];
        if !tiling.fill(vectors, &mut slot) {
            self.unpack(conn, tiling, place, None)?;
            return Ok(false);
        }
        conn.prepare_cached(&self.sql.vectors_delete)?.run([rowid])?;
        self.patch(conn, tiling, place, &slot)?;
        Ok(true)
    }

    /// Empties the slot of a deleted row, and takes the tile apart when most of its rows are gone.
    pub(super) fn delete_in_tile(&self, conn: &Connection, rowid: i64) -> Result<()> {
        let Some((tiling, place)) = self.tile_of(conn, rowid)? else { return Ok(()) };
        let left: i64 = conn
            .prepare_cached(&self.sql.rows_between)?
            .query_row([place.low, place.high], |row| row.get(0))?;
        let least = tiling.least * tiling.rows / (2 * tiling.raw_bytes());
        if usize::try_from(left).unwrap_or(0) < least {
            self.unpack(conn, tiling, place, Some(rowid))
        } else {
            self.patch(conn, tiling, place, &vec![0; tiling.slot(place).len()])
        }
    }

    /// Replaces a slot.
    fn patch(&self, conn: &Connection, tiling: &Tiling, place: Place, slot: &[u8]) -> Result<()> {
        let mut read = conn.prepare_cached(&self.sql.tile_piece)?;
        let mut pieces = Vec::new();
        let mut done = 0;
        for (at, part) in Tiling::pieces_of(&tiling.slot(place)) {
            let id = place.first + at as i64;
            let mut piece: Vec<u8> = match read.query([id])?.next()? {
                Some(row) => blob(row.get_ref(0)?).map(<[u8]>::to_vec).ok_or_else(|| self.bad_tile(place))?,
                None => return Err(self.bad_tile(place)),
            };
            let (from, end) = (slot.get(done..done + part.len()), piece.len());
            match (piece.get_mut(part.clone()), from) {
                (Some(to), Some(from)) if end == tiling.piece_len(at) => to.copy_from_slice(from),
                _ => return Err(self.bad_tile(place)),
            }
            done += part.len();
            pieces.push((id, piece));
        }
        self.write_pieces(conn, pieces.iter().map(|(id, piece)| (*id, piece.as_slice())))
    }

    /// Writes pieces, one in a statement: a connection may be limited to few variables.
    fn write_pieces<'a>(
        &self,
        conn: &Connection,
        pieces: impl Iterator<Item = (i64, &'a [u8])>,
    ) -> Result<()> {
        let mut statement = conn.prepare_cached(&self.sql.tile_put)?;
        for piece in pieces {
            statement.run(piece)?;
        }
        Ok(())
    }

    /// Whether the entry that the log just got makes [`pack_behind`](Self::pack_behind) due.
    pub fn pack_due(&self, conn: &Connection) -> bool {
        let end = conn.last_insert_rowid();
        end > 0 && end % PACK_EVERY == 0 && self.tiling.is_some()
    }

    /// Makes tiles of the rows that the log added last.
    pub fn pack_behind(&self, conn: &Connection) -> Result<()> {
        let end = conn.last_insert_rowid();
        if self.log_end(conn)?.seq != end {
            return Ok(());
        }
        let recent = self.log_since(conn, end - PACK_EVERY)?;
        let newest = recent.last().and_then(|entry| self.tiling.as_ref()?.slot_of(entry.rowid));
        let rowids = recent.iter().filter(|entry| entry.op == LogOp::Add).map(|entry| entry.rowid);
        // More rows may follow in the tile of the newest one.
        self.pack(
            conn,
            rowids.filter(|rowid| newest.is_none_or(|tile| !(tile.low..=tile.high).contains(rowid))),
        )
    }

    /// Makes tiles of these rows and their neighbours, where that saves space.
    pub fn pack(&self, conn: &Connection, rowids: impl IntoIterator<Item = i64>) -> Result<()> {
        let Some(tiling) = &self.tiling else { return Ok(()) };
        if longest_value(conn)? < PIECE {
            return Ok(());
        }
        let mut places = BTreeMap::new();
        let mut last = None;
        for rowid in rowids {
            let place = tiling.slot_of(rowid);
            if let Some(place) = place
                && last != Some(place.first)
            {
                last = Some(place.first);
                places.insert(place.first, place);
            }
        }
        let mut bytes = vec![0; tiling.bytes()];
        for place in places.into_values() {
            self.pack_tile(conn, tiling, place, &mut bytes)?;
        }
        Ok(())
    }

    fn pack_tile(&self, conn: &Connection, tiling: &Tiling, tile: Place, bytes: &mut [u8]) -> Result<()> {
        let mut statement = conn.prepare_cached(&self.sql.vectors_between)?;
        let mut rows = statement.query([tile.low, tile.high])?;
        bytes.fill(0);
        let mut held = 0;
        let mut any = false;
        while let Some(row) = rows.next()? {
            any = true;
            let mut vectors: Vec<Option<&[u8]>> = Vec::with_capacity(self.sql.vector_of.len());
            for at in 0..self.sql.vector_of.len() {
                vectors.push(match row.get_ref(at + 1)? {
                    ValueRef::Blob(bytes) => Some(bytes),
                    ValueRef::Null => None,
                    // Damaged; it stays where a reader finds it.
                    _ => return Ok(()),
                });
            }
            held += vectors.iter().flatten().map(|vector| vector.len()).sum::<usize>();
            let place = tiling.slot_of(row.get(0)?).unwrap_or(tile);
            let Some(slot) = bytes.get_mut(tiling.slot(place)) else { return Ok(()) };
            if !tiling.fill(&vectors, slot) {
                return Ok(());
            }
        }
        drop(rows);
        if !any {
            return Ok(());
        }
        if !self.is_tile(conn, tile)? {
            if held < tiling.least {
                return Ok(());
            }
            self.make_index(conn)?;
            let lengths = (0..tiling.pieces).map(|at| tiling.piece_len(at));
            let mut rest = &*bytes;
            let pieces: Vec<(i64, &[u8])> = (tile.first..=tile.last)
                .zip(lengths)
                .filter_map(|(id, length)| {
                    let (piece, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Some((id, piece))
                })
                .collect();
            self.write_pieces(conn, pieces.into_iter())?;
        }
        conn.prepare_cached(&self.sql.vectors_delete_between)?.run([tile.low, tile.high])?;
        Ok(())
    }

    /// Takes a tile apart. Its rows become single, `gone` excepted.
    fn unpack(&self, conn: &Connection, tiling: &Tiling, tile: Place, gone: Option<i64>) -> Result<()> {
        let mut bytes = Vec::with_capacity(tiling.bytes());
        for at in 0..tiling.pieces {
            let mut read = conn.prepare_cached(&self.sql.tile_piece)?;
            let mut rows = read.query([tile.first + at as i64])?;
            match rows.next()? {
                Some(row) => bytes.extend_from_slice(blob(row.get_ref(0)?).unwrap_or_default()),
                None => return Err(self.bad_tile(tile)),
            }
            if bytes.len() != (0..=at).map(|at| tiling.piece_len(at)).sum::<usize>() {
                return Err(self.bad_tile(tile));
            }
        }
        for rowid in (tile.low..=tile.high).filter(|rowid| Some(*rowid) != gone) {
            let place = tiling.slot_of(rowid).unwrap_or(tile);
            let mut vectors: Vec<Option<Vec<u8>>> = Vec::with_capacity(self.specs.len());
            for (column, spec) in self.specs.iter().enumerate() {
                let mut vector = vec![0.0; spec.dim];
                let from = tiling.range(place, column).and_then(|range| bytes.get(range)).unwrap_or_default();
                match tiling.read(column, from, &mut vector) {
                    Some(there) => vectors.push(there.then(|| encode_vector(spec, &vector))),
                    None => return Err(self.bad_tile(tile)),
                }
            }
            if vectors.iter().any(Option::is_some) {
                let slices: Vec<Option<&[u8]>> = vectors.iter().map(Option::as_deref).collect();
                self.put_single(conn, rowid, &slices)?;
            }
        }
        conn.prepare_cached(&self.sql.tile_delete)?.run([tile.first, tile.last])?;
        Ok(())
    }

    /// What is wrong with the tiles, one sentence for each.
    pub fn check_tiles(&self, conn: &Connection) -> Result<Vec<String>> {
        let (Some(tiling), table) = (&self.tiling, &self.table) else { return Ok(Vec::new()) };
        if !self.has_index(conn)? {
            return Ok(Vec::new());
        }
        let mut found: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        let mut defects = Vec::new();
        let sql = format!("SELECT id, data FROM {} ORDER BY id", self.name("tiles"));
        let mut statement = conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let length = blob(row.get_ref(1)?).map(<[u8]>::len);
            match tiling.place_of_piece(id) {
                Some(tile)
                    if length == usize::try_from(id - tile.first).ok().map(|at| tiling.piece_len(at)) =>
                {
                    found.entry(tile.first).or_default().insert(id);
                }
                _ => defects.push(format!("{table}_tiles: piece {id} is damaged")),
            }
        }
        let short = found.iter().filter(|(_, pieces)| pieces.len() != tiling.pieces);
        defects
            .extend(short.map(|(first, _)| format!("{table}_tiles: pieces of the tile {first} are missing")));
        defects.truncate(10);
        Ok(defects)
    }
}

#[cfg(test)]
mod tests;
