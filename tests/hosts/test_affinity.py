"""Keys and columns compared with values of other types: the rows are those of an ordinary table."""

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
