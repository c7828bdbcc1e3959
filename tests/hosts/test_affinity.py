"""Keys and columns compared with values of other types: the rows are those of an ordinary table."""

import json

import pytest

import model

BIG = 2**53 + 1


@pytest.fixture
def numbers(db):
    """Rows 1 to 20 and one beyond the integers that a float can hold; `t` is the number as text, once with zeros."""
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id INTEGER PRIMARY KEY, t TEXT, a INTEGER, v VECTOR(2))")
    rows = [(i, str(i), i % 3, model.blob([1, 20 - i])) for i in range(1, 21)] + [(BIG, "007", 1, model.blob([1, 50]))]
    db.many_in_transaction("INSERT INTO d VALUES(?,?,?,?)", rows)
    db.rows("CREATE TABLE plain(id INTEGER PRIMARY KEY, t TEXT, a INTEGER)")
    db.many_in_transaction("INSERT INTO plain VALUES(?,?,?)", [row[:3] for row in rows])
    db.rows("CREATE TABLE o(n INTEGER, u)")
    db.rows("INSERT INTO o VALUES(10, 5), ('x', '7'), (7, 7)")
    return db


def both(db, where, *params):
    """Asserts that the plain scan and the search give the rows of the ordinary table, and gives them."""
    expected = db.column(f"SELECT id FROM plain WHERE {where} ORDER BY id", *params)
    assert sorted(db.column(f"SELECT id FROM d WHERE {where}", *params)) == expected, where
    assert sorted(db.column(f"SELECT id FROM d WHERE v MATCH '[1,0]' AND {where}", *params)) == expected, where
    return expected


@pytest.mark.parametrize("where", [f"id = '{BIG}'", f"id = CAST({BIG} AS TEXT)", f"id IN ('{BIG}')", f"id IN ('{BIG}', '{BIG - 1}')", f"id >= '{BIG}'", f"rowid = ' {BIG} '", "id = '5'", "id = '5.0'", "id = ' 05e0 '", "id = '5x'", "id = char(160) || '5'", "id = 5.5", "id = x'35'"])
def test_an_integer_key_given_as_text_is_found(numbers, where):
    both(numbers, where)


def test_a_bound_text_finds_updates_and_deletes_an_integer_key_to_the_last_digit(numbers):
    assert both(numbers, "id = ?", str(BIG)) == [BIG]
    numbers.rows("UPDATE d SET a = 9 WHERE id = ?", str(BIG))
    assert numbers.column("SELECT id FROM d WHERE a = 9") == [BIG]
    numbers.rows("DELETE FROM d WHERE id = ?", str(BIG - 1))
    assert numbers.one("SELECT count(*) FROM d") == 21
    numbers.rows("DELETE FROM d WHERE id = ?", str(BIG))
    assert numbers.one("SELECT count(*) FROM d") == 20


@pytest.mark.parametrize(
    "where",
    [
        "t < (SELECT n FROM o)",
        "t >= (SELECT n FROM o)",
        "t BETWEEN (SELECT n FROM o) AND '9'",
        "t = CAST(7 AS INTEGER)",
        "t = CAST('7' AS REAL)",
        "t <> CAST(7 AS INTEGER)",
        "t = 7",
        "t = '7'",
        "t = (SELECT u FROM o)",
        "t = (SELECT u FROM o WHERE u = '7')",
        "t = (SELECT n FROM o WHERE n = 'x')",
        "t IN (SELECT n FROM o)",
        "t IN (SELECT u FROM o)",
        "t IN (SELECT CAST(n AS TEXT) FROM o)",
        "t IN (7, '8')",
        "t IN (7)",
        "t < '2'",
        "t > x'00'",
        "t = a",
        "t = NULL",
    ],
)
def test_a_text_column_is_compared_by_the_affinity_of_the_right_side(numbers, where):
    both(numbers, where)


@pytest.mark.parametrize("value", [7, 7.0, "7", "007", None, b"7"])
def test_a_text_column_is_compared_with_a_bound_value_as_text(numbers, value):
    both(numbers, "t = ?", value)
    both(numbers, "t < ?", value)


def test_a_text_column_is_compared_with_the_column_of_an_outer_table(numbers):
    for column in ("n", "u"):
        expected = numbers.rows(f"SELECT p.id FROM o JOIN plain p ON p.t = o.{column} ORDER BY 1")
        assert numbers.rows(f"SELECT d.id FROM o JOIN d ON d.t = o.{column} WHERE d.v MATCH '[1,0]' ORDER BY 1") == expected


@pytest.mark.parametrize("where", ["t = 'x'", "t = ?", "t < ?", "t IN ('x', 'y')", "t <> 'x'"])
def test_a_text_still_narrows_the_search(numbers, where):
    params = ["x"] * where.count("?")
    assert "filter t" in numbers.plan(f"SELECT id FROM d WHERE v MATCH '[1,0]' AND {where} ORDER BY distance LIMIT 3", *params)
    explain = numbers.rows(f"SELECT explain FROM d WHERE v MATCH '[1,0]' AND {where.replace('x', '7')} ORDER BY distance LIMIT 1", *["7"] * len(params))
    assert json.loads(explain[0][0])["passing"] < 21


@pytest.fixture
def keyed(db):
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(key TEXT PRIMARY KEY, n INTEGER, v VECTOR(2))")
    db.rows("CREATE TABLE plain(id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, n INTEGER)")
    for n, key in enumerate(["a", "5", "05", "5.0", " 5", "6", "7", "x'"], 1):
        db.rows("INSERT INTO d(rowid, key, n, v) VALUES(?,?,?,?)", n, key, n, model.blob([1, n]))
        db.rows("INSERT INTO plain VALUES(?,?,?)", n, key, n)
    db.rows("CREATE TABLE o(n INTEGER, u, t TEXT)")
    db.rows("INSERT INTO o VALUES(5, 5, '5'), ('a', '6', '07'), (7, 7.0, 'a')")
    return db


@pytest.mark.parametrize("right", ["= 5", "= '5'", "= CAST(5 AS INTEGER)", "= CAST('5' AS REAL)", "= 5.0", "= (SELECT n FROM o)", "= (SELECT u FROM o)", "= x'35'", "= NULL", "IN (5, 'a')", "IN (SELECT n FROM o)", "IN (SELECT u FROM o)", "IN (SELECT t FROM o)", "IN (5)", "< 6", "IN (SELECT x'35')"])
def test_a_text_key_is_compared_by_the_affinity_of_the_right_side(keyed, right):
    expected = keyed.column(f"SELECT id FROM plain WHERE key {right} ORDER BY id")
    assert sorted(keyed.column(f"SELECT rowid FROM d WHERE key {right}")) == expected
    assert sorted(keyed.column(f"SELECT rowid FROM d WHERE v MATCH '[1,0]' AND key {right}")) == expected


def test_a_list_of_text_keys_behind_many_terms_keeps_its_affinity(keyed):
    many = " AND ".join(f"n < {100 + at}" for at in range(40))
    for right in ("IN (SELECT n FROM o)", "IN ('5', '6')", "= '5'"):
        expected = keyed.column(f"SELECT id FROM plain WHERE {many} AND key {right} ORDER BY id")
        assert sorted(keyed.column(f"SELECT rowid FROM d WHERE {many} AND key {right}")) == expected


def test_an_update_or_delete_by_a_number_reaches_every_text_key_that_equals_it(keyed):
    for table in ("d", "plain"):
        keyed.rows(f"UPDATE {table} SET n = 50 WHERE key = CAST(5 AS INTEGER)")
        keyed.rows(f"DELETE FROM {table} WHERE key = CAST(7.0 AS REAL)")
        keyed.rows(f"DELETE FROM {table} WHERE key = ?", 6)
    assert keyed.rows("SELECT rowid, n FROM d ORDER BY rowid") == keyed.rows("SELECT id, n FROM plain ORDER BY id")


def test_a_list_of_rowids_converts_as_an_integer_column_does(db):
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id INTEGER PRIMARY KEY, v VECTOR(2))")
    db.rows("CREATE TABLE plain(id INTEGER PRIMARY KEY)")
    for rowid in (-(2**63), -5, 5, 6, 2**53 + 1, 2**63 - 1):
        db.rows("INSERT INTO d VALUES(?, '[1,0]')", rowid)
        db.rows("INSERT INTO plain VALUES(?)", rowid)
    for listed in ("char(160) || '5', 6", "' 5', '6'", "'5.0', 6.5", "9223372036854775808.0, 6", "'9007199254740993', 6", "9.3e18, -9.3e18, 6", "x'35', NULL, 6"):
        expected = db.column(f"SELECT id FROM plain WHERE id IN ({listed}) ORDER BY id")
        for match in ("", "v MATCH '[1,0]' AND"):
            assert sorted(db.column(f"SELECT id FROM d WHERE {match} id IN ({listed})")) == expected, listed
    # An ordinary table has it from some version on.
    assert db.column("SELECT id FROM d WHERE v MATCH '[1,0]' AND id IN (-9223372036854775808.0, 6)") == [-(2**63), 6]


def test_a_pattern_ends_at_its_first_nul(db):
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(t TEXT, v VECTOR(2))")
    db.rows("CREATE TABLE plain(t TEXT)")
    for text in ("ab", "ab\0c", "abc", "abcd"):
        db.rows("INSERT INTO d VALUES(?, '[1,0]')", text)
        db.rows("INSERT INTO plain VALUES(?)", text)
    for test in ("LIKE 'ab' || char(0) || 'c%'", "LIKE 'ab' || char(0)", "GLOB 'ab' || char(0) || '*'", "GLOB 'ab*' || char(0)"):
        expected = db.column(f"SELECT rowid FROM plain WHERE t {test} ORDER BY rowid")
        assert sorted(db.column(f"SELECT rowid FROM d WHERE v MATCH '[1,0]' AND t {test}")) == expected, test
