"""Searches through a collection, beside brute force."""

import json
import math
import random

import pytest

import nearlite

WORDS = ["owl", "wolf", "falcon", "night", "day", "moon"]


@pytest.fixture(scope="module")
def rows():
    chance = random.Random(5)
    return [
        {
            "id": f"r{at}",
            "body": " ".join(chance.sample(WORDS, 3)),
            "embedding": [chance.gauss(0, 1) for _ in range(8)],
            "year": chance.randint(2000, 2010),
            "group": chance.choice(["x", "y", "z", None]),
            "tags": chance.sample("abcd", 2),
        }
        for at in range(300)
    ]


@pytest.fixture(scope="module")
def docs(rows):
    db = nearlite.connect(":memory:")
    made = nearlite.Collection(db, "docs").create(dim=8, text=["body"], columns={"year": int})
    made.add(rows)
    yield made
    db.close()


QUERY = [1.0, 0.5, -0.5, 0, 0, 0.2, 0.1, -1]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))


def by_distance(rows):
    return sorted(rows, key=lambda row: -cosine(QUERY, row["embedding"]))


def test_the_nearest_rows_that_pass_a_filter(docs, rows):
    passing = [row for row in rows if row["year"] >= 2004 and "a" in row["tags"]]
    hits = docs.search(QUERY, where={"year": {"$gte": 2004}, "tags": {"$contains": "a"}}, k=7)
    assert hits.ids == [row["id"] for row in by_distance(passing)[:7]]
    best = by_distance(passing)[0]
    assert hits[0].distance == pytest.approx(1 - cosine(QUERY, best["embedding"]), abs=1e-5)
    assert hits[0].score == -hits[0].distance
    assert hits[0].metadata == {key: best[key] for key in ("year", "group", "tags")}
    assert hits[0].text == best["body"]


def test_sql_as_filter(docs, rows):
    passing = [row for row in rows if row["year"] in (2001, 2002) and "owl" in row["body"]]
    hits = docs.search(QUERY, where="year IN (?, ?) OR 0", params=[2001, 2002], matching="owl", k=5)
    assert hits.ids == [row["id"] for row in by_distance(passing)[:5]]


def test_pages_fit_together(docs, rows):
    pages = [docs.search(QUERY, k=20, offset=at).ids for at in range(0, 100, 20)]
    assert [name for page in pages for name in page] == [row["id"] for row in by_distance(rows)[:100]]
    hybrid = [docs.search(QUERY, "owl moon", k=20, offset=at).ids for at in range(0, 100, 20)]
    assert [name for page in hybrid for name in page] == docs.search(QUERY, "owl moon", k=100, depth=100).ids


def test_matching_restricts_and_does_not_rank(docs, rows):
    owls = [row["id"] for row in by_distance(rows) if "owl" in row["body"]]
    # The words were a leg of a hybrid search, so that rows came by a fused score.
    for k in (1, 10, 300):
        assert docs.search(QUERY, matching="owl", k=k).ids == owls[:k]
    hit = docs.search(QUERY, matching="owl", k=1)[0]
    assert hit.score == -hit.distance and (hit.bm25, hit.vector_rank, hit.text_rank) == (None, None, None)
    assert docs.search(QUERY, matching="owl", k=5, offset=7).ids == owls[7:12]
    assert docs.search_many([QUERY, QUERY], matching="owl", k=4)[1].ids == owls[:4]
    assert [hit.id for hit in docs.iterate(QUERY, matching="owl")] == owls
    assert docs.explain(QUERY, matching="owl").plan["kind"] == "nearest"
    few = [row["id"] for row in by_distance(rows) if "owl" in row["body"] and "wolf" not in row["body"] and row["year"] == 2003]
    assert docs.search(QUERY, matching="+owl -wolf", where={"year": 2003}, k=300).ids == few
    assert set(docs.search(QUERY, matching="owl", within=hit.distance + 0.2, k=300).ids) <= set(owls)
    assert docs.search({"embedding": QUERY}, matching="owl", k=5).ids == owls[:5]
    assert docs.search(QUERY, matching="owl", mmr=1, k=5).ids == owls[:5]
    assert docs.search(QUERY, matching="nothing").ids == docs.search(QUERY, matching="").ids == []
    for found in (docs.search(QUERY, "moon", matching="owl", k=300), docs.search(QUERY, words="moon", text_column="body", matching="owl", k=300)):
        assert sorted(found.ids) == sorted(owls) and found[0].bm25 and found[0].score > 0
    assert {hit.id for hit in docs.search(words="moon", matching="owl", k=300)} < set(owls)
    alike = docs.search(like=owls[0], matching="owl", k=300)
    assert sorted(alike.ids) == sorted(owls[1:]) and alike[0].bm25 is None and alike[0].distance is not None


def test_rows_that_match_without_a_vector_are_not_near(db):
    docs = nearlite.Collection(db, "docs").create(dim=1)
    docs.add(ids=["a", "b", "c"], texts=["an owl", "an owl and an owl", "a wolf"], vectors=[[1], None, [2]])
    assert docs.search([1], matching="owl").ids == ["a"] and sorted(docs.search(matching="owl").ids) == ["a", "b"]


HYBRID = [
    {"text": "owl moon"},
    {"words": "owl", "alpha": 0.2, "where": {"year": {"$gte": 2003}}},
    {"text": "owl", "where": {"tags": {"$substring": "a"}}},
    {"text": "owl", "fusion": {"fusion": "rrf", "depth": 7}},
    {"text": "owl", "depth": 7},
    {"text": "owl", "like": "r5"},
    {"text": "owl", "matching": "night"},
    {"text": "owl", "group_by": "year", "per_group": 12, "depth": 300},
]


@pytest.mark.parametrize("mmr", [None, 0.3])
@pytest.mark.parametrize("options", [*HYBRID, {}, {"where": {"year": 2003}}, {"matching": "owl"}], ids=str)
def test_no_page_depends_on_where_it_begins(docs, options, mmr):
    found = []
    # Each page had ranks and candidates of its own, so that rows came on several pages or on none.
    for at in range(0, 300, 20):
        found += docs.search(QUERY, k=20, offset=at, mmr=mmr, **options).ids
    everything = docs.search(QUERY, k=300, **options).ids
    assert len(found) == len(set(found)) and sorted(found) == sorted(everything)


def test_legs_are_as_deep_as_a_page_is_long(docs):
    def depth(**options):
        return json.loads(docs.explain(QUERY, "owl", **options).params[-1])["depth"]

    assert depth(k=5) == 100 and depth(k=5, depth=7) == 7 and depth(k=250) == 250 and depth(k=250, offset=30, depth=7) == 250
    assert depth(k=20000, offset=5) == 10000 and depth(k=9, fusion={"depth": 2}) == 9
    for wrong in (0, -1, True, "ten", 10001):
        with pytest.raises(nearlite.Error, match="depth"):
            docs.search(QUERY, "owl", fusion={"depth": wrong})


def test_iterating_goes_on_beyond_k(docs, rows):
    assert [hit.id for hit in docs.iterate(QUERY)] == [row["id"] for row in by_distance(rows)]
    walk = docs.iterate(QUERY, where={"year": 2003}, offset=2)
    assert next(walk).id == by_distance([row for row in rows if row["year"] == 2003])[2]["id"]
    walk.close()


def test_text_options_say_how_the_words_are_meant(docs, rows):
    def ids(where):
        return {row["id"] for row in rows if where(row["body"].split())}

    def found(**options):
        return set(docs.search(k=300, **options).ids)

    assert found(words="owl moon", text_options={"operator": "and"}) == ids(lambda words: "owl" in words and "moon" in words)
    assert found(text="owl moon day", text_options={"minimum_match": 2}) == ids(lambda words: len({"owl", "moon", "day"} & set(words)) > 1)
    assert found(words="owl fal", text_options={"prefix_last": True}) == ids(lambda words: "owl" in words or "falcon" in words)
    assert found(words="falcno", text_options={"fuzzy": "auto"}, text_column="body") == ids(lambda words: "falcon" in words)
    both = docs.search(QUERY, words="falcno", text_options={"fuzzy": "auto"}, k=5)
    assert both.ids == docs.search(QUERY, words="falcno", text_options={"fuzzy": 1}, text_column="body", k=5).ids
    assert any(hit.bm25 for hit in both)
    with pytest.raises(nearlite.InputError, match="text_options: expected a dictionary"):
        docs.search(words="owl", text_options="and")
    with pytest.raises(nearlite.Error, match='"operator" must be'):
        docs.search(words="owl", text_options={"operator": "xor"})


def test_text_hybrid_and_their_scores(docs):
    text = docs.search(text="+owl -wolf", k=300)
    assert text and all("owl" in hit.text and "wolf" not in hit.text for hit in text)
    assert text[0].score == text[0].bm25 and text[0].distance is None
    plain = docs.search(words="+owl -wolf", k=300)
    assert any("wolf" in hit.text for hit in plain)
    both = docs.search(QUERY, "owl", k=5)
    assert both[0].score >= both[1].score and both[0].distance is not None and both[0].vector_rank
    assert docs.search(QUERY, "owl", alpha=1.0, k=5).ids == docs.search(QUERY, k=5).ids
    assert docs.search(QUERY, "owl", fusion={"fusion": "rrf", "weights": [1, 0]}, k=5).ids == docs.search(QUERY, k=5).ids
    assert docs.search(k=3).ids == ["r0", "r1", "r2"]


def test_bounds(docs, rows):
    distances = [1 - cosine(QUERY, row["embedding"]) for row in by_distance(rows)]
    middle = (distances[9] + distances[10]) / 2
    assert len(docs.search(QUERY, within=middle, k=300)) == 10
    assert len(docs.search(QUERY, min_score=-middle, k=300)) == 10
    scores = [hit.score for hit in docs.search(text="owl", k=300)]
    assert all(hit.score >= scores[20] for hit in docs.search(text="owl", min_score=scores[20], k=300))


def test_mmr_is_the_greedy_choice_among_its_candidates(docs, rows):
    def greedy(candidates, weight, count):
        picked = []
        while len(picked) < count:

            def worth(row):
                likeness = max((cosine(row["embedding"], other["embedding"]) for other in picked), default=None)
                relevance = cosine(QUERY, row["embedding"])
                return relevance if likeness is None else weight * relevance - (1 - weight) * likeness

            best = max((row for row in candidates if row not in picked), key=worth)
            picked.append(best)
        return [row["id"] for row in picked]

    assert docs.search(QUERY, mmr=0.4, k=6).ids == greedy(by_distance(rows)[:24], 0.4, 6)
    assert docs.search(QUERY, mmr=0.4, k=4, offset=2, candidates=24).ids == greedy(by_distance(rows)[:24], 0.4, 6)[2:]
    assert docs.search(QUERY, mmr=1, k=6).ids == docs.search(QUERY, k=6).ids
    assert len(docs.search(QUERY, "owl", mmr=0.5, k=6)) == 6


@pytest.mark.parametrize(("name", "per_group"), [("group", 1), ("group", 2), ("year", 1), ("tags", 1), ("nothing", 3)])
def test_groups_have_their_best_rows(docs, rows, name, per_group):
    counts, expected = {}, []
    for row in by_distance(rows):
        value = repr(row.get(name))
        counts[value] = counts.get(value, 0) + 1
        if counts[value] <= per_group:
            expected.append(row["id"])
    assert docs.search(QUERY, group_by=name, per_group=per_group, k=5).ids == expected[:5]
    assert docs.search(QUERY, group_by=name, per_group=per_group, k=300).ids == expected
    assert docs.search(QUERY, group_by=name, per_group=per_group, k=3, offset=1).ids == expected[1:4]


def test_many_queries(docs, rows):
    queries = [row["embedding"] for row in rows[:20]]
    found = docs.search_many(queries, k=3, where={"year": {"$lt": 2008}})
    assert [hits.ids for hits in found] == [docs.search(query, k=3, where={"year": {"$lt": 2008}}).ids for query in queries]


def test_explain(docs):
    shown = docs.explain(QUERY, where={"year": 2003}, k=3)
    assert shown.plan["kind"] == "nearest" and shown.plan["passing"] == docs.count({"year": 2003})
    assert shown.hits.ids == docs.search(QUERY, where={"year": 2003}, k=3).ids and "MATCH" in shown.sql
    assert docs.explain(QUERY, where={"year": 1}).plan == {}


def test_chosen_columns(docs):
    hit = docs.search(QUERY, columns=["year", "embedding"], k=1)[0]
    assert hit.text is None and list(hit.metadata) == ["year"] and len(hit.vector) == 8
    assert docs.search(QUERY, columns=[], k=1)[0].to_dict()["metadata"] == {}
    with pytest.raises(nearlite.SchemaError, match="no column 'nope'"):
        docs.search(QUERY, columns=["nope"])


def test_hits_are_a_sequence(docs):
    hits = docs.search(QUERY, k=5)
    assert len(hits) == 5 and hits[-1] == hits[4] and hits[1:3].ids == hits.ids[1:3] and hits == docs.search(QUERY, k=5)
    assert "Hit(id=" in repr(hits) and hits.to_dicts()[0]["distance"] == hits[0].distance
    with pytest.raises(IndexError):
        hits[5]


def test_snippets(docs):
    hits = docs.search(words="owl", snippet=("[", "]"), k=3)
    assert all("[owl]" in hit.snippet for hit in hits) and hits.to_dicts()[0]["snippet"] == hits[0].snippet
    assert docs.search(words="owl", k=1)[0].snippet is None
    assert "[moon]" in docs.search(QUERY, words="moon", alpha=0, snippet=("[", "]"), where={"year": {"$gt": 2000}}, k=1)[0].snippet
    with pytest.raises(nearlite.InputError, match="marks before and after"):
        docs.search(words="owl", snippet="[")


def test_rows_like_a_row(docs, rows):
    row = rows[7]
    like = sorted((other for other in rows if other is not row), key=lambda other: -cosine(row["embedding"], other["embedding"]))
    assert docs.similar("r7", k=5).ids == [other["id"] for other in like[:5]]
    even = [other["id"] for other in like if other["year"] == 2004][:5]
    assert docs.similar("r7", k=5, where={"year": 2004}).ids == even
    assert docs.similar("r7", k=3, offset=2).ids == [other["id"] for other in like[2:5]]
    assert docs.search(like="r7", k=5).ids == docs.similar("r7", k=5).ids
    words = docs.search(like="r7", like_by="text", k=5)
    assert "r7" not in words.ids and words[0].bm25 and docs.explain(like="r7", like_by="text", k=5).hits.ids == words.ids
    both = docs.search(like="r7", like_by="both", k=5)
    assert both[0].score and "r7" not in both.ids
    legs = docs.explain(row["embedding"], like="r8", words="owl", k=5)
    assert len(legs.legs[0]["legs"]) == 3 and "r8" not in legs.hits.ids
    assert len(docs.search(like="r7", mmr=0.5, k=3)) == 3 and docs.search(like="r7", within=0.0).ids == []
    assert next(docs.iterate(like="r7")).id == like[0]["id"]
    assert docs.search(like="r7", k=2, min_score=-2).ids == docs.similar("r7", k=2).ids
    for wrong, message in [
        ({"like": "nobody"}, "there is no row 'nobody'"),
        ({"like": 7}, "ids of docs are texts"),
        ({"like": "r7", "like_by": "words"}, "like_by: expected 'vector', 'text' or 'both'"),
        ({"like_by": "text"}, "beside like="),
        ({"like": "r7", "like_by": "text", "mmr": 0.5}, "mmr compares vectors"),
        ({"like": "r7", "like_by": "text", "within": 0.5}, "within is a distance"),
    ]:
        with pytest.raises(nearlite.InputError, match=message):
            docs.search(**wrong)
    with pytest.raises(nearlite.InputError, match="there is no row 'nobody'"):
        docs.similar("nobody")


def test_several_legs(db):
    docs = nearlite.Collection(db, "docs").create(dim={"a": 2, "b": 2}, text=["title", "body"])
    docs.add(
        ids=["x", "y", "z"],
        texts={"title": ["owl", "wolf", "pike"], "body": ["night", "owl", "owl"]},
        vectors={"a": [[1, 0], [0, 1], [1, 1]], "b": [[0, 1], [1, 0], [1, 1]]},
    )
    both = docs.search({"a": [0, 1], "b": [1, 0]})
    assert both.ids[0] == "y" and both[0].score > both[1].score
    assert docs.search({"a": [1, 0]}).ids == docs.search([1, 0], column="a").ids
    assert docs.search({"a": [1, 0.1], "b": [1, 0]}, mmr=0.5, k=2).ids
    title = docs.search([0, 1], column="a", words="owl", text_column="title", alpha=0.1, k=1)
    assert title.ids == ["x"] and title[0].bm25
    shown = docs.explain({"a": [0, 1], "b": [1, 0]}, words="owl")
    assert [leg["kind"] for leg in shown.legs[0]["legs"] if leg] and len(shown.legs) == len(shown.hits)
    assert docs.explain(where="1").legs == [{}, {}, {}]


def test_groups_and_diversity_are_those_of_sql(docs):
    vector = nearlite.serialize_float32(QUERY)

    def in_sql(options, k, leg="near('embedding', ?)", values=(vector,)):
        sql = f"SELECT id FROM docs WHERE docs MATCH hybrid_query({leg}, ?) AND k = {k} ORDER BY rank"
        return [row[0] for row in docs.connection.execute(sql, [*values, options])]

    for rows_of_each in (1, 3):
        found = docs.search(QUERY, group_by="year", per_group=rows_of_each, k=9).ids
        assert found == in_sql(f'{{"group_by": "year", "group_rows": {rows_of_each}}}', 9)
    sql = "SELECT id FROM docs WHERE docs MATCH hybrid_query(near('embedding', ?), ?) ORDER BY rank"
    for weight in (0.2, 0.7):
        assert docs.search(QUERY, mmr=weight, k=6).ids == in_sql(f'{{"mmr": {weight}}}', 6)
        # Without a number of rows the pools of SQL are made for 20.
        whole = list(docs.connection.execute(sql, (vector, f'{{"mmr": {weight}}}')))[:60]
        pages = [docs.search(QUERY, mmr=weight, k=20, offset=at).ids for at in (0, 20, 40)]
        assert [name for page in pages for name in page] == [row[0] for row in whole]
    both = ("words(?), near('embedding', ?)", ("owl moon", vector))
    assert docs.search(QUERY, words="owl moon", group_by="year", k=5).ids == in_sql('{"group_by": "year"}', 5, *both)
    assert docs.search(QUERY, words="owl moon", mmr=0.5, k=5).ids == in_sql('{"mmr": 0.5}', 5, *both)
