"""Everything that changes a table, in random order: each answer is compared with an ordinary table that went through the same.

The twin `plain` stands in the same file, so transactions, savepoints and snapshots treat both alike. `NEARLITE_SEED` gives other runs.
"""

import json
import os
import random

import numpy as np
import pytest

import model

WORDS = ["all", "owl", "hawk", "heron", "herring", "kite", "getUserById", "the"]
SEED = int(os.environ.get("NEARLITE_SEED", "1"))
STEPS = 110
POOL = ["stars", "note", "flag", "info", "price", "score", "k", "rank"]
KINDS = ["TEXT", "INTEGER", "REAL", "BOOLEAN", "JSON", "UNINDEXED"]


def quoted(value):
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, (int, float)) else "'" + value.replace("'", "''") + "'"


class World:
    """One table `docs`, its twin, and the connections that use them."""

    def __init__(self, host, path, seed):
        self.host, self.path, self.rng = host, path, random.Random(seed)
        self.prefix = self.rng.choice(["", "nl_"])
        self.key = self.rng.choice(["TEXT", "INTEGER", None])
        self.operator = self.rng.choice(["or", "and"])
        self.stop = self.rng.choice([True, False])
        self.log = []
        self.depth = 0
        self.reader = None
        self.next_id = 1
        self.attached = self.rng.random() < 0.25
        self.mode = "auto"
        self.journal = self.rng.choice(["WAL", "WAL", "DELETE"])
        self.open()
        self.columns = {"lang": "TEXT", "year": "INTEGER", "meta": "JSON", "raw": "UNINDEXED", "need": "INTEGER"}
        self.needed = {"need": 7}
        self.texts = ["title", "body"]
        options = f", operator = '{self.operator}'" + (", stop_words = 'en'" if self.stop else "")
        options += f", hidden_prefix = '{self.prefix}'" if self.prefix else ""
        key = {"TEXT": "id TEXT PRIMARY KEY, ", "INTEGER": "id INTEGER PRIMARY KEY, ", None: ""}[self.key]
        schema = "two." if self.attached else ""
        self.do(
            f"CREATE VIRTUAL TABLE {schema}docs USING nearlite({key}title FULLTEXT TOKENIZER 'code' WEIGHT 2.0, body TEXT FULLTEXT, lang TEXT, "
            f"year INTEGER, meta JSON, raw UNINDEXED, need INTEGER NOT NULL DEFAULT 7, e VECTOR(6) METRIC l2{options})"
        )
        plain_key = "id TEXT UNIQUE, " if self.key == "TEXT" else ""
        self.do(f"CREATE TABLE {schema}plain(rid INTEGER PRIMARY KEY, {plain_key}title, body, lang, year, meta, raw, need NOT NULL, e)")
        self.do("INSERT INTO docs(docs, rank) VALUES('delta_rows', 24)".replace("rank", self.prefix + "rank"))

    # ---- connections ----

    def connect(self):
        if self.attached:
            db = self.host.open(":memory:")
            db.rows(f"ATTACH '{self.path}' AS two")
        else:
            db = self.host.open(self.path)
        return db

    def open(self):
        self.db = self.connect()
        self.db.rows(f"PRAGMA {'two.' if self.attached else ''}journal_mode = {self.journal}")

    def do(self, sql, *params):
        self.log.append((sql, params))
        return self.db.rows(sql, *params)

    def both(self, sql, *params):
        self.do(sql.replace("TABLE", "docs"), *params)
        self.do(sql.replace("TABLE", "plain").replace("rowid", "rid"), *params)

    def command(self, name, value=None):
        if value is None:
            self.do("INSERT INTO docs(docs) VALUES(?)", name)
        else:
            self.do(f"INSERT INTO docs(docs, {self.prefix}rank) VALUES(?, ?)", name, value)

    # ---- values ----

    def value(self, kind):
        rng = self.rng
        if rng.random() < 0.12:
            return None
        return {
            "TEXT": lambda: rng.choice(["de", "en", "es", "", "ä"]),
            "INTEGER": lambda: rng.randrange(2000, 2008),
            "REAL": lambda: rng.randrange(6) / 2,
            "BOOLEAN": lambda: rng.randrange(2),
            "JSON": lambda: json.dumps({"n": rng.randrange(5), "t": rng.sample(["a", "b", "c"], 2), "o": {"x": rng.choice(["p", "q", None])}}),
            "UNINDEXED": lambda: rng.choice([1, "x", 2.5]),
        }[kind]()

    def text(self):
        return None if self.rng.random() < 0.1 else " ".join(self.rng.choices(WORDS, k=self.rng.randrange(1, 5)))

    def vector(self):
        return None if self.rng.random() < 0.08 else model.blob([self.rng.choice([0, 1, 2, 3]) + self.rng.random() for _ in range(6)])

    def some_rowid(self):
        ids = [row[0] for row in self.db.rows("SELECT rid FROM plain")]
        return self.rng.choice(ids) if ids else 1

    # ---- what changes the table ----

    def insert(self):
        for _ in range(self.rng.randrange(1, 18)):
            rowid, self.next_id = self.next_id, self.next_id + 1
            given = {c: self.value(k) for c, k in self.columns.items() if self.rng.random() < 0.85}
            given |= {"title": self.text(), "body": self.text(), "e": self.vector()}
            if self.key == "TEXT":
                given["id"] = f"key {rowid}"
            names = [f'"{c}"' for c in given]
            self.do(f"INSERT INTO docs(rowid, {', '.join(names)}) VALUES(?{', ?' * len(names)})", rowid, *given.values())
            stored = given | {c: given.get(c) if given.get(c) is not None else d for c, d in self.needed.items()}
            names = [f'"{c}"' for c in stored]
            self.do(f"INSERT INTO plain(rid, {', '.join(names)}) VALUES(?{', ?' * len(names)})", rowid, *stored.values())

    def new_value(self, column):
        value = self.value(self.columns[column])
        return self.needed[column] if value is None and column in self.needed else value

    def metadata(self):
        for _ in range(self.rng.randrange(1, 8)):
            columns = self.rng.sample(list(self.columns), self.rng.randrange(1, min(3, len(self.columns)) + 1))
            sets = ", ".join(f'"{c}" = ?' for c in columns)
            self.both(f"UPDATE TABLE SET {sets} WHERE rowid = ?", *(self.new_value(c) for c in columns), self.some_rowid())

    def metadata_of_many(self):
        column = self.rng.choice(list(self.columns))
        low = self.some_rowid()
        self.both(f'UPDATE TABLE SET "{column}" = ? WHERE rowid BETWEEN ? AND ?', self.new_value(column), low, low + 25)

    def reindexed(self):
        for _ in range(self.rng.randrange(1, 5)):
            what = self.rng.choice(["title", "body", "e"])
            more = self.rng.choice(list(self.columns))
            new = self.vector() if what == "e" else self.text()
            self.both(f'UPDATE TABLE SET {what} = ?, "{more}" = ? WHERE rowid = ?', new, self.new_value(more), self.some_rowid())

    def replace(self):
        """INSERT OR REPLACE: by rowid, and a TEXT key that stays with its rowid."""
        rowid = self.some_rowid()
        given = {c: self.new_value(c) for c in self.columns} | {"title": self.text(), "body": self.text(), "e": self.vector()}
        if self.key == "TEXT":
            given["id"] = f"key {self.next_id} r{self.rng.randrange(10**9)}"
        names = ", ".join(f'"{c}"' for c in given)
        self.both(f"INSERT OR REPLACE INTO TABLE(rowid, {names}) VALUES(?{', ?' * len(given)})", rowid, *given.values())

    def change_key(self):
        if self.key == "TEXT":
            self.both("UPDATE TABLE SET id = ? WHERE rowid = ?", f"new {self.rng.randrange(10**9)}", self.some_rowid())
        else:
            self.next_id += 1
            self.both("UPDATE TABLE SET rowid = ? WHERE rowid = ?", self.next_id - 1, self.some_rowid())

    def delete(self):
        for _ in range(self.rng.randrange(1, 6)):
            self.both("DELETE FROM TABLE WHERE rowid = ?", self.some_rowid())

    def alter(self, text):
        if self.rng.random() < 0.5:
            self.do("SELECT nearlite_alter('docs', ?)", text)
        else:
            self.command("alter", text)

    def add(self):
        name = self.rng.choice(POOL)
        if name in self.columns or (name in ("score", "k", "rank") and not self.prefix):
            return
        kind = self.rng.choice(KINDS)
        default = self.value(kind) if self.rng.random() < 0.6 else None
        text = f'ADD COLUMN "{name}" {kind}'
        needed = default is not None and self.rng.random() < 0.5
        text += " NOT NULL" if needed else ""
        text += f" DEFAULT {quoted(default)}" if default is not None else ""
        self.alter(text)
        self.do(f'ALTER TABLE plain ADD COLUMN "{name}"')
        self.do(f'UPDATE plain SET "{name}" = ?', default)
        self.columns[name] = kind
        if needed:
            self.needed[name] = default

    def drop(self):
        if len(self.columns) < 3:
            return
        name = self.rng.choice(list(self.columns))
        self.alter(f'DROP COLUMN "{name}"')
        # An ordinary NOT NULL column is dropped as any other.
        self.do(f'ALTER TABLE plain DROP COLUMN "{name}"')
        del self.columns[name]
        self.needed.pop(name, None)

    def rename(self):
        old = self.rng.choice(list(self.columns))
        new = self.rng.choice(POOL + ["lang", "year", "meta"])
        if new in self.columns or (new in ("score", "k", "rank") and not self.prefix):
            return
        self.alter(f'RENAME COLUMN "{old}" TO "{new}"')
        self.do(f'ALTER TABLE plain RENAME COLUMN "{old}" TO "{new}"')
        self.columns = {new if c == old else c: k for c, k in self.columns.items()}
        if old in self.needed:
            self.needed[new] = self.needed.pop(old)

    def flush(self):
        self.command("flush")

    def maintain(self):
        self.command("maintain")

    def slices(self):
        """A few milliseconds of maintenance, which leave jobs under way."""
        if self.depth == 0:
            self.do("SELECT nearlite_maintain('docs', ?)", self.rng.choice([0, 1, 3]))

    def whole(self):
        self.command(self.rng.choice(["optimize", "rebuild"]))

    def setting(self):
        name = self.rng.choice(["maintenance", "maintenance", "delta_rows", "automerge", "threads", "resident_vectors", "operator"])
        value = {
            "maintenance": lambda: self.rng.choice(["auto", "commit", "manual", "background"]),
            "delta_rows": lambda: self.rng.choice([3, 10, 24, 60]),
            "automerge": lambda: self.rng.choice([0, 2, 3]),
            "threads": lambda: self.rng.choice([1, 2]),
            "resident_vectors": lambda: self.rng.randrange(2),
            "operator": lambda: self.rng.choice(["or", "and"]),
        }[name]()
        if name == "operator":
            self.operator = value
        self.command(name, value)

    def saved(self):
        return dict(self.columns), dict(self.needed), self.operator

    def transaction(self):
        """Some changes, part of which are rolled back, then all or none."""
        if self.depth:
            return
        self.depth = 1
        outer = self.saved()
        self.do("BEGIN IMMEDIATE")
        for _ in range(self.rng.randrange(1, 4)):
            self.change()
            before = self.saved()
            self.do("SAVEPOINT s")
            for _ in range(self.rng.randrange(1, 4)):
                self.change()
            if self.rng.random() < 0.3:
                self.check(self.db)
            if self.rng.random() < 0.5:
                self.do("ROLLBACK TO s")
                self.columns, self.needed, self.operator = before
            self.do("RELEASE s")
        if self.rng.random() < 0.3:
            self.do("ROLLBACK")
            self.columns, self.needed, self.operator = outer
        else:
            self.do("COMMIT")
        self.depth = 0

    def snapshot(self):
        """A second connection begins to read, or ends: what it sees is one state of the past."""
        if self.depth or self.journal != "WAL":
            return
        if self.reader is None:
            db = self.connect()
            db.rows("BEGIN")
            db.rows("SELECT count(*) FROM plain")
            if self.rng.random() < 0.5:
                db.rows("SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1,1,1]'")
            self.reader = db, self.saved()
        else:
            (db, there), self.reader = self.reader, None
            here = self.saved()
            self.columns, self.needed, self.operator = there
            self.check(db)
            self.columns, self.needed, self.operator = here
            db.rows("COMMIT")
            self.check(db)
            db.close()

    def swap(self):
        """Another connection writes from now on; the first is closed or not."""
        if self.depth:
            return
        self.log.append(("reopen", ()))
        if self.rng.random() < 0.5:
            self.db.close()
            self.open()
        else:
            old = self.db
            self.open()
            old.close()

    def vacuum(self):
        if self.depth or self.reader:
            return
        self.do(f"VACUUM{' two' if self.attached else ''}")

    def release(self):
        if self.depth == 0:
            self.do("SELECT nearlite_release()")

    def change(self):
        actions = {
            self.insert: 10, self.metadata: 10, self.metadata_of_many: 3, self.reindexed: 6, self.replace: 3, self.change_key: 2, self.delete: 4,
            self.add: 5, self.drop: 3, self.rename: 3, self.flush: 2, self.maintain: 1, self.slices: 3, self.whole: 1, self.setting: 2,
            self.transaction: 3, self.snapshot: 3, self.swap: 1, self.vacuum: 0.5, self.release: 0.5,
        }
        self.rng.choices(list(actions), list(actions.values()))[0]()

    # ---- conditions: (of docs, of plain) ----

    def leaf(self):
        """A part of a filter of row_matches, and the same in SQL that is never NULL."""
        usable = [c for c, k in self.columns.items() if k != "UNINDEXED"]
        column, rng = self.rng.choice(usable) if usable else None, self.rng
        if column is None:
            return {}, "1"
        kind, c = self.columns[column], f'"{column}"'
        if rng.random() < 0.2:
            there = rng.random() < 0.5
            return {column: {"$exists": there}}, f"{c} IS {'NOT ' if there else ''}NULL"
        if kind == "JSON":
            n = rng.randrange(5)
            return rng.choice([
                ({f"{column}.n": n}, f"ifnull(json_extract({c}, '$.n') = {n}, 0)"),
                ({f"{column}.n": {"$lt": n}}, f"ifnull(json_extract({c}, '$.n') < {n}, 0)"),
                ({f"{column}.t": {"$contains": "a"}}, f"ifnull(json_extract({c}, '$.t') LIKE '%\"a\"%', 0)"),
                ({f"{column}.o.x": "p"}, f"ifnull(json_extract({c}, '$.o.x') = 'p', 0)"),
            ])
        value = self.value(kind)
        if value is None:
            return {column: None}, f"{c} IS NULL"
        given = bool(value) if kind == "BOOLEAN" else value
        choices = [({column: given}, f"{c} IS {quoted(value)}"), ({column: {"$ne": given}}, f"{c} IS NOT {quoted(value)}")]
        if kind != "BOOLEAN":
            choices.append(({column: {"$gte": given}}, f"ifnull({c} >= {quoted(value)}, 0)"))
        return rng.choice(choices)

    def tree(self, depth=0):
        if depth == 2 or self.rng.random() < 0.4:
            return self.leaf()
        parts = [self.tree(depth + 1) for _ in range(2)]
        word = self.rng.choice(["$and", "$or", "$not"])
        if word == "$not":
            return {"$not": parts[0][0]}, f"NOT ({parts[0][1]})"
        return {word: [p[0] for p in parts]}, "(" + f" {word[1:].upper()} ".join(p[1] for p in parts) + ")"

    def term(self, inside):
        rng, columns = self.rng, [c for c, k in self.columns.items() if k != "UNINDEXED" or not inside]
        if rng.random() < 0.35 or not columns:
            given, sql = self.tree()
            return f"row_matches(docs, {quoted(json.dumps(given))})", sql
        column = rng.choice(columns)
        kind, c = self.columns[column], f'"{column}"'
        if rng.random() < 0.15:
            return (sql := f"{c} IS {rng.choice(['', 'NOT '])}NULL"), sql
        if kind == "JSON":
            given = rng.choice([{"n": rng.randrange(5)}, {"n": {"$gt": 2}}, {"t": {"$contains": "b"}}, {"o.x": None}, {"o.x": {"$ne": "p"}}])
            return (sql := f"json_matches({c}, {quoted(json.dumps(given))})"), sql
        value = None
        while value is None:
            value = self.value(kind)
        more = self.value(kind) or value
        sql = rng.choice([f"{c} = {quoted(value)}", f"{c} <> {quoted(value)}", f"{c} >= {quoted(value)}", f"{c} IN ({quoted(value)}, {quoted(more)})"])
        if kind == "TEXT" and rng.random() < 0.2:
            sql = f"{c} LIKE 'e%'"
        return sql, sql

    def condition(self, inside=False):
        """`inside`: only what the search itself looks at."""
        terms = [self.term(inside) for _ in range(self.rng.randrange(0, 3))]
        return "".join(f" AND {t[0]}" for t in terms), "".join(f" AND {t[1]}" for t in terms)

    # ---- what is compared ----

    def nearest(self, db, where, query, metric="l2"):
        rows = db.rows(f"SELECT rid, e FROM plain WHERE e IS NOT NULL{where}")
        return model.nearest({rowid: model.floats(e) for rowid, e in rows}, query, metric)

    @staticmethod
    def holds(word, *columns):
        """A condition of `plain`: one of the columns has the word."""
        return "(" + " OR ".join(f"' ' || ifnull({c}, '') || ' ' LIKE '% {word} %'" for c in columns) + ")"

    def check(self, db):
        rng, p = self.rng, self.prefix
        names = ", ".join([*(['id'] if self.key == "TEXT" else []), "title", "body", "e", *(f'"{c}"' for c in self.columns)])
        assert db.rows(f"SELECT rowid, {names} FROM docs ORDER BY rowid") == db.rows(f"SELECT rid, {names} FROM plain ORDER BY rid")
        assert db.one("SELECT count(*) FROM docs") == db.one("SELECT count(*) FROM plain")
        query = np.array([rng.randrange(4) + 0.5 for _ in range(6)])
        vec = model.blob(query)
        for _ in range(5):
            searched, plain = self.condition()
            want = self.nearest(db, plain, model.floats(vec))
            sql = f"SELECT rowid, {p}distance FROM docs WHERE e MATCH ?{searched} AND {p}exact = 1 ORDER BY {p}distance LIMIT 12"
            self.place = sql
            model.same_ranking(db.rows(sql, vec), want[:12])
            sql = f"SELECT rowid FROM docs WHERE e MATCH ?{searched}"
            self.place = sql
            assert sorted(db.column(sql, vec)) == sorted(rowid for rowid, _ in want)
        self.check_texts(db, vec)
        self.check_groups(db, vec)
        self.check_like(db)
        for column in self.texts:
            self.place = f"terms of {column}"
            counts = {}
            for (text,) in db.rows(f"SELECT {column} FROM plain WHERE {column} IS NOT NULL"):
                terms = set(text.lower().split())
                if column == "title" and "getuserbyid" in terms:
                    terms |= {"get", "user", "by", "id"}
                for term in terms:
                    counts[term] = counts.get(term, 0) + 1
            assert dict(db.rows(f"SELECT term, rows FROM nearlite_terms('docs', '{column}')")) == counts
            start = rng.choice(["h", "he", "ge", "x"])
            some = {t: n for t, n in counts.items() if t.startswith(start)}
            assert dict(db.rows(f"SELECT term, rows FROM nearlite_terms('docs', '{column}', '{start}')")) == some
        self.place = "schema"
        declared = {c: k for c, k in db.rows("SELECT \"column\", kind FROM nearlite_schema('docs')") if k in ("metadata", "unindexed")}
        assert declared == {c: "unindexed" if k == "UNINDEXED" else "metadata" for c, k in self.columns.items()}

    def check_texts(self, db, vec):
        rng, p = self.rng, self.prefix
        for _ in range(4):
            searched, plain = self.condition()
            words = rng.sample(["owl", "hawk", "kite", "heron"], 2)
            a, b = (self.holds(w, "title", "body") for w in words)
            c = self.holds(words[1][:2] + "%", "title", "body")
            typed = f"words('{' '.join(words)}')"
            text, want = rng.choice([
                (f"text_query({typed}, '{{\"operator\":\"and\"}}')", f"{a} AND {b}"),
                (f"text_query({typed}, '{{\"operator\":\"or\"}}')", f"({a} OR {b})"),
                (f"text_query({typed}, '{{\"minimum_match\":2}}')", f"{a} AND {b}"),
                (typed, f"({a} {self.operator.upper()} {b})"),
                (f"'the {words[0]}'", a if self.stop else f"({self.holds('the', 'title', 'body')} {self.operator.upper()} {a})"),
                (f"text_query('{words[0]} {words[1][:2]}', '{{\"prefix_last\":true,\"operator\":\"and\"}}')", f"{a} AND {c}"),
                (f"'title:{words[0]}'", self.holds(words[0], "title")),
                ("'title:getuserbyid'", self.holds("getUserById", "title")),
                ("'title:user'", self.holds("getUserById", "title")),
                (f"'+{words[0]} -{words[1]}'", f"{a} AND NOT {b}"),
            ])
            want = sorted(db.column(f"SELECT rid FROM plain WHERE {want}{plain}"))
            ranked = f"SELECT rowid FROM docs WHERE docs MATCH {text}{searched} ORDER BY {p}rank"
            counted = f"SELECT count(*) FROM docs WHERE docs MATCH {text}{searched}"
            self.place = ranked
            assert sorted(db.column(ranked)) == want
            assert db.one(counted) == len(want)
        searched, plain = self.condition()
        word = rng.choice(["owl", "kite"])
        sql = f"SELECT rowid FROM docs WHERE docs MATCH hybrid_query('{word}', ?){searched} ORDER BY {p}rank"
        self.place = sql
        either = f"(e IS NOT NULL OR {self.holds(word, 'title', 'body')})"
        assert sorted(db.column(sql, vec)) == sorted(db.column(f"SELECT rid FROM plain WHERE {either}{plain}"))

    def check_groups(self, db, vec):
        group = self.rng.choice([c for c, k in self.columns.items() if k not in ("JSON", "UNINDEXED")] or [None])
        if group is None:
            return
        p, query = self.prefix, model.floats(vec)
        # What SQLite checks behind the search takes the best row of a group without giving another.
        searched, plain = self.condition(inside=True)
        sql = (f'SELECT rowid, {p}distance, "{group}" FROM docs WHERE docs MATCH hybrid_query(near(\'e\', ?), \'{{"group_by":"{group}"}}\')'
               f"{searched} AND {p}exact = 1 ORDER BY {p}rank")
        self.place = sql
        got = db.rows(sql, vec)
        values = dict(db.rows(f'SELECT rid, "{group}" FROM plain'))
        best = {}
        for rowid, distance in self.nearest(db, plain, query):
            best.setdefault(values[rowid], (rowid, distance))
        model.same_ranking(got, list(best.values()))
        assert all(values[rowid] == value for rowid, _, value in got)

    def check_like(self, db):
        rowid = self.some_rowid()
        found = db.rows("SELECT e FROM plain WHERE rid = ?", rowid)
        if not found or found[0][0] is None:
            return
        key = db.one("SELECT id FROM plain WHERE rid = ?", rowid) if self.key == "TEXT" and self.rng.random() < 0.7 else rowid
        searched, plain = self.condition()
        p = self.prefix
        sql = f"SELECT rowid, {p}distance FROM docs WHERE docs MATCH like_row(?){searched} AND {p}exact = 1 ORDER BY {p}rank LIMIT 9"
        self.place = sql, key
        want = [pair for pair in self.nearest(db, plain, model.floats(found[0][0])) if pair[0] != rowid]
        model.same_ranking(db.rows(sql, key), want[:9])
        searched, plain = self.condition()
        sql = f"SELECT rowid FROM docs WHERE docs MATCH like_row(?, '{{\"by\":\"text\",\"text_column\":\"body\",\"terms\":1000}}'){searched}"
        self.place = sql, key
        body = db.one("SELECT body FROM plain WHERE rid = ?", rowid)
        either = " OR ".join(self.holds(w, "body") for w in set((body or "").split())) or "0"
        got, most = db.column(sql, key), db.column(f"SELECT rid FROM plain WHERE rid <> ? AND ({either}){plain}", rowid)
        assert sorted(got) == sorted(most)

    def sound(self):
        self.place = "integrity"
        self.command("integrity-check")
        assert self.db.rows("PRAGMA integrity_check") == [("ok",)]

    def run(self, steps):
        self.insert(), self.insert()
        for step in range(steps):
            self.change()
            if step % 6 == 5:
                self.check(self.db)
            if step % 25 == 24:
                self.sound()
        self.command("rebuild")
        self.check(self.db)
        self.sound()

    def close(self):
        if self.reader:
            self.reader[0].close()
        self.db.close()


@pytest.mark.parametrize("number", range(3))
def test_everything_together_agrees_with_an_ordinary_table(host, path, number):
    seed = SEED * 1000 + number
    print(f"seed {seed}")
    world = World(host, path, seed)
    try:
        world.run(STEPS)
    except BaseException:
        print("at", getattr(world, "place", None), "\nafter", *world.log[-12:], sep="\n")
        raise
    finally:
        world.close()
