"""CREATE VIRTUAL TABLE: what is accepted, what it means, and how a mistake is told."""

import pytest

import model


def create(db, arguments, name="docs"):
    db.rows(f"CREATE VIRTUAL TABLE {name} USING nearlite({arguments})")


def refusal(db, arguments, name="docs"):
    failure = db.failure(f"CREATE VIRTUAL TABLE {name} USING nearlite({arguments})")
    assert db.column("SELECT name FROM sqlite_schema") == [], "a refused CREATE left something behind"
    return failure


FULL = """
    id TEXT PRIMARY KEY, title TEXT FULLTEXT WEIGHT 2.0, body TEXT FULLTEXT, lang TEXT, year INTEGER NOT NULL, price REAL, free BOOLEAN,
    payload TEXT UNINDEXED, embedding VECTOR(4) METRIC cosine, tokenizer = 'en_stem', model = 'all-MiniLM-L6-v2'"""


def test_the_full_declaration_of_the_manual_works(db):
    create(db, FULL)
    db.rows("INSERT INTO docs(id, title, year, embedding) VALUES('a', 'Running', 2020, '[1,0,0,0]')")
    assert db.rows("SELECT id, title, body, lang, year, price, free, payload FROM docs") == [("a", "Running", None, None, 2020, None, None, None)]


@pytest.mark.parametrize(
    "arguments",
    [
        "embedding VECTOR(3)",
        "embedding FLOAT[3]",
        "embedding vector(3) metric COSINE",
        "embedding VECTOR(3) METRIC l2",
        "embedding VECTOR(3) METRIC ip",
        "embedding VECTOR(3) INDEX flat",
        "embedding VECTOR(3) INDEX hnsw",
        "embedding VECTOR(3) INDEX hnsw(m=8)",
        "embedding VECTOR(3) INDEX hnsw(m=8, ef_construction=50)",
        "embedding VECTOR(3) CODES none",
        "embedding VECTOR(3) CODES int8",
        "embedding VECTOR(3) STORE f16",
        "embedding VECTOR(3) STORE f32",
        "embedding VECTOR(3) METRIC l2 INDEX hnsw(m=8) CODES int8 STORE f16",
        "embedding VECTOR(3) NOT NULL",
        "\"embedding\" VECTOR(3)",
        "[embedding] VECTOR(3), `note` TEXT",
        "id INTEGER PRIMARY KEY, embedding VECTOR(3)",
        "id TEXT PRIMARY KEY, embedding VECTOR(3)",
    ],
)
def test_each_vector_option_is_accepted_and_searches(db, arguments):
    create(db, arguments)
    db.many_in_transaction("INSERT INTO docs(embedding) VALUES(?)" if "TEXT PRIMARY" not in arguments else "INSERT INTO docs(id, embedding) VALUES(hex(randomblob(8)), ?)",
                           [("[1,0,0]",), ("[0,1,0]",), ("[0,0,1]",)])
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[0,5,0]' ORDER BY distance LIMIT 1") == [2]
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[0,5,0]' ORDER BY distance LIMIT 1") == [2]


def test_bit_codes_are_accepted_where_the_dimension_allows(db):
    create(db, "embedding VECTOR(64) CODES bit")
    db.rows("INSERT INTO docs(rowid, embedding) VALUES(1, ?)", model.blob([1.0] * 64))
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 1", model.blob([1.0] * 64)) == [1]


def test_full_text_alone_is_a_table(db):
    create(db, "body TEXT FULLTEXT")
    db.rows("INSERT INTO docs(rowid, body) VALUES(1, 'red fox'), (2, 'grey wolf')")
    assert db.column("SELECT rowid FROM docs WHERE docs MATCH 'wolf'") == [2]


def test_metadata_alone_is_a_table(db):
    create(db, "lang TEXT, year INTEGER")
    db.rows("INSERT INTO docs VALUES('en', 2001), ('de', 2002)")
    assert db.column("SELECT lang FROM docs WHERE year > 2001") == ["de"]


def test_several_vector_columns_are_searched_apart(db):
    create(db, "a VECTOR(2) METRIC l2, b VECTOR(3) METRIC l2")
    db.rows("INSERT INTO docs(rowid, a, b) VALUES(1, '[0,0]', '[9,9,9]'), (2, '[9,9]', '[0,0,0]'), (3, '[1,1]', NULL)")
    assert db.column("SELECT rowid FROM docs WHERE a MATCH '[0,0]' ORDER BY distance LIMIT 10") == [1, 3, 2]
    assert db.column("SELECT rowid FROM docs WHERE b MATCH '[0,0,0]' ORDER BY distance LIMIT 10") == [2, 1]


def test_sixteen_thousand_dimensions_are_the_limit(db):
    create(db, "embedding VECTOR(16384) METRIC l2")
    db.rows("INSERT INTO docs(rowid, embedding) VALUES(1, ?), (2, ?)", model.blob([0.0] * 16384), model.blob([1.0] * 16384))
    assert db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 2", model.blob([0.0] * 16384)) == [(1, 0.0), (2, 128.0)]


@pytest.mark.parametrize("dimensions", ["0", "-1", "16385", "99999999999999999999", "", "x", "3.5"])
def test_an_impossible_number_of_dimensions_is_refused(db, dimensions):
    assert refusal(db, f"embedding VECTOR({dimensions})").says("embedding")


@pytest.mark.parametrize("name", ["rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain", "docs", "DISTANCE"])
def test_a_reserved_column_name_is_refused_and_named(db, name):
    assert refusal(db, f"{name} TEXT, embedding VECTOR(3)").says(name)


@pytest.mark.parametrize("name", ["rank", "k", "K", "exact", "explain"])
def test_a_table_named_as_a_hidden_column_is_refused(db, name):
    assert refusal(db, "embedding VECTOR(3)", name).says(name, "reserved")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(3))")
    assert db.failure(f"ALTER TABLE docs RENAME TO {name}").says(name, "reserved")
    assert db.column("SELECT count(*) FROM docs") == [0]


def test_two_columns_of_one_name_are_refused(db):
    assert refusal(db, "lang TEXT, LANG TEXT, embedding VECTOR(3)").says("lang")


def test_two_primary_keys_are_refused(db):
    refusal(db, "a TEXT PRIMARY KEY, b TEXT PRIMARY KEY")


@pytest.mark.parametrize(
    "arguments, wrong, allowed",
    [
        ("embedding VECTOR(3) METRIC cosin", "cosin", ["cosine", "l2", "ip"]),
        ("embedding VECTOR(3) METRC l2", "METRC", ["METRIC"]),
        ("embedding VECTOR(3) INDEX ivf", "ivf", ["hnsw", "flat"]),
        ("embedding VECTOR(3) INDEX hnsw(mm=3)", "mm", ["m", "ef_construction"]),
        ("embedding VECTOR(3) CODES int4", "int4", ["int8", "none", "bit"]),
        ("embedding VECTOR(3) STORE f64", "f64", ["f32", "f16"]),
        ("embedding VECTRO(3)", "VECTRO", ["VECTOR"]),
        ("title TEXT FULTEXT", "FULTEXT", ["FULLTEXT"]),
        ("year INTEGR", "INTEGR", ["INTEGER"]),
        ("body TEXT FULLTEXT, tokenizer = 'klingon'", "klingon", []),
        ("body TEXT FULLTEXT, tokeniser = 'en_stem'", "tokeniser", ["tokenizer"]),
    ],
)
def test_a_misspelt_word_is_shown_with_what_is_allowed(db, arguments, wrong, allowed):
    failure = refusal(db, arguments)
    assert failure.says(wrong, *allowed), failure


@pytest.mark.parametrize("arguments", ["", "  ", ",", "embedding", "embedding VECTOR(3", "embedding VECTOR 3)", "embedding VECTOR(3) METRIC", "title TEXT FULLTEXT WEIGHT", "title TEXT FULLTEXT WEIGHT -1", "'x' TEXT y z"])
def test_a_broken_declaration_is_an_error_and_leaves_nothing(db, arguments):
    refusal(db, arguments)


@pytest.mark.parametrize("taken", ["CREATE TABLE docs_rows(a)", "CREATE VIEW DOCS_Chunks AS SELECT 1"])
def test_a_name_that_is_taken_is_shown(db, taken):
    """The table's data lie in tables of its name and a suffix."""
    db.rows(taken)
    before = db.rows("SELECT * FROM sqlite_schema")
    failure = db.failure("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(3))")
    assert failure.says("already", "rename") and failure.says(taken.split()[2].split("(")[0].lower()) and len(failure.message) < 150, failure
    assert db.rows("SELECT * FROM sqlite_schema") == before


def test_the_weight_of_a_column_counts_in_the_ranking(db):
    create(db, "title TEXT FULLTEXT WEIGHT 5.0, body TEXT FULLTEXT")
    db.rows("INSERT INTO docs(rowid, title, body) VALUES(1, 'other', 'falcon'), (2, 'falcon', 'other')")
    rows = db.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'falcon' ORDER BY rank")
    assert [row[0] for row in rows] == [2, 1]
    assert rows[0][1] > 3 * rows[1][1]


def test_creating_a_table_that_exists_is_refused(db):
    create(db, "embedding VECTOR(3)")
    assert db.failure("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(3))").says("already exists")
    db.rows("CREATE VIRTUAL TABLE IF NOT EXISTS docs USING nearlite(embedding VECTOR(5))")
    db.rows("INSERT INTO docs(embedding) VALUES('[1,2,3]')")


def test_table_and_column_names_that_need_quotes_work(db):
    create(db, "\"a column\" TEXT, \"select\" INTEGER, \"vec tor\" VECTOR(2) METRIC l2", name='"my ""docs"" table"')
    db.rows('INSERT INTO "my ""docs"" table"(rowid, "a column", "select", "vec tor") VALUES(1, \'x\', 5, \'[1,1]\'), (2, \'y\', 6, \'[2,2]\')')
    for command in (None, "flush", "optimize"):
        if command:
            db.rows('INSERT INTO "my ""docs"" table"("my ""docs"" table") VALUES(?)', command)
        got = db.rows('SELECT rowid, "select" FROM "my ""docs"" table" WHERE "vec tor" MATCH \'[2,2]\' AND "a column" = \'y\' ORDER BY distance LIMIT 5')
        assert got == [(2, 6)]


def test_hidden_columns_do_not_appear_in_select_star(db):
    create(db, "lang TEXT, embedding VECTOR(2)")
    db.rows("INSERT INTO docs(lang, embedding) VALUES('en', '[1,2]')")
    assert db.rows("SELECT * FROM docs") == [("en", model.blob([1, 2]))]
    assert [row[1] for row in db.rows("PRAGMA table_info(docs)")] == ["lang", "embedding"]
    hidden = {row[1] for row in db.rows("PRAGMA table_xinfo(docs)") if row[6] == 1}
    assert {"docs", "rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain"} <= hidden


def test_a_table_can_be_made_in_the_temp_schema(db):
    db.rows("CREATE VIRTUAL TABLE temp.docs USING nearlite(embedding VECTOR(2) METRIC l2)")
    db.rows("INSERT INTO docs(rowid, embedding) VALUES(1, '[1,1]')")
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,1]' ORDER BY distance LIMIT 1") == [1]
    assert db.column("SELECT name FROM main.sqlite_schema") == []


def test_all_shadow_tables_carry_the_name_of_the_table(db):
    create(db, "body TEXT FULLTEXT, embedding VECTOR(2)")
    names = db.column("SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert {"docs", "docs_rows", "docs_vectors", "docs_config"} <= set(names)
    assert all(name == "docs" or name.startswith("docs_") for name in names)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("e float[4] distance_metric=cosine", ["docs.e", "METRIC cosine"]),
        ("e float[4] distance_metric=L2", ["docs.e", "METRIC l2"]),
        ("e VECTOR(4) METRIC euclidean", ["docs.e", "METRIC l2"]),
        ("e VECTOR(4) METRIC dot", ["docs.e", "METRIC ip"]),
        ("e VECTOR(4) METRIC inner_product", ["docs.e", "METRIC ip"]),
        ("e VECTOR(4) METRIC cos", ["docs.e", "METRIC cosine"]),
        ("e int8[4]", ["docs.e", "VECTOR(4) CODES int8"]),
        ("e bit[8]", ["docs.e", "VECTOR(8) CODES bit"]),
        ("+aux TEXT, e VECTOR(4)", ["aux UNINDEXED"]),
        ("user_id INTEGER PARTITION KEY, e VECTOR(4)", ["docs.user_id", "metadata"]),
        ("name VARCHAR(64)", ["docs.name", "TEXT"]),
        ("day DATE", ["docs.day", "TEXT"]),
        ("at DATETIME", ["docs.at", "TEXT", "INTEGER"]),
        ("n BIGINT", ["docs.n", "INTEGER"]),
        ("u UUID", ["docs.u", "TEXT"]),
        ("n NUMERIC", ["docs.n", "INTEGER", "REAL"]),
        ("t TEXT COLLATE NOCASE", ["docs.t", "COLLATE in the query"]),
        ("t TEXT UNIQUE", ["docs.t", "PRIMARY KEY"]),
        ("t TEXT FULLTEXT DEFAULT 'x'", ["docs.t", "no default"]),
    ],
)
def test_words_of_other_databases_are_answered_with_the_word_to_write(db, arguments, words):
    assert refusal(db, arguments).says(*words)
