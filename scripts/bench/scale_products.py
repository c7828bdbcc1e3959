"""What `scale.py` measures, each through its own Python package. A product takes commits and finds rows; what it cannot do it
leaves out."""

import os
import sqlite3

import numpy as np

import scale_rows


class Product:
    """`folder` is empty; `extension` is nearlite's library. Breadths are what a search may be asked for, None the default."""

    breadths = (None,)
    # What it imports, which is not part of opening a file.
    modules = ()
    has_filter = has_text = True

    def __init__(self, folder, dim, rows, extension=None):
        self.folder, self.dim, self.rows, self.extension = folder, dim, rows, extension
        self.open(new=True)

    def finish(self):
        """What a user calls once after a large load."""

    def maintain(self):
        """Does what is done when nobody writes; false where there is no such thing."""
        return False

    def checkpoint(self):
        """Everything into its files."""

    def segments(self):
        return None


class Nearlite(Product):
    breadths = (None, 16, 24, 32, 64, 128, 256, 512)

    def open(self, new=False):
        self.db = sqlite3.connect(os.path.join(self.folder, "t.db"), isolation_level=None)
        self.db.enable_load_extension(True)
        self.db.load_extension(self.extension)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        if new:
            self.db.execute(f"CREATE VIRTUAL TABLE t USING nearlite(tag INTEGER, body FULLTEXT, e VECTOR({self.dim}))")

    def commit(self, rows, updates, deletes):
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO t(rowid, tag, body, e) VALUES(?, ?, ?, ?)", ((n, tag, text, v.tobytes()) for n, tag, text, v in rows))
        self.db.executemany("UPDATE t SET e = ? WHERE rowid = ?", ((v.tobytes(), n) for n, v in updates))
        self.db.executemany("DELETE FROM t WHERE rowid = ?", ((n,) for n in deletes))
        self.db.execute("COMMIT")

    def finish(self):
        self.db.execute("INSERT INTO t(t) VALUES('optimize')")

    def maintain(self):
        self.db.execute("SELECT nearlite_maintain('t')").fetchone()
        return True

    def checkpoint(self):
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def search(self, vector, k, breadth=None, passes=None):
        more = "" if passes is None else f" AND tag < {passes}"
        more += "" if breadth is None else f" AND ef_search = {breadth}"
        sql = f"SELECT rowid FROM t WHERE e MATCH ?{more} ORDER BY distance LIMIT {k}"
        return [row for (row,) in self.db.execute(sql, (vector.tobytes(),))]

    def words(self, words, k):
        sql = f"SELECT rowid FROM t WHERE t MATCH words(?) ORDER BY rank LIMIT {k}"
        return [row for (row,) in self.db.execute(sql, (words,))]

    def segments(self):
        return self.db.execute("SELECT max(segments) FROM nearlite_info('t')").fetchone()[0]


class SqliteVec(Product):
    """vec0 with the tag as a metadata column, and FTS5 beside it."""

    modules = ("sqlite_vec",)

    def open(self, new=False):
        import sqlite_vec

        self.db = sqlite3.connect(os.path.join(self.folder, "t.db"), isolation_level=None)
        self.db.enable_load_extension(True)
        sqlite_vec.load(self.db)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        if new:
            self.db.execute(f"CREATE VIRTUAL TABLE t USING vec0(tag integer, e float[{self.dim}] distance_metric=cosine)")
            self.db.execute("CREATE VIRTUAL TABLE w USING fts5(body)")

    def commit(self, rows, updates, deletes):
        self.db.execute("BEGIN")
        rows = list(rows)
        self.db.executemany("INSERT INTO t(rowid, tag, e) VALUES(?, ?, ?)", ((n, tag, v.tobytes()) for n, tag, _, v in rows))
        self.db.executemany("INSERT INTO w(rowid, body) VALUES(?, ?)", ((n, text) for n, _, text, _ in rows))
        self.db.executemany("UPDATE t SET e = ? WHERE rowid = ?", ((v.tobytes(), n) for n, v in updates))
        for table in ("t", "w"):
            self.db.executemany(f"DELETE FROM {table} WHERE rowid = ?", ((n,) for n in deletes))
        self.db.execute("COMMIT")

    checkpoint = Nearlite.checkpoint

    def search(self, vector, k, breadth=None, passes=None):
        more = "" if passes is None else f" AND tag < {passes}"
        return [row for (row,) in self.db.execute(f"SELECT rowid FROM t WHERE e MATCH ? AND k = {k}{more}", (vector.tobytes(),))]

    def words(self, words, k):
        sql = f"SELECT rowid FROM w WHERE w MATCH ? ORDER BY rank LIMIT {k}"
        return [row for (row,) in self.db.execute(sql, (" OR ".join(words.split()),))]


class Hnswlib(Product):
    """In memory; its file is written at the end of a load. A filter would be a Python function that is called for each row."""

    modules = ("hnswlib",)
    breadths = (16, 32, 64, 128, 256, 512)
    has_filter = has_text = False

    def open(self, new=False):
        import hnswlib

        self.index = hnswlib.Index("cosine", self.dim)
        if new:
            self.index.init_index(self.rows + 1000, M=16, ef_construction=200, allow_replace_deleted=True)
        else:
            self.index.load_index(os.path.join(self.folder, "t.bin"), allow_replace_deleted=True)
        self.index.set_num_threads(2)

    def commit(self, rows, updates, deletes):
        numbers, vectors = [], []
        for number, _, _, vector in rows:
            numbers.append(number)
            vectors.append(vector)
        if numbers:
            self.index.add_items(np.array(vectors), numbers)
        if updates:
            self.index.add_items(np.array([vector for _, vector in updates]), [number for number, _ in updates])
        for number in deletes:
            self.index.mark_deleted(number)

    def checkpoint(self):
        self.index.save_index(os.path.join(self.folder, "t.bin"))

    def search(self, vector, k, breadth=None, passes=None):
        self.index.set_ef(breadth or 128)
        return self.index.knn_query(vector, k, num_threads=1)[0][0].tolist()


class LanceDb(Product):
    """IVF with an HNSW graph and 8-bit codes in each part, as its pages advise; made after the load, and again by `optimize`."""

    modules = ("lancedb", "pyarrow")
    # At least the rows that are read for `refine_factor`.
    breadths = (None, 4 * 10, 64, 128, 256, 512)
    has_text = False

    def open(self, new=False):
        import lancedb

        self.db = lancedb.connect(self.folder)
        self.table = None if new else self.db.open_table("t")

    def batch(self, rows):
        import pyarrow

        rows = list(rows)
        vectors = pyarrow.array(np.concatenate([v for *_, v in rows]) if rows else np.empty(0, "f4"))
        return pyarrow.table({
            "id": pyarrow.array([n for n, *_ in rows], "int64"),
            "tag": pyarrow.array([tag for _, tag, *_ in rows], "int64"),
            "e": pyarrow.FixedSizeListArray.from_arrays(vectors, self.dim),
        })

    def commit(self, rows, updates, deletes):
        batch = self.batch(rows)
        if self.table is None:
            self.table = self.db.create_table("t", batch)
        elif len(batch):
            self.table.add(batch)
        gone = [*deletes, *(number for number, _ in updates)]
        if gone:
            self.table.delete(f"id IN ({', '.join(map(str, gone))})")
        if updates:
            self.table.add(self.batch((n, scale_rows.tag(n), "", v) for n, v in updates))

    def finish(self):
        self.table.create_index(metric="cosine", vector_column_name="e", index_type="IVF_HNSW_SQ")
        self.table.create_scalar_index("tag")
        self.table.optimize()

    def search(self, vector, k, breadth=None, passes=None):
        query = self.table.search(vector, vector_column_name="e").distance_type("cosine").limit(k).select(["id"])
        if breadth is not None:
            query = query.ef(breadth).refine_factor(4)
        if passes is not None:
            query = query.where(f"tag < {passes}", prefilter=True)
        return query.to_arrow()["id"].to_pylist()


PRODUCTS = {"nearlite": Nearlite, "hnswlib": Hnswlib, "sqlite-vec": SqliteVec, "lancedb": LanceDb}
