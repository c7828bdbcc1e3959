"""The sample data, whole: 5,000 package descriptions with 384-dimensional embeddings, against brute force."""

import numpy as np
import pytest

import model

CREATE = """CREATE VIRTUAL TABLE packages USING nearlite(
  package TEXT PRIMARY KEY, section TEXT, priority TEXT, installed_kb INTEGER, n_depends INTEGER,
  title TEXT FULLTEXT WEIGHT 2.0, text TEXT FULLTEXT, embedding VECTOR(384) METRIC cosine, tokenizer = 'en_stem', model = 'all-MiniLM-L6-v2')"""
FIELDS = ["package", "section", "priority", "installed_kb", "n_depends", "title", "text"]

FILTERS = {
    "everything": ("1", lambda r: True),
    "one section": ("section = 'games'", lambda r: r["section"] == "games"),
    "a rare section": ("section = 'zope'", lambda r: r["section"] == "zope"),
    "not libraries": ("section NOT IN ('libs', 'libdevel', 'doc')", lambda r: r["section"] not in ("libs", "libdevel", "doc")),
    "small": ("installed_kb < 60", lambda r: r["installed_kb"] < 60),
    "large": ("installed_kb >= 100000", lambda r: r["installed_kb"] >= 100_000),
    "half": ("n_depends % 2 = 0", lambda r: r["n_depends"] % 2 == 0),
    "rare priority": ("priority IN ('required', 'important')", lambda r: r["priority"] in ("required", "important")),
    "both": ("section = 'python' AND installed_kb BETWEEN 100 AND 500 AND n_depends > 3", lambda r: r["section"] == "python" and 100 <= r["installed_kb"] <= 500 and r["n_depends"] > 3),
    "a prefix": ("package GLOB 'lib*'", lambda r: r["package"].startswith("lib")),
}


class Sample:
    def __init__(self, db):
        self.db = db
        self.records, vectors = model.read_sample("packages")
        self.queries, query_vectors = model.read_sample("queries")
        self.vectors = vectors.astype(np.float64)
        self.query_vectors = query_vectors
        db.rows(CREATE)
        db.many_in_transaction(
            f"INSERT INTO packages({', '.join(FIELDS)}, embedding) VALUES({', '.join('?' * 8)})",
            [(*(record[field] for field in FIELDS), model.blob(vector)) for record, vector in zip(self.records, vectors)],
        )

    def distances(self, query):
        query = query.astype(np.float64)
        return 1 - self.vectors @ query / (np.linalg.norm(self.vectors, axis=1) * np.linalg.norm(query))

    def recall(self, where, passes, k, knobs=""):
        """Share of the true k nearest that come back, over all queries; each answer has exactly min(k, passing) rows."""
        passing = np.array([passes(record) for record in self.records])
        found = wanted = 0
        for vector in self.query_vectors:
            distances = np.where(passing, self.distances(vector), np.inf)
            count = min(k, int(passing.sum()))
            rows = self.db.rows(f"SELECT rowid, distance FROM packages WHERE embedding MATCH ? AND {where} {knobs} ORDER BY distance LIMIT ?", model.blob(vector), k)
            assert len(rows) == count, f"{len(rows)} rows instead of {count}"
            ids = [rowid - 1 for rowid, _ in rows]
            assert len(set(ids)) == count and all(passing[i] for i in ids)
            assert np.allclose([d for _, d in rows], distances[ids], atol=2e-5)
            assert all(a[1] <= b[1] for a, b in zip(rows, rows[1:]))
            # Rows as near as the k-th are as good as it, since real data holds duplicates.
            bound = np.sort(distances)[count - 1] + 1e-6 if count else 0
            found += int((distances[ids] <= bound).sum())
            wanted += count
        return found / wanted if wanted else 1.0


@pytest.fixture(scope="session", params=["as written", "optimized"])
def sample(host, request):
    loaded = Sample(host.open())
    loaded.db.rows("INSERT INTO packages(packages) VALUES(?)", "flush" if request.param == "as written" else "optimize")
    yield loaded
    loaded.db.close()


@pytest.mark.parametrize("where, passes", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("k", [1, 10, 100])
def test_recall_and_row_count_under_real_filters(sample, where, passes, k):
    assert sample.recall(where, passes, k) >= 0.98


def test_exact_one_is_exact(sample):
    assert sample.recall("1", lambda r: True, 10, "AND exact = 1") == 1.0


# Conditions that SQLite checks itself, so that it shows the table no LIMIT: the search has to go on as long as rows are taken.
HIDDEN_LIMIT = {
    "a function": ("length(package) % 2 = 0", lambda r: len(r["package"]) % 2 == 0),
    "a pattern": ("title LIKE '%a%'", lambda r: "a" in r["title"].lower()),
    "a rare pattern": ("text LIKE '%game%'", lambda r: "game" in r["text"].lower()),
    "a join": ("rowid IN (SELECT rowid FROM packages) AND +n_depends > 2", lambda r: r["n_depends"] > 2),
}


@pytest.mark.parametrize("where, passes", HIDDEN_LIMIT.values(), ids=HIDDEN_LIMIT)
@pytest.mark.parametrize("k", [1, 30, 100, 700])
def test_rows_are_looked_for_until_a_hidden_limit_is_reached(sample, where, passes, k):
    """Also checks that no row comes twice and that the order holds."""
    passing = sum(map(passes, sample.records))
    if k < passing / 2:
        assert sample.recall(where, passes, k) >= 0.97


def test_k_has_no_upper_limit(sample):
    assert sample.db.one("SELECT count(*) FROM packages WHERE embedding MATCH ? AND k = 4999", model.blob(sample.query_vectors[0])) == 4999
    assert len(set(sample.db.column("SELECT rowid FROM packages WHERE embedding MATCH ? AND k = 100000", model.blob(sample.query_vectors[0])))) == 5000


@pytest.mark.parametrize("count", [0, 1, 5, 19, 40, 300, 2500])
@pytest.mark.parametrize("tail", ["", "AND +rowid > 0", "AND +rowid > 0 LIMIT 4000", "LIMIT 4000", "AND exact = 1"])
def test_a_range_search_gives_all_rows_within_in_order(sample, count, tail):
    for vector in sample.query_vectors[:5]:
        distances = sample.distances(vector)
        ordered = np.sort(distances)
        # Between two distances that rounding does not confuse.
        while count and ordered[count] - ordered[count - 1] < 1e-5:
            count += 1
        radius = float((ordered[count] + ordered[count - 1]) / 2) if count else float(ordered[0] - 1e-3)
        condition, _, limit = tail.partition("LIMIT")
        rows = sample.db.rows(f"SELECT rowid, distance FROM packages WHERE embedding MATCH ? AND distance < ? {condition} ORDER BY distance {'LIMIT' + limit if limit else ''}", model.blob(vector), radius)
        assert sorted(rowid - 1 for rowid, _ in rows) == sorted(np.flatnonzero(distances < radius))
        assert all(a[1] <= b[1] for a, b in zip(rows, rows[1:]))


@pytest.mark.parametrize("size", [1, 20, 400, 2500, 4990])
def test_sets_of_ids_on_a_graph(sample, rng, size):
    ids = {int(i) for i in rng.permutation(5000)[:size] + 1}
    sample.db.rows("CREATE TEMP TABLE IF NOT EXISTS wanted(id INTEGER PRIMARY KEY)")
    sample.db.rows("DELETE FROM wanted")
    sample.db.many_in_transaction("INSERT INTO wanted VALUES(?)", [(i,) for i in ids])
    numbers = {record["package"]: at for at, record in enumerate(sample.records, 1)}
    assert sample.recall("rowid IN (SELECT id FROM wanted)", lambda r: numbers[r["package"]] in ids, 10) >= 0.98


def test_every_package_finds_itself(sample):
    lost = 0
    for at in range(0, 5000, 7):
        rows = sample.db.rows("SELECT rowid, distance FROM packages WHERE embedding MATCH ? ORDER BY distance LIMIT 1", model.blob(sample.vectors[at]))
        lost += not (rows and abs(rows[0][1]) < 1e-5)
    assert lost <= 1, f"{lost} of 715 stored vectors were not found at distance 0"


def test_nearest_packages_are_what_a_reader_expects(sample):
    for name, expected in (("gnome-sudoku", "ksudoku"), ("kde-spectacle", "gnome-screenshot"), ("hexedit", "ncurses-hexedit")):
        at = next(i for i, query in enumerate(sample.queries) if query["package"] == name)
        assert expected in sample.db.column("SELECT package FROM packages WHERE embedding MATCH ? ORDER BY distance LIMIT 3", model.blob(sample.query_vectors[at]))


def test_pages_of_a_hundred_reach_every_row_once(sample):
    seen = []
    for offset in range(0, 5100, 1020):
        seen += sample.db.column("SELECT rowid FROM packages WHERE embedding MATCH ? ORDER BY distance LIMIT 1020 OFFSET ?", model.blob(sample.query_vectors[0]), offset)
    assert sorted(seen) == list(range(1, 5001))


def test_text_search_finds_the_packages_that_hold_the_word(sample):
    hits = set(sample.db.column("SELECT package FROM packages WHERE packages MATCH 'sudoku' ORDER BY rank"))
    holders = {r["package"] for r in sample.records if "sudoku" in f"{r['title']} {r['text']}".lower()}
    whole_words = {r["package"] for r in sample.records if "sudoku" in f"{r['title']} {r['text']}".lower().replace("-", " ").replace(",", " ").replace(".", " ").split()}
    assert whole_words <= hits <= holders and len(whole_words) >= 3


def test_text_search_under_a_filter_keeps_the_filter(sample):
    rows = sample.db.rows("SELECT section, bm25 FROM packages WHERE packages MATCH 'library' AND section = 'games' ORDER BY rank LIMIT 50")
    assert rows and all(section == "games" for section, _ in rows)
    assert [score for _, score in rows] == sorted((score for _, score in rows), reverse=True)


def test_hybrid_search_joins_both_legs(sample):
    at = next(i for i, query in enumerate(sample.queries) if query["package"] == "gnome-sudoku")
    rows = sample.db.rows(
        "SELECT package, score, vector_rank, text_rank FROM packages WHERE packages MATCH hybrid_query('sudoku puzzle', ?, '{\"fusion\":\"rrf\"}') AND section = 'games' ORDER BY rank LIMIT 10",
        model.blob(sample.query_vectors[at]),
    )
    assert len(rows) == 10
    for _, score, vector_rank, text_rank in rows:
        assert score == pytest.approx(sum(1 / (60 + rank) for rank in (vector_rank, text_rank) if rank is not None), rel=1e-5)
    assert rows[0][2] is not None and rows[0][3] is not None


def test_deleting_most_of_the_table_keeps_recall_and_counts(host):
    loaded = Sample(host.open())
    loaded.db.rows("INSERT INTO packages(packages) VALUES('optimize')")
    loaded.db.rows("DELETE FROM packages WHERE rowid % 10 <> 0")
    kept = {r["package"] for i, r in enumerate(loaded.records, 1) if i % 10 == 0}
    for command in (None, "optimize"):
        if command:
            loaded.db.rows("INSERT INTO packages(packages) VALUES(?)", command)
        assert loaded.recall("1", lambda r: r["package"] in kept, 10) >= 0.98
        assert loaded.recall("section = 'games'", lambda r: r["package"] in kept and r["section"] == "games", 10) >= 0.98
    loaded.db.close()
