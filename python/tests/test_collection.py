"""A collection: made, written, read, changed."""

import sqlite3

import pytest

import nearlite


def vectors(count, dim=4):
    return [[float(row == column % count) + row / 10 for column in range(dim)] for row in range(count)]


@pytest.fixture
def docs(db):
    made = nearlite.Collection(db, "docs").create(dim=4, text=["body"], columns={"year": int, "open": bool})
    made.add(
        ids=["a", "b", "c"],
        texts=["an owl at night", "a wolf at night", "a falcon by day"],
        vectors=vectors(3),
        metadatas=[{"year": 2004, "tags": ["a", "b"]}, {"open": True, "deep": {"er": 1}}, None],
    )
    return made


def test_what_was_written_is_read(docs):
    rows = docs.get(["c", "missing", "a"], include_vectors=True)
    assert rows.ids == ["c", "a"]
    assert rows.texts == ["a falcon by day", "an owl at night"] and rows.metadatas == [{}, {"year": 2004, "tags": ["a", "b"]}]
    assert rows[1].text == "an owl at night" and rows[1].texts == {"body": "an owl at night"}
    assert rows[1].metadata == {"year": 2004, "tags": ["a", "b"]}
    assert rows[0].metadata == {}
    assert rows[1].vector == pytest.approx(vectors(3)[0])
    assert docs.get_one("b").metadata == {"open": True, "deep": {"er": 1}}
    assert docs.get_one("b").vector is None
    assert docs.get_one("missing") is None
    assert docs.exists("a") and not docs.exists("x")
    assert docs.count() == 3 and docs.count({"year": {"$gte": 2000}}) == 1 and docs.count("year > ?", [2010]) == 0


def test_declared_keys_are_columns_of_the_table(docs, db):
    assert db.execute("SELECT year, open, meta FROM docs ORDER BY id").fetchall() == [
        (2004, None, '{"tags":["a","b"]}'),
        (None, 1, '{"deep":{"er":1}}'),
        (None, None, "{}"),
    ]


def test_upsert_replaces_the_whole_row(docs):
    docs.upsert(ids=["a", "d"], texts=["new", "newer"])
    assert docs.count() == 4
    assert docs.get_one("a", include_vectors=True).to_dict() == {"id": "a", "body": "new", "metadata": {}, "embedding": None}


def test_update_changes_what_is_given(docs):
    assert docs.update(ids=["a", "nobody"], metadatas=[{"year": 2005, "tags": None, "x": 1}, {"year": 1}]) == 1
    assert docs.get_one("a").metadata == {"year": 2005, "x": 1}
    assert docs.get_one("a").text == "an owl at night"
    assert docs.update(ids=["a", "b"], metadatas=[{"year": None}, {}], texts=["new", "newer"]) == 2
    assert docs.get_one("a").metadata == {"x": 1} and docs.get_one("b").text == "newer"
    assert docs.update(ids=["c"], vectors=[[0, 0, 0, 9]]) == 1
    assert docs.search([0, 0, 0, 1], k=1).ids == ["c"]
    assert docs.count() == 3


def test_delete_counts_the_rows_that_were_there(docs):
    docs.optimize()
    assert docs.delete("nobody") == 0
    assert docs.delete(["a", "nobody"]) == 1
    assert docs.delete(where={"open": True}) == 1
    for blank in ("", " \n"):
        with pytest.raises(nearlite.InputError, match="where: the condition is empty; delete takes ids or where; where={} deletes every row"):
            docs.delete(where=blank)
        with pytest.raises(nearlite.InputError, match="where: the condition is empty; update_where takes a filter; {} changes every row"):
            docs.update_where(blank, {"year": 1})
    assert docs.get().metadatas == [{}]
    assert docs.delete(where={}) == 1
    assert docs.count() == 0
    with pytest.raises(nearlite.InputError, match="deletes every row"):
        docs.delete()


def test_ids_are_made_up_where_none_are_given(db):
    texts = nearlite.Collection(db, "t").create(dim=1)
    made = texts.add(texts=["x", "y"])
    assert len(set(made)) == 2 and texts.get(made).ids == made
    numbers = nearlite.Collection(db, "n").create(dim=1, key_type=int)
    assert numbers.add(texts=["x", "y"]) == [1, 2]
    assert numbers.add(ids=[40], texts=["z"]) == [40]
    assert numbers.get([40, 1])[0].text == "z"
    bare = nearlite.Collection(db, "bare").create(dim=1, key=None)
    assert bare.add(texts=["x"], vectors=[[1]]) == [1]
    assert bare.search([1]).ids == [1]
    assert bare.upsert(ids=[1], texts=["new"]) == [1] and bare.get_one(1).text == "new"


def test_no_rows_are_no_mistake(docs):
    assert docs.add([]) == [] and docs.upsert(ids=[], texts=[], vectors=[]) == [] and docs.get([]).ids == [] and docs.delete([]) == 0
    assert docs.search_many([]) == []


def test_several_text_and_vector_columns(db):
    docs = nearlite.Collection(db, "docs").create(dim={"title_vec": 2, "body_vec": 3}, text={"title": 2.0, "body": 1})
    docs.add(
        ids=["a", "b"],
        texts={"title": ["owls", "wolves"], "body": ["night", None]},
        vectors={"title_vec": [[1, 0], [0, 1]], "body_vec": [[1, 0, 0], None]},
    )
    row = docs.get_one("b", include_vectors=True)
    assert row.texts == {"title": "wolves", "body": None} and row.vectors == {"title_vec": [0, 1], "body_vec": None}
    assert docs.search([0, 0, 1], column="body_vec").ids == ["a"]
    assert docs.search([0, 1], k=1).ids == ["b"]
    assert docs.search(text="night", text_column="title").ids == []
    with pytest.raises(nearlite.SchemaError, match="its vector columns: title_vec, body_vec"):
        docs.search([1], column="nope")


def test_a_table_that_sql_made(db):
    db.execute(
        """CREATE VIRTUAL TABLE "my ""docs" USING nearlite(
          -- a comment, (with brackets)
          [the id] TEXT PRIMARY KEY, `a title` FULLTEXT WEIGHT 2, year INT NOT NULL, note UNINDEXED,
          v FLOAT[3] METRIC l2 INDEX hnsw(m=8, ef_construction=64) CODES none, price REAL /* and another */, model = 'it''s')"""
    )
    docs = nearlite.Collection(db, 'my "docs').open()
    assert docs.schema.model == "it's" and docs.schema.vector().dim == 3 and docs.schema.vector().metric == "l2"
    docs.add(ids=["x"], texts=["words"], vectors=[[1, 2, 3]], metadatas=[{"year": 7, "note": [1, 2], "price": 1.5}])
    assert docs.search([1, 2, 3], where={"year": 7})[0].metadata == {"year": 7, "note": "[1,2]", "price": 1.5}
    with pytest.raises(nearlite.InputError, match="no column 'other' and no JSON column"):
        docs.add(ids=["y"], metadatas=[{"year": 1, "other": 2}])
    with pytest.raises(nearlite.FilterError, match="no column 'other' and no JSON column"):
        docs.search([1, 2, 3], where={"other": 2})
    assert nearlite.collections(db) == ['my "docs']


def test_a_schema_that_changes_is_noticed(db):
    docs = nearlite.Collection(db, "docs").create(dim=2)
    docs.add(ids=["a"], vectors=[[1, 0]])
    db.execute("DROP TABLE docs")
    with pytest.raises(nearlite.SchemaError, match="there is no collection 'docs'"):
        docs.count()
    docs.create(dim=3)
    docs.add(ids=["a"], vectors=[[1, 0, 0]])
    docs.drop()
    assert nearlite.collections(db) == []


def test_a_collection_in_a_file_that_was_attached(path, db):
    db.execute("ATTACH ? AS other", [path])
    docs = nearlite.Collection(db, "docs", database="other").create(dim=2)
    docs.add(ids=["a"], texts=["x"], vectors=[[1, 0]])
    assert docs.search([1, 0]).ids == ["a"] and docs.info()["rows"] == 1 and docs.recall() == 1
    assert nearlite.collections(db) == [] and nearlite.collections(db, "other") == ["docs"]


def test_create_if_missing_opens_what_is_there(path):
    for _ in range(2):
        db = nearlite.connect(path)
        docs = nearlite.Collection(db, "docs").create_if_missing(dim=2)
        docs.upsert(ids=["a"], vectors=[[1, 0]])
        assert docs.count() == 1
        db.close()


def test_a_write_is_part_of_the_transaction_that_is_open(docs, db):
    db.execute("BEGIN")
    docs.add(ids=["d"], texts=["x"])
    with pytest.raises(nearlite.ExistsError):
        docs.add(ids=["e", "d"], texts=["x", "y"])
    assert docs.exists("d") and not docs.exists("e") and db.in_transaction
    db.rollback()
    assert not docs.exists("d")


@pytest.mark.parametrize("using", ["sqlite3", "apsw", "pysqlite3", "sqlean"])
def test_every_module_of_sqlite(using, tmp_path):
    pytest.importorskip(using)
    db = nearlite.connect(str(tmp_path / "x.db"), using=using)
    docs = nearlite.Collection(db, "docs").create(dim=2, columns={"year": int})
    assert docs.add(ids=["a", "b"], texts=["x", "y"], vectors=[[1, 0], [0, 1]], metadatas=[{"year": 1}, {"k": "v"}]) == ["a", "b"]
    assert docs.search([1, 0.1], "y", where={"year": 1}).ids == ["a"]
    assert docs.search([1, 0.1], where={"k": "v"}).ids == ["b"]
    assert [hit.id for hit in docs.iterate([0, 1])] == ["b", "a"]
    with pytest.raises(nearlite.ExistsError):
        docs.add(ids=["c", "a"])
    assert docs.update(ids=["a", "x"], metadatas=[{"year": 2}, {"year": 2}]) == 1
    docs.add_column("stars INTEGER DEFAULT 3")
    assert docs.update_where({"year": 2}, {"stars": 4, "k": "w"}) == 1 and docs.get_one("a").metadata == {"stars": 4, "year": 2, "k": "w"}
    assert docs.facets("k") == [("v", 1), ("w", 1)] and docs.get(order_by="-stars").ids == ["a", "b"]
    docs.drop_column("stars")
    with pytest.raises(nearlite.SchemaError, match="stars"):
        docs.drop_column("stars")
    assert docs.optimize(progress=lambda report: None)["segments"] == 1
    assert docs.delete(["a", "x"]) == 1 and docs.count() == 1
    db.close()
    with pytest.raises(nearlite.ClosedError):
        docs.count()


def test_the_row_factory_of_the_connection_does_not_matter(docs, db):
    db.row_factory = sqlite3.Row
    assert docs.search(words="owl")[0].metadata["year"] == 2004
    db.row_factory = lambda cursor, row: 1 / 0
    assert docs.count() == 3 and docs.get_one("a").id == "a"
    for factory in (bytes, lambda data: 1 / 0):
        # What makes bytes of texts made them of ids, too, so that no row was the one that was asked for.
        db.row_factory, db.text_factory = None, factory
        assert docs.get(["a"])[0].metadata == {"year": 2004, "tags": ["a", "b"]} and docs.get(where={"year": 2004}).ids == ["a"]
        assert [hit.id for hit in docs.iterate(words="owl")] == ["a"] and [rows.ids for rows in docs.batches(5)] == [["a", "b", "c"]]
        assert db.text_factory is factory


def test_upkeep(docs):
    docs.flush()
    docs.set("ef_search", 50)
    docs.set("maintenance", "manual")
    with pytest.raises(nearlite.InputError, match="maintenance is one of auto, commit, manual"):
        docs.set("maintenance", "never")
    docs.optimize()
    docs.rebuild()
    docs.verify()
    info = docs.info()
    assert (info["rows"], info["segments"], info["delta"], info["dead"]) == (3, 1, 0, 0)
    assert (info["dead_bytes"], info["maintenance"]) == (0, None) and info["free_bytes"] >= 0
    assert info["disk_bytes"] > 0 and {part["kind"] for part in info["columns"]} == {"metadata", "full text", "vector"}
    assert docs.recall(10, 2) == 1.0


def test_all_rows_batch_by_batch(docs):
    assert [rows.ids for rows in docs.batches(2)] == [["a", "b"], ["c"]]
    assert [rows.ids for rows in docs.batches(5, where={"year": 2004})] == [["a"]]


def test_maintenance_in_slices_reports_and_can_be_stopped(db):
    docs = nearlite.Collection(db, "docs").create(dim=2)
    docs.set("delta_rows", 10)
    for at in range(30):
        docs.add(ids=[f"{at}.{n}" for n in range(20)], vectors=[[at + 1, n] for n in range(20)])
    reports = []
    done = docs.maintain(progress=reports.append)
    assert done["finished"] and reports[-1] == done and set(done) == {"slices", "segments", "finished"}
    assert docs.info()["segments"] == done["segments"]
    docs.verify()
    assert len([None for _ in range(2) if docs.maintain(progress=lambda report: False)]) == 2
    assert docs.maintain(budget=0)["finished"] in (True, False)
    assert docs.count() == 600 and docs.search([1, 0], k=1).ids == ["0.0"]


def test_columns_that_come_and_go_are_noticed(docs, db):
    docs.search([1, 0, 0, 0])
    db.execute("SELECT nearlite_alter('docs', 'ADD COLUMN stars INTEGER DEFAULT 2020')")
    assert docs.schema.by_name["stars"].type == "INTEGER"
    assert all(hit.metadata["stars"] == 2020 for hit in docs.search([1, 0, 0, 0], where={"stars": 2020}))
    db.execute("SELECT nearlite_alter('docs', 'RENAME COLUMN stars TO rating')")
    assert docs.count({"rating": 2020}) == docs.count()


def test_metadata_may_be_called_like_a_measure_where_the_hidden_columns_have_a_prefix(db):
    with pytest.raises(nearlite.InputError, match="hidden_prefix"):
        nearlite.Collection(db, "docs").create(dim=2, columns={"score": float})
    docs = nearlite.Collection(db, "docs").create(dim=2, columns={"score": float, "rank": int}, hidden_prefix="nl_")
    docs.add(
        ids=["a", "b"], texts=["owl", "hawk"], vectors=[[1, 0], [0, 1]], metadatas=[{"score": 0.5, "rank": 7}, {"score": 2.5, "distance": "far"}]
    )
    hit = docs.search([1, 0], "owl", where={"score": {"$lt": 1}}, exact=True, ef_search=50)[0]
    assert (hit.id, hit.metadata, hit.vector_rank) == ("a", {"score": 0.5, "rank": 7}, 1) and hit.score > 0.9
    assert docs.search([0, 1], within=0.5).ids == ["b"] and docs.search(words="hawk", min_score=0.1).ids == ["b"]
    docs.set("ef_search", 99)
    assert nearlite.Collection(db, "docs").open().schema.hidden("rank") == "nl_rank"


def test_the_rowid_is_the_id_of_a_table_without_a_key(db):
    docs = nearlite.Collection(db, "docs").create(dim=2, key=None)
    made = [{"text": "a", "embedding": [1, 0], "n": 1}, {"text": "b", "embedding": [0, 1], "n": 2}]
    assert docs.add(made) == [1, 2]
    # It was a key of the metadata to lists of dictionaries, filters, orders and counts.
    assert docs.upsert([{"rowid": 1, "text": "A", "embedding": [1, 0]}]) == [1]
    assert docs.update([{"rowid": 2, "n": 3}]) == 1
    assert docs.get().to_dicts() == [{"rowid": 1, "text": "A", "metadata": {}}, {"rowid": 2, "text": "b", "metadata": {"n": 3}}]
    for where, ids in [
        ({"rowid": {"$in": [2, 7]}}, [2]),
        ({"rowid": 1}, [1]),
        ({"$or": [{"rowid": 1}, {"n": 3}]}, [1, 2]),
        ({"$not": {"rowid": {"$gt": 1}}}, [1]),
        ({"rowid": {"$in": list(range(2, 500))}}, [2]),
        (nearlite.filters.OfMetadata({"rowid": 1}), []),
    ]:
        assert docs.get(where=where).ids == ids and sorted(docs.search([1, 0], where=where).ids) == ids, where
        assert docs.explain([1, 0], where=where).plan.get("passing", 0) == len(ids), where
    assert docs.get(order_by="-rowid").ids == [2, 1] == docs.search(order_by="-rowid").ids
    assert docs.facets("rowid") == [(1, 1), (2, 1)] and docs.search([1, 0], group_by="rowid").ids == [1, 2]
    assert docs.get(columns=["rowid"]).ids == [1, 2]
    with pytest.raises(nearlite.InputError, match="an id is that of one row"):
        docs.update_where({}, {"rowid": 3})
    # Beside a key it is a name like others.
    other = nearlite.Collection(db, "other").create(dim=2)
    other.add([{"id": "a", "rowid": 7}])
    assert other.get(where={"rowid": 7})[0].metadata == {"rowid": 7}


@pytest.mark.parametrize("meta", ["meta", None])
def test_none_is_no_value_of_a_declared_column(db, meta):
    docs = nearlite.Collection(db, "docs").create(dim=2, columns={"year": int, "lang": str}, meta=meta)
    full = {"year": 1, "lang": "en"}
    # It went into the JSON beside the column, and without such a column it was refused.
    docs.add(ids=["a", "b"], metadatas=[{"year": None}, full])
    docs.add([{"id": "c", "year": None}, {"id": "d", **full}])
    docs.upsert(ids=["b"], metadatas=[{"year": None, "lang": "en"}])
    assert docs.get().metadatas == [{}, {"lang": "en"}, {}, full]
    assert docs.get(where={"year": {"$exists": True}}).ids == ["d"]
    assert docs.update(ids=["b"], metadatas=[{"lang": None}]) == 1 and docs.update([{"id": "d", "year": None}]) == 1
    assert docs.get().metadatas == [{}, {}, {}, {"lang": "en"}]
    assert docs.update_where({"lang": "en"}, {"lang": None, "year": 3}) == 1
    assert docs.get_one("d").metadata == {"year": 3}
    assert docs.update_where({}, {"year": None}) == 4 and docs.get().metadatas == [{}] * 4
    if meta is not None:
        assert db.execute("SELECT DISTINCT meta FROM docs").fetchall() == [("{}",)]


def test_none_removes_a_key_from_before_its_column_too(db):
    docs = nearlite.Collection(db, "docs").create(dim=2)
    docs.add(ids=["a", "b"], metadatas=[{"stars": 1, "x": None}, {"stars": 2}])
    docs.add_column("stars INTEGER")
    assert docs.get_one("a").metadata == {"stars": 1, "x": None}
    docs.update(ids=["a"], metadatas=[{"stars": None}])
    assert docs.update_where({"id": "b"}, {"stars": None}) == 1
    assert docs.get().metadatas == [{"x": None}, {}]
