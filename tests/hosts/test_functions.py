"""Scalar and table-valued functions: sqlite-vec's names and meanings, and nearlite's own."""

import json

import pytest

import model


def numbers(db, sql, *params):
    """A vector result as a list."""
    return json.loads(db.one(f"SELECT vec_to_json({sql})", *params))


def test_vec_f32_takes_json_and_blobs(db):
    assert db.one("SELECT vec_f32('[1, 2.5, -3]')") == model.blob([1, 2.5, -3])
    assert db.one("SELECT vec_f32(?)", model.blob([4, 5])) == model.blob([4, 5])


def test_vec_to_json_is_the_inverse_of_vec_f32(db, rng):
    vector = model.random_vectors(rng, 1, 20)[0]
    assert numbers(db, "vec_f32(?)", model.blob(vector)) == pytest.approx([float(x) for x in vector], rel=1e-6)


def test_vec_length_counts_elements(db):
    assert db.one("SELECT vec_length('[1,2,3]')") == 3
    assert db.one("SELECT vec_length(?)", model.blob([1] * 100)) == 100
    assert db.one("SELECT vec_length(vec_int8('[1,2,3,4]'))") == 4
    assert db.one("SELECT vec_length(vec_bit(x'ff00'))") == 16


def test_vec_type_names_the_element_type(db):
    assert db.rows("SELECT vec_type('[1]'), vec_type(vec_f32('[1]')), vec_type(vec_int8('[1]')), vec_type(vec_bit(x'01'))") == [("float32", "float32", "int8", "bit")]


def test_arithmetic_is_done_element_by_element(db):
    assert numbers(db, "vec_add('[1,2,3]', '[10,20,30]')") == [11, 22, 33]
    assert numbers(db, "vec_sub('[1,2,3]', '[10,20,30]')") == [-9, -18, -27]
    assert numbers(db, "vec_add(vec_int8('[1,2]'), vec_int8('[3,4]'))") == [4, 6]


def test_normalize_gives_length_one(db):
    assert numbers(db, "vec_normalize('[3,4]')") == pytest.approx([0.6, 0.8], rel=1e-6)


def test_slice_takes_a_half_open_range(db):
    assert numbers(db, "vec_slice('[0,1,2,3,4]', 1, 3)") == [1, 2]
    assert db.failure("SELECT vec_slice('[0,1,2]', 2, 1)").message
    assert db.failure("SELECT vec_slice('[0,1,2]', 0, 9)").message


def test_each_lists_the_elements(db):
    assert db.rows("SELECT rowid, value FROM vec_each('[5,6,7]')") == [(0, 5.0), (1, 6.0), (2, 7.0)]


def test_distances_equal_their_definitions(db, rng):
    for _ in range(5):
        a, b = model.random_vectors(rng, 2, 17)
        wide_a, wide_b = a.astype(float), b.astype(float)
        expected = (model.distance("cosine", a, b), model.distance("l2", a, b), float(abs(wide_a - wide_b).sum()))
        got = db.rows("SELECT vec_distance_cosine(?1, ?2), vec_distance_l2(?1, ?2), vec_distance_l1(?1, ?2)", model.blob(a), model.blob(b))[0]
        assert got == pytest.approx(expected, rel=1e-5)


def test_hamming_distance_counts_differing_bits(db):
    assert db.one("SELECT vec_distance_hamming(vec_bit(x'ff00'), vec_bit(x'0f01'))") == 5


def test_binary_quantisation_keeps_signs(db):
    assert db.one("SELECT hex(vec_quantize_binary('[1,-1,1,-1,1,1,-1,-1]'))") == "35"


def test_a_distance_function_equals_the_distance_column(corpus, query):
    rows = corpus.db.rows("SELECT distance, vec_distance_cosine(embedding, ?1) FROM docs WHERE embedding MATCH ?1 ORDER BY distance LIMIT 30", model.blob(query))
    assert all(a == pytest.approx(b, abs=2e-6) for a, b in rows)


@pytest.mark.parametrize("call", ["vec_length('nonsense')", "vec_f32('[1,')", "vec_add('[1]', '[1,2]')", "vec_distance_l2('[1]', '[1,2]')", "vec_f32(5)", "vec_length(x'0102')", "vec_int8('[300]')", "vec_slice('[1]', 'a', 'b')", "vec_distance_cosine(vec_f32('[1]'), vec_int8('[1]'))"])
def test_a_wrong_argument_is_an_error(db, call):
    assert db.failure(f"SELECT {call}").message


@pytest.mark.parametrize("call", ["vec_f32()", "vec_length()", "vec_add('[1]')", "hybrid_query()", "nearlite_version(1)"])
def test_a_wrong_number_of_arguments_is_an_error(db, call):
    assert db.failure(f"SELECT {call}").message


def test_versions_are_text(db):
    assert all(isinstance(version, str) and version for version in db.rows("SELECT nearlite_version(), vec_version()")[0])


def test_functions_are_deterministic_and_innocuous(db):
    flags = {row[0]: row[5] for row in db.rows("PRAGMA function_list") if str(row[0]).startswith(("vec_", "nearlite_"))}
    for name in ("vec_f32", "vec_length", "vec_add", "vec_to_json", "vec_distance_cosine", "vec_quantize_binary", "nearlite_version"):
        assert flags[name] & 0x200000, f"{name} is not innocuous"
        assert flags[name] & 0x800, f"{name} is not deterministic"


def test_info_tells_rows_segments_and_bytes(corpus):
    rows = corpus.db.rows("SELECT * FROM nearlite_info('docs')")
    assert rows
    text = " ".join(map(str, rows))
    assert str(len(corpus.data)) in text, f"the number of rows is not in {rows}"


def test_info_of_a_table_that_is_not_there_names_it(db):
    assert db.failure("SELECT * FROM nearlite_info('nobody')").says("nobody")


def test_recall_measures_the_table_itself(corpus):
    assert 0.98 <= corpus.db.one("SELECT nearlite_recall('docs', 'embedding', 20, 10)") <= 1.0


def test_recall_asks_rows_that_have_a_vector_however_few_they_are(db):
    db.rows("CREATE VIRTUAL TABLE t USING nearlite(e VECTOR(2), never VECTOR(2))")
    numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 500)"
    db.rows(f"{numbers} INSERT INTO t(rowid, e) SELECT n, CASE WHEN n % 25 = 7 THEN '[' || n || ',1]' END FROM s")
    for sample in [1, 5, 20, 1000]:
        assert db.one(f"SELECT nearlite_recall('t', 'e', {sample}, 3)") == 1.0
    assert db.one("SELECT nearlite_recall('t', 'never', 10, 3)") is None


def test_recall_of_a_column_that_is_no_vector_names_it(corpus):
    assert corpus.db.failure("SELECT nearlite_recall('docs', 'lang', 20, 10)").says("lang")


@pytest.mark.parametrize("name", ['"at 2".t', "[at 2].t", "`at 2`.[t]", "'at 2'.\"T\"", "at 2.t", ' "at 2" . t '])
def test_info_and_recall_read_the_name_of_a_schema_quoted(db, name):
    db.rows("ATTACH ':memory:' AS \"at 2\"")
    db.rows("CREATE VIRTUAL TABLE \"at 2\".t USING nearlite(v VECTOR(2))")
    db.rows("INSERT INTO t(v) VALUES('[1,2]'), ('[2,1]')")
    assert db.rows("SELECT rows FROM nearlite_info(?) LIMIT 1", name) == [(2,)]
    assert db.one("SELECT nearlite_recall(?, 'v', 2, 1)", name) == 1.0


@pytest.mark.parametrize("declared, given", [('"x y"', ["x y", '"x y"', "[x y]", "main.[X Y]", 'main."x y"']), ('"a.b"', ["a.b", '"a.b"', "main.a.b", 'main."a.b"']),
                                             ('"say ""hi"""', ['say "hi"', '"say ""hi"""', "[say \"hi\"]"]), ('"[z]"', ["[z]", '"[z]"']), ("größe", ["größe", '"größe"'])])
def test_info_reads_the_name_of_a_table_plain_and_quoted(db, declared, given):
    db.rows(f"CREATE VIRTUAL TABLE {declared} USING nearlite(v VECTOR(2))")
    for name in given:
        assert db.rows("SELECT rows FROM nearlite_info(?) LIMIT 1", name) == [(0,)], name
    for name in ("x", '"x', "[x", '"x y".z', "x y z", ""):
        assert db.failure("SELECT * FROM nearlite_info(?)", name).says("there is no nearlite table")


def test_a_name_is_taken_as_it_stands_before_its_quotes_are_read(db):
    db.rows('CREATE VIRTUAL TABLE "[t]" USING nearlite(v VECTOR(2))')
    db.rows("CREATE VIRTUAL TABLE t USING nearlite(v VECTOR(2))")
    db.rows("INSERT INTO t(v) VALUES('[1,2]')")
    assert db.rows("SELECT rows FROM nearlite_info('[t]') LIMIT 1") == [(0,)]
    assert db.rows("SELECT rows FROM nearlite_info('\"t\"') LIMIT 1") == [(1,)]


def test_commands_and_settings_are_read_in_any_case(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR(2))")
    db.rows("INSERT INTO docs(v) VALUES('[1,2]')")
    db.rows("INSERT INTO docs(docs) VALUES('FLUSH')")
    assert db.rows("SELECT delta, segments FROM nearlite_info('docs') LIMIT 1") == [(0, 1)]
    for command in ("OPTIMIZE", "Merge", "ReBuild", "INTEGRITY-CHECK"):
        db.rows("INSERT INTO docs(docs) VALUES(?)", command)
    db.rows("INSERT INTO docs(docs, rank) VALUES('Delta_Rows', 1)")
    db.rows("INSERT INTO docs(v) VALUES('[2,1]')")
    assert db.rows("SELECT delta FROM nearlite_info('docs') LIMIT 1") == [(0,)], "the setting holds"
    assert db.failure("INSERT INTO docs(docs) VALUES('OPTIMISE')").says("unknown command", "optimize")


def test_bytes_are_quantized_as_in_sqlite_vec(db):
    """The value of 0.1.9: a step of 2/255 as a float, the rest in doubles, and the fraction cut off."""
    value = db.one("SELECT vec_quantize_int8('[-1,-0.5,0,0.003,0.004,0.5,0.996,1,-2,2]', 'unit')")
    assert value.hex() == "80c00000003f7e7e807f"
    assert db.rows("SELECT vec_type(vec_quantize_int8('[1,2]', 'unit')), vec_length(vec_quantize_int8('[1,2]', 'unit'))") == [("int8", 2)]


def test_the_inner_product_is_a_distance_as_in_the_metric_ip(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR(3) METRIC ip)")
    db.rows("INSERT INTO docs(v) VALUES('[1,2,3]'), ('[-1,0,2]'), ('[0.5,0.5,0.5]')")
    rows = db.rows("SELECT distance, vec_distance_ip(v, '[3,2,1]') FROM docs WHERE v MATCH '[3,2,1]' ORDER BY rank")
    assert rows == [(-10.0, -10.0), (-3.0, -3.0), (1.0, 1.0)]


def test_debug_names_the_versions(db):
    lines = dict(line.split(": ", 1) for line in db.one("SELECT vec_debug()").splitlines())
    assert lines["Version"] == db.one("SELECT vec_version()") and lines["nearlite"] == db.one("SELECT nearlite_version()")
    assert lines["SQLite"] == db.one("SELECT sqlite_version()")
