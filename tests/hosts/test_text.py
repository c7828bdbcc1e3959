"""Full-text queries: which rows match, how they rank, what a query may say, snippets."""

import pytest

import model

SHORT = "CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, lang TEXT)"


def holders(corpus, word, columns=("title", "body")):
    return {row[0] for row in corpus.data.values() for at, name in ((1, "title"), (2, "body")) if name in columns and word in row[at].split()}


def search(db, text, target="docs"):
    return db.column(f"SELECT rowid FROM docs WHERE {target} MATCH ? ORDER BY rank", text)


@pytest.mark.parametrize("word", model.WORDS[:6])
def test_a_word_finds_every_row_that_holds_it(corpus, word):
    assert set(search(corpus.db, word)) == holders(corpus, word)


def test_match_on_a_column_searches_that_column_alone(corpus):
    assert set(search(corpus.db, "falcon", "title")) == holders(corpus, "falcon", ("title",))
    assert set(search(corpus.db, "falcon", "body")) == holders(corpus, "falcon", ("body",))


def test_a_column_prefix_in_the_query_does_the_same(corpus):
    assert set(search(corpus.db, "title:falcon")) == holders(corpus, "falcon", ("title",))


def test_and_or_not_plus_and_minus(corpus):
    a, b = holders(corpus, "falcon"), holders(corpus, "onyx")
    for text, expected in [
        ("falcon AND onyx", a & b),
        ("falcon OR onyx", a | b),
        ("+falcon +onyx", a & b),
        ("+falcon -onyx", a - b),
        ("falcon AND NOT onyx", a - b),
        ("(falcon OR onyx) AND amber", (a | b) & holders(corpus, "amber")),
    ]:
        assert set(search(corpus.db, text)) == expected, text


def test_case_does_not_matter(corpus):
    assert search(corpus.db, "FaLcOn") == search(corpus.db, "falcon")


def test_a_phrase_needs_its_words_in_order(db, state):
    db.rows(SHORT)
    db.rows("INSERT INTO docs(rowid, body) VALUES(1, 'vector search engine'), (2, 'search vector engine'), (3, 'vector based search'), (4, 'a vector; search')")
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert set(search(db, '"vector search"')) == {1, 4}
    assert set(search(db, '"vector search"~1')) == {1, 3, 4}


def test_a_prefix_finds_all_continuations(corpus):
    expected = set().union(*(holders(corpus, word) for word in model.WORDS if word.startswith("in") or word.startswith("ja")))
    assert set(search(corpus.db, "in* OR ja*")) == expected


def test_scores_equal_bm25_over_one_column(db, rng, state):
    """The statistics are those of the whole table, however many segments hold it."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    texts = {i: " ".join(rng.choice(model.WORDS, size=int(rng.integers(1, 30)))) for i in range(1, 201)}
    for part in range(4):
        db.many_in_transaction("INSERT INTO docs(rowid, body) VALUES(?, ?)", [(i, text) for i, text in texts.items() if i % 4 == part])
        if state == "mixed" and part < 3:
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    if state == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    for words in (["falcon"], ["onyx", "amber"], ["kernel", "lagoon", "pepper"]):
        expected = model.bm25(texts, words)
        got = db.rows("SELECT rowid, bm25, rank FROM docs WHERE docs MATCH ? ORDER BY rank", " OR ".join(words))
        assert {row[0]: row[1] for row in got} == pytest.approx(expected, rel=2e-3)
        assert [row[1] for row in got] == sorted((row[1] for row in got), reverse=True)
        assert all(rank == pytest.approx(-score) for _, score, rank in got)


def test_equal_scores_come_in_rowid_order(db, state):
    db.rows(SHORT)
    for part in ([9, 2, 30], [4, 1, 77]):
        db.many_in_transaction("INSERT INTO docs(rowid, body) VALUES(?, 'same words here')", [(i,) for i in part])
        if state != "delta":
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    if state == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert search(db, "same") == [1, 2, 4, 9, 30, 77]
    assert db.column("SELECT rowid FROM docs WHERE docs MATCH 'words' ORDER BY rank LIMIT 2 OFFSET 1") == [2, 4]


@pytest.mark.parametrize("limit, offset", [(1, 0), (5, 0), (5, 5), (1000, 0), (10, 1000), (0, 0), (-1, 3)])
def test_limit_and_offset_cut_the_ranked_list(corpus, limit, offset):
    whole = search(corpus.db, "falcon OR onyx OR amber")
    got = corpus.db.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon OR onyx OR amber' ORDER BY rank LIMIT ? OFFSET ?", limit, offset)
    assert got == whole[offset : None if limit < 0 else offset + limit]


def test_a_text_query_leaves_the_vector_columns_null(corpus):
    got = corpus.db.rows("SELECT distance, vector_rank, bm25 > 0 FROM docs WHERE docs MATCH 'falcon' ORDER BY rank LIMIT 1")
    assert got == [(None, None, 1)]


def test_text_is_found_as_soon_as_it_is_written_and_never_after_it_is_gone(docs):
    docs.db.rows("INSERT INTO docs(rowid, body) VALUES(5000, 'zeppelin')")
    assert search(docs.db, "zeppelin") == [5000]
    docs.db.rows("UPDATE docs SET body = 'dirigible' WHERE rowid = 5000")
    assert search(docs.db, "zeppelin") == [] and search(docs.db, "dirigible") == [5000]
    docs.db.rows("INSERT INTO docs(docs) VALUES('flush')")
    docs.db.rows("DELETE FROM docs WHERE rowid = 5000")
    assert search(docs.db, "dirigible") == []
    assert set(search(docs.db, "falcon")) == {r for r, row in docs.data.items() if "falcon" in f"{row[1]} {row[2]}".split()}


def test_stemming_is_chosen_by_the_tokenizer(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, tokenizer = 'en_stem')")
    db.rows("INSERT INTO docs(rowid, body) VALUES(1, 'He was running'), (2, 'two runs'), (3, 'walked')")
    assert set(search(db, "run")) == {1, 2}
    assert search(db, "walking") == [3]


def test_null_text_matches_nothing_and_hides_nothing(db):
    db.rows(SHORT)
    db.rows("INSERT INTO docs(rowid, title, body) VALUES(1, NULL, 'falcon'), (2, 'falcon', NULL), (3, NULL, NULL)")
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        assert set(search(db, "falcon")) == {1, 2}


@pytest.mark.parametrize("text", ["", "   ", "zzzznothing", "AND", "NOT", "()", "\"\"", "-", "*", "***", "\"unclosed phrase", "falcon AND", "(falcon", "falcon)", "AND AND OR", "title:", "nocolumn:falcon", "^^^", "falcon^", "[a TO", "\\", "'", "falcon~", "\"a b\"~", "{}", "!!!", "😀", "\u200b", "\ufeff"])
def test_a_strange_query_is_parsed_leniently_and_never_fails(corpus, text):
    got = search(corpus.db, text)
    assert len(got) == len(set(got)) <= len(corpus.data)


def test_a_null_query_finds_nothing(corpus):
    assert corpus.db.rows("SELECT rowid FROM docs WHERE docs MATCH NULL") == []


def test_a_query_of_sixteen_kibibytes_is_the_limit(corpus):
    assert set(search(corpus.db, ("falcon " * 2340)[: 16 * 1024 - 1])) >= holders(corpus, "falcon")
    assert corpus.db.failure("SELECT rowid FROM docs WHERE docs MATCH ?", "falcon " * 3000).says("16")


def test_deeply_nested_queries_do_not_crash(corpus):
    for text in ("(" * 4000 + "falcon" + ")" * 4000, "NOT " * 3000 + "falcon", "-" * 8000 + "falcon", "title:" * 2000 + "falcon"):
        try:
            search(corpus.db, text)
        except corpus.db.errors as error:
            assert "docs" in str(error) or "query" in str(error).lower()
    assert search(corpus.db, "falcon")


def test_text_of_any_script_is_stored_and_found(db, state):
    db.rows(SHORT)
    texts = {1: "Füße über Straße", 2: "поиск векторов", 3: "αναζήτηση διανυσμάτων", 4: "naïve café", 5: "emoji 😀 inside", 6: "nul\0inside word"}
    db.many_in_transaction("INSERT INTO docs(rowid, body) VALUES(?, ?)", list(texts.items()))
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    for rowid, word in ((1, "straße"), (2, "векторов"), (3, "διανυσμάτων"), (4, "café"), (5, "inside"), (6, "word")):
        assert rowid in search(db, word), word
    assert dict(db.rows("SELECT rowid, body FROM docs")) == texts


def test_a_long_run_of_cjk_is_not_lost(db, state):
    """A tokenizer that drops words of forty bytes and more would lose fourteen characters of Japanese without a space."""
    db.rows(SHORT)
    run = "全文検索とベクトル検索を一つの表でおこなうための拡張機能"
    db.rows("INSERT INTO docs(rowid, body) VALUES(1, ?), (2, 'other')", run)
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert search(db, run) == [1]


def test_a_very_long_word_is_not_an_error(db):
    db.rows(SHORT)
    db.rows("INSERT INTO docs(rowid, body) VALUES(1, ?)", "x" * 100_000 + " falcon")
    assert search(db, "falcon") == [1]


def test_a_megabyte_of_text_is_stored_and_found(db):
    db.rows(SHORT)
    text = "lorem ipsum " * 90_000 + "needle"
    db.rows("INSERT INTO docs(rowid, body) VALUES(1, ?)", text)
    assert search(db, "needle") == [1]
    assert db.one("SELECT length(body) FROM docs") == len(text)


# ---- snippet, highlight, bm25() ----

SENTENCE = "the quick brown fox jumps over the lazy dog and the quick cat sleeps"


@pytest.fixture
def sentence(db, state):
    db.rows(SHORT)
    db.rows("INSERT INTO docs(rowid, title, body) VALUES(1, 'on foxes', ?)", "padding words " * 30 + SENTENCE + " more padding" * 30)
    db.rows("INSERT INTO docs(rowid, title, body) VALUES(2, 'fox <b>', 'short fox')")
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    return db


def test_a_snippet_shows_the_match_in_its_surroundings(sentence):
    text = sentence.one("SELECT snippet(docs, 'body', '<b>', '</b>', '…', 8) FROM docs WHERE docs MATCH 'lazy' ORDER BY rank")
    assert "<b>lazy</b>" in text
    assert text.startswith("…") and text.endswith("…")
    plain = text.replace("<b>", "").replace("</b>", "").strip("…").strip()
    assert plain in "padding words " * 30 + SENTENCE + " more padding" * 30
    assert len(plain.split()) <= 8


def test_a_snippet_of_a_short_text_is_the_whole_text(sentence):
    assert sentence.column("SELECT snippet(docs, 'body', '[', ']', '…', 24) FROM docs WHERE docs MATCH 'short'") == ["[short] fox"]


def test_a_snippet_takes_the_column_by_number_too(sentence):
    assert sentence.column("SELECT snippet(docs, 1, '[', ']', '…', 24) FROM docs WHERE docs MATCH 'short'") == ["[short] fox"]


def test_highlight_marks_every_match_of_the_whole_text(sentence):
    assert sentence.column("SELECT highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'short OR fox' AND rowid = 2") == ["[short] [fox]"]
    whole = sentence.one("SELECT highlight(docs, 'body', '[', ']') FROM docs WHERE docs MATCH 'quick' AND rowid = 1")
    assert whole.count("[quick]") == 2 and whole.replace("[", "").replace("]", "") == "padding words " * 30 + SENTENCE + " more padding" * 30


def test_bm25_as_a_function_equals_the_column(sentence):
    rows = sentence.rows("SELECT bm25(docs), bm25 FROM docs WHERE docs MATCH 'fox' ORDER BY rank")
    assert len(rows) == 2
    assert all(abs(a) == pytest.approx(abs(b)) for a, b in rows)


def test_snippet_outside_of_a_text_query_is_null_or_plain_text_not_a_crash(sentence):
    try:
        got = sentence.column("SELECT snippet(docs, 'body', '[', ']', '…', 5) FROM docs ORDER BY rowid")
    except sentence.errors:
        return
    assert len(got) == 2 and all(text is None or "[" not in text for text in got)


def test_snippet_of_a_column_that_is_not_there_names_it(sentence):
    assert sentence.failure("SELECT snippet(docs, 'nocolumn', '[', ']', '…', 5) FROM docs WHERE docs MATCH 'fox'").says("nocolumn")


def test_the_plan_needs_no_sorter_for_rank(corpus):
    plan = corpus.db.plan("SELECT rowid FROM docs WHERE docs MATCH 'falcon' AND lang = 'en' ORDER BY rank LIMIT 5")
    assert "TEMP B-TREE" not in plan.upper() and "nearlite" in plan, plan
