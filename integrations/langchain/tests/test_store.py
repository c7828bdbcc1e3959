"""The store beyond LangChain's own tests."""

import asyncio
import math

import nearlite
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from langchain_nearlite import NearliteHybridRetriever, NearliteVectorStore

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Letters(Embeddings):
    """Vectors of letter counts: texts with the same letters are alike."""

    model = "letters"

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        return [0.01 + text.lower().count(letter) for letter in LETTERS]


DOCUMENTS = [
    Document("owls hunt at night", id="owl", metadata={"year": 2004, "kind": "Bird", "tags": ["night", "sky"], "open": True}),
    Document("wolves hunt in packs", id="wolf", metadata={"year": 2010, "kind": "mammal", "tags": ["night"], "rating": 4.5}),
    Document("falcons dive by day", id="falcon", metadata={"year": 2016, "kind": "bird", "tags": ["sky"], "open": False}),
    Document("error E-1234 in module x", id="code", metadata={}),
]


@pytest.fixture(params=[{}, {"columns": {"year": int, "kind": str, "open": bool, "rating": float}}], ids=["metadata", "declared"])
def store(request, where):
    made = NearliteVectorStore(Letters(), where, create=request.param)
    made.add_documents(DOCUMENTS)
    yield made
    made.close()


FILTERS = [
    ({"year": 2004}, "owl"),
    ({"year": {"$eq": 2004}}, "owl"),
    ({"year": {"$ne": 2004}}, "wolf falcon code"),
    ({"year": {"$lt": 2010}}, "owl"),
    ({"year": {"$lte": 2010}}, "owl wolf"),
    ({"year": {"$gt": 2010}}, "falcon"),
    ({"year": {"$gte": 2010}}, "wolf falcon"),
    ({"year": {"$between": (2005, 2016)}}, "wolf falcon"),
    ({"year": {"$in": [2004, 2016]}}, "owl falcon"),
    ({"year": {"$nin": [2004, 2016]}}, "wolf code"),
    ({"year": {"$exists": False}}, "code"),
    ({"kind": {"$like": "mam%"}}, "wolf"),
    ({"kind": {"$ilike": "BIRD"}}, "owl falcon"),
    ({"open": True}, "owl"),
    ({"rating": {"$gt": 4}}, "wolf"),
    ({"tags": {"$contains": "night"}}, "owl wolf"),
    ({"$and": [{"year": {"$gt": 2004}}, {"tags": {"$contains": "sky"}}]}, "falcon"),
    ({"$or": [{"year": 2004}, {"rating": 4.5}]}, "owl wolf"),
    ({"$not": {"year": 2004}}, "wolf falcon code"),
    ({"$not": [{"year": 2004}, {"kind": {"$ilike": "MAMMAL"}}]}, "falcon code"),
    ({"kind": {"$not": {"$ilike": "BIRD"}}}, "wolf code"),
    ({"$not": {"kind": {"$not": {"$ilike": "BIRD"}}}}, "owl falcon"),
    ({"year": {"$gt": 2004}, "kind": "bird"}, "falcon"),
    ({}, "owl wolf falcon code"),
]


@pytest.mark.parametrize(("filter", "expected"), FILTERS, ids=str)
def test_filters(store, filter, expected):
    assert {document.id for document in store.similarity_search("hunt", k=10, filter=filter)} == set(expected.split())
    assert len(store.similarity_search("hunt", k=1, filter=filter)) == 1


def test_a_filter_with_a_mistake(store):
    with pytest.raises(nearlite.FilterError, match=r"\$near"):
        store.similarity_search("hunt", filter={"year": {"$near": 3}})


def test_scores(store):
    found = store.similarity_search_with_score("owls hunt at night", k=4)
    assert found[0][0] == DOCUMENTS[0] and found[0][1] == pytest.approx(0, abs=1e-6)
    assert [distance for _, distance in found] == sorted(distance for _, distance in found)
    relevant = store.similarity_search_with_relevance_scores("owls hunt at night", k=4)
    assert relevant[0][1] == pytest.approx(1) and all(0 <= score <= 1 for _, score in relevant)
    retriever = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.99, "k": 4})
    assert [document.id for document in retriever.invoke("owls hunt at night")] == ["owl"]


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_relevance_is_from_0_to_1_for_every_metric(metric):
    store = NearliteVectorStore.from_texts(["aaa", "abc", "zzzzzzz"], Letters(), create={"metric": metric})
    scores = [score for _, score in store.similarity_search_with_relevance_scores("aaa", k=3)]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)


def test_diversity(store):
    store.add_texts(["owls hunt at night!"], ids=["copy"])
    plain = [document.id for document in store.similarity_search("owls hunt at night", k=2)]
    diverse = [document.id for document in store.max_marginal_relevance_search("owls hunt at night", k=2, lambda_mult=0.1)]
    assert set(plain) == {"owl", "copy"} and len(set(diverse) & {"owl", "copy"}) == 1
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "filter": {"year": {"$exists": True}}})
    assert "copy" not in [document.id for document in retriever.invoke("owls")]


def test_hybrid_and_text(store):
    assert store.text_search("E-1234")[0].id == "code" and store.text_search("NOT owls --force", k=1)[0].id == "owl"
    assert store.hybrid_search("E-1234 owls", k=4, alpha=0.1)[0].id == "code"
    hybrid = store.hybrid_search_with_score("owls hunt", k=3, filter={"year": {"$exists": True}})
    assert hybrid[0][0].id == "owl" and hybrid[0][1] >= hybrid[1][1]
    retriever = NearliteHybridRetriever(vectorstore=store, k=2, filter={"year": {"$gt": 2004}})
    assert retriever.invoke("falcons dive")[0].id == "falcon"
    assert [document.id for document in retriever.invoke("owls", k=1, filter=None)] == ["owl"]
    words = NearliteHybridRetriever(vectorstore=store, mode="text", options={"group_by": "kind"})
    assert asyncio.run(words.ainvoke("hunt falcons"))[0].id == "falcon"
    assert asyncio.run(retriever.ainvoke("falcons dive"))[0].id == "falcon"


def test_deleting(store):
    store.delete(["owl", "nobody"])
    assert store.get_by_ids(["owl", "wolf"]) == [DOCUMENTS[1]]
    store.delete(filter={"tags": {"$contains": "sky"}})
    assert {document.id for document in store.similarity_search("x", k=9)} == {"wolf", "code"}
    store.delete()
    assert store.similarity_search("x") == []


def test_ids_twice_and_not_at_all(store):
    assert store.add_texts(["one", "two"], ids=["same", "same"]) == ["same", "same"]
    assert store.get_by_ids(["same"])[0].page_content == "two"
    made = store.add_documents([Document("p"), Document("q", id="own")])
    assert made[1] == "own" and store.get_by_ids(made)[0].page_content == "p"
    assert store.add_texts([]) == []


def test_many_coroutines(store):
    async def work():
        await asyncio.gather(*(store.aadd_documents([Document(f"text {at}", id=f"t{at}")]) for at in range(50)))
        found = await asyncio.gather(*(store.asimilarity_search(f"text {at}", k=2) for at in range(50)))
        assert all(len(documents) == 2 for documents in found)
        assert len(await store.aget_by_ids([f"t{at}" for at in range(50)])) == 50
        assert await store.amax_marginal_relevance_search("text", k=3)
        assert await store.adelete(["t1"])

    asyncio.run(work())


def test_a_file_is_opened_again_and_its_model_compared(tmp_path):
    path = tmp_path / "store.db"
    store = NearliteVectorStore.from_documents(DOCUMENTS, Letters(), connection=path)
    store.close()
    again = NearliteVectorStore(Letters(), path)
    assert again.similarity_search("owls hunt at night", k=1)[0].id == "owl"
    other = Letters()
    other.model = "digits"
    with pytest.raises(nearlite.ModelError, match="'letters'"):
        NearliteVectorStore(other, again.connection)
    again.close()


def test_odd_texts(store):
    odd = ["", "nul\0byte", "emoji 🦉", "x" * 100_000]
    assert [document.page_content for document in store.get_by_ids(store.add_texts(odd))] == odd
    assert len(store.similarity_search("", k=3)) == 3
    assert store.hybrid_search("", k=3)
    with pytest.raises(nearlite.InputError, match="not JSON"):
        store.add_texts(["fine", "bad"], [{}, {"x": math.nan}], ids=["fine", "bad"])
    assert store.get_by_ids(["fine"]) == []


def test_an_engine_of_sqlalchemy(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    path = str(tmp_path / "store.db")
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: nearlite.connect(path))
    with engine.connect() as connection:
        store = NearliteVectorStore(Letters(), connection.connection.driver_connection)
        store.add_documents(DOCUMENTS)
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM documents")).scalar() == 4
        assert store.similarity_search("owls hunt at night", k=1)[0].id == "owl"
    engine.dispose()


def test_metadata_may_have_keys_like_the_tables_columns(store):
    store.add_texts(["x"], [{"id": "other", "text": 5, "meta": {"a": 1}, "embedding": [1]}], ids=["own"])
    for filter in ({"id": "other"}, {"text": 5}, {"meta.a": 1}, {"embedding": {"$contains": 1}}):
        assert [document.id for document in store.similarity_search("x", filter=filter)] == ["own"]
    assert store.similarity_search("x", filter={"id": "own"}) == []


def test_a_store_that_was_opened_before_the_table_was_made_finds_it(tmp_path):
    path = tmp_path / "store.db"
    reader, writer, other = (NearliteVectorStore(Letters(), path) for _ in range(3))
    assert reader.similarity_search("owls") == [] and reader.delete(["owl"])
    writer.add_documents(DOCUMENTS)
    # It went on as if there were no table: nothing found, nothing deleted.
    assert [document.id for document in reader.similarity_search("owls hunt at night", k=1)] == ["owl"]
    assert reader.similarity_search_with_relevance_scores("owls hunt at night", k=1)[0][1] == pytest.approx(1)
    reader.delete(["owl"])
    assert writer.get_by_ids(["owl", "wolf"]) == [DOCUMENTS[1]]
    other.embeddings.model = "digits"
    for call in (lambda: other.similarity_search("x"), lambda: other.add_texts(["x"]), lambda: other.delete(["wolf"])):
        with pytest.raises(nearlite.ModelError, match="'letters'"):
            call()
    assert writer.get_by_ids(["wolf"]) == [DOCUMENTS[1]]
    for store in (reader, writer, other):
        store.close()


def test_metadata_of_another_length_is_refused_also_where_ids_come_twice():
    store = NearliteVectorStore(Letters())
    for arguments in ([["a", "b"], [{}], ["1", "1"]], [["a", "b"], [{}, {}, {}], ["1", "1"]], [["a", "b"], None, ["1"]], [["a"], None, ["1", "1"]]):
        with pytest.raises(ValueError, match="the arguments differ in length: texts"):
            store.add_texts(arguments[0], arguments[1], ids=arguments[2])
    assert store.add_texts(["a", "b"], [{"k": 1}, {"k": 2}], ids=["1", "1"]) == ["1", "1"]
    assert store.get_by_ids(["1"])[0].metadata == {"k": 2}
    store.close()
