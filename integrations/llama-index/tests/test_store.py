"""The store: filters, modes, documents, coroutines, and through an index."""

import asyncio

import nearlite
import pytest
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from llama_index.vector_stores.nearlite import NearliteVectorStore


def node(name, text, vector, document=None, **metadata):
    relationships = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)} if document else {}
    return TextNode(id_=name, text=text, embedding=vector, metadata=metadata, relationships=relationships)


NODES = [
    node("a", "owls hunt at night", [1, 0, 0], "d1", year=2004, kind="Bird", tags=["night", "sky"]),
    node("b", "wolves hunt in packs", [0.8, 0.6, 0], "d1", year=2010, kind="mammal", tags=["night"], note=""),
    node("c", "falcons dive by day", [0, 1, 0], "d2", year=2016, kind="bird", tags=[]),
    node("d", "error E-1234 in 100%_x", [0, 0, 1], "d3", kind="100%_x", note=None),
]


@pytest.fixture(params=[{}, {"columns": {"year": int, "kind": str}}], ids=["metadata", "declared"])
def store(request, where):
    made = NearliteVectorStore(where, create=request.param)
    made.add(NODES)
    yield made
    made.close()


def one(key, operator, value=None):
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


O = FilterOperator  # noqa: E741
FILTERS = [
    (one("year", O.EQ, 2004), "a"),
    (one("year", O.NE, 2004), "bcd"),
    (one("year", O.GT, 2004), "bc"),
    (one("year", O.GTE, 2004), "abc"),
    (one("year", O.LT, 2010), "a"),
    (one("year", O.LTE, 2010), "ab"),
    (one("year", O.IN, [2004, 2016]), "ac"),
    (one("year", O.NIN, [2004, 2016]), "bd"),
    (one("kind", O.IN, ["Bird", "mammal"]), "ab"),
    (one("tags", O.ANY, ["sky", "sea"]), "a"),
    (one("tags", O.ALL, ["night", "sky"]), "a"),
    (one("tags", O.CONTAINS, "night"), "ab"),
    (one("kind", O.TEXT_MATCH, "ird"), "ac"),
    (one("kind", O.TEXT_MATCH, "Bir"), "a"),
    (one("kind", O.TEXT_MATCH, "%_"), "d"),
    (one("kind", O.TEXT_MATCH_INSENSITIVE, "BIR"), "ac"),
    (one("kind", O.TEXT_MATCH_INSENSITIVE, "%_X"), "d"),
    (one("tags", O.IS_EMPTY), "cd"),
    (one("note", O.IS_EMPTY), "abcd"),
    (one("year", O.IS_EMPTY), "d"),
    (MetadataFilters(filters=[]), "abcd"),
]
AND = [MetadataFilter(key="year", value=2004, operator=O.GT), MetadataFilter(key="tags", value="night", operator=O.CONTAINS)]
FILTERS += [
    (MetadataFilters(filters=AND, condition=FilterCondition.AND), "b"),
    (MetadataFilters(filters=AND, condition=FilterCondition.OR), "abc"),
    (MetadataFilters(filters=AND, condition=FilterCondition.NOT), "d"),
    (MetadataFilters(filters=[MetadataFilters(filters=AND), one("kind", O.EQ, "Bird")], condition=FilterCondition.OR), "ab"),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS, ids=lambda value: value if isinstance(value, str) else None)
def test_filters(store, filters, expected):
    found = store.query(VectorStoreQuery(query_embedding=[1, 1, 1], similarity_top_k=10, filters=filters))
    assert "".join(sorted(found.ids)) == expected
    assert "".join(sorted(found.node_id for found in store.get_nodes(filters=filters))) == expected
    store.delete_nodes(filters=filters)
    assert "".join(sorted(found.node_id for found in store.get_nodes())) == "".join(sorted(set("abcd") - set(expected)))


def test_a_node_comes_back_as_it_was(store):
    found = store.get_nodes(["b", "a", "nobody"])
    assert [each.node_id for each in found] == ["b", "a"]
    for each, original in zip(found, (NODES[1], NODES[0])):
        assert each.text == original.text and each.metadata == original.metadata and each.ref_doc_id == original.ref_doc_id


def query(store, mode=VectorStoreQueryMode.DEFAULT, **options):
    kwargs = options.pop("kwargs", {})
    return store.query(VectorStoreQuery(mode=mode, **{"query_embedding": [1, 0.1, 0], "similarity_top_k": 2, **options}), **kwargs)


def test_modes(store):
    plain = query(store)
    assert plain.ids == ["a", "b"] and plain.similarities[0] == pytest.approx(0.995, abs=1e-3) and plain.nodes[0].text == NODES[0].text
    text = query(store, VectorStoreQueryMode.TEXT_SEARCH, query_str="E-1234", query_embedding=None)
    assert text.ids == ["d"] == query(store, VectorStoreQueryMode.SPARSE, query_str="E-1234").ids
    hybrid = query(store, VectorStoreQueryMode.HYBRID, query_str="E-1234", alpha=0.1)
    assert hybrid.ids[0] == "d" and hybrid.similarities == sorted(hybrid.similarities, reverse=True)
    assert query(store, VectorStoreQueryMode.HYBRID, query_str="E-1234", alpha=1.0).ids == ["a", "b"]
    assert len(query(store, VectorStoreQueryMode.HYBRID, query_str="hunt", hybrid_top_k=3).ids) == 3
    assert query(store, VectorStoreQueryMode.MMR, mmr_threshold=1.0).ids == ["a", "b"]
    assert query(store, VectorStoreQueryMode.MMR, mmr_threshold=0.1).ids in (["a", "d"], ["a", "c"])
    assert query(store, VectorStoreQueryMode.MMR, kwargs={"mmr_threshold": 0.1, "mmr_prefetch_k": 2}).ids == ["a", "b"]
    assert query(store, doc_ids=["d2"]).ids == ["c"] and query(store, node_ids=["b", "c"]).ids == ["b", "c"]
    assert query(store, doc_ids=["d1"], node_ids=["b"], filters=one("year", O.GT, 1)).ids == ["b"]
    with pytest.raises(nearlite.InputError, match="'svm' is not one of"):
        query(store, VectorStoreQueryMode.SVM)
    with pytest.raises(nearlite.InputError, match="needs query_str"):
        query(store, VectorStoreQueryMode.HYBRID)


def test_deleting(store):
    store.delete("d1")
    assert {each.node_id for each in store.get_nodes()} == {"c", "d"}
    store.delete_nodes(["c"], filters=one("year", O.LT, 2000))
    store.delete_nodes(["nobody"])
    store.delete_nodes()
    assert len(store.get_nodes()) == 2
    store.delete_nodes(["c"])
    assert [each.node_id for each in store.get_nodes()] == ["d"]
    store.clear()
    assert store.get_nodes() == [] and query(store).ids == []


def test_before_the_first_node(where):
    empty = NearliteVectorStore(where)
    assert empty.get_nodes() == [] and query(empty).ids == [] and empty.add([]) == []
    empty.delete("d1")
    empty.delete_nodes(["a"])
    empty.clear()
    empty.close()


def test_coroutines(store):
    async def work():
        await asyncio.gather(*(store.async_add([node(f"n{at}", "more", [0, 0, at + 1], "d9")]) for at in range(30)))
        found = await store.aquery(VectorStoreQuery(query_embedding=[0, 0, 1], similarity_top_k=50))
        assert len(found.ids) == 34
        assert len(await store.aget_nodes(["n1", "n2"])) == 2
        await store.adelete("d9")
        await store.adelete_nodes(["a"])
        assert len(await store.aget_nodes()) == 3
        await store.aclear()

    asyncio.run(work())


def test_through_an_index(where):
    store = NearliteVectorStore(where)
    model = MockEmbedding(embed_dim=8)
    documents = [Document(text="owls hunt at night", id_="one", metadata={"year": 1}), Document(text="falcons dive", id_="two")]
    index = VectorStoreIndex.from_documents(documents, StorageContext.from_defaults(vector_store=store), embed_model=model)
    retriever = index.as_retriever(vector_store_query_mode="hybrid", alpha=0.0, similarity_top_k=1)
    assert retriever.retrieve("falcons")[0].node.ref_doc_id == "two"
    index.update_ref_doc(Document(text="falcons dive by day", id_="two"))
    assert {each.text for each in store.get_nodes()} == {"owls hunt at night", "falcons dive by day"}
    index.delete_ref_doc("two")
    assert [each.text for each in store.get_nodes()] == ["owls hunt at night"]
    again = VectorStoreIndex.from_vector_store(store, embed_model=model)
    assert again.as_retriever(filters=one("year", O.EQ, 1)).retrieve("x")[0].text == "owls hunt at night"
    store.close()


def test_metadata_may_have_keys_like_the_tables_columns(store):
    own = node("own", "x", [1, 1, 1], "d7")
    own.metadata.update({"id": "other", "text": 5})
    store.add([own])
    assert [each.node_id for each in store.get_nodes(filters=one("id", O.EQ, "other"))] == ["own"]
    assert query(store, filters=one("text", O.EQ, 5)).ids == ["own"] and query(store, filters=one("id", O.EQ, "own")).ids == []
    assert query(store, filters=one("id", O.EQ, "other"), node_ids=["own"]).ids == ["own"]


def test_a_store_that_was_opened_before_the_table_was_made_finds_it(tmp_path):
    path = str(tmp_path / "store.db")
    reader, writer = NearliteVectorStore(path), NearliteVectorStore(path)
    assert query(reader).ids == []
    writer.add(NODES)
    # It went on as if there were no table: nothing found, nothing deleted.
    assert query(reader).ids == ["a", "b"] and len(reader.get_nodes()) == 4
    reader.delete("d1")
    reader.delete_nodes(["c"])
    assert [each.node_id for each in writer.get_nodes()] == ["d"]
    reader.clear()
    assert writer.get_nodes() == []
    reader.close()
    writer.close()


def test_the_document_of_a_node_is_filtered_by_under_each_of_its_names(store):
    own = node("own", "x", [1, 1, 1], "d1", doc_id="mine", document_id=["d2", 5])
    store.add([own])
    for key, value, expected in [
        ("ref_doc_id", "d1", ["a", "b", "own"]),
        ("doc_id", "d1", ["a", "b"]),
        ("document_id", "d2", ["c", "own"]),
        ("doc_id", "mine", ["own"]),
    ]:
        # Those of LlamaIndex found nothing, and own keys of these names were lost to filters.
        assert sorted(query(store, filters=one(key, O.EQ, value), similarity_top_k=9).ids) == expected, key
    assert sorted(each.node_id for each in store.get_nodes(filters=one("doc_id", O.NE, "d1"))) == ["c", "d", "own"]
    assert sorted(each.node_id for each in store.get_nodes(filters=one("doc_id", O.IN, ["d3", "mine"]))) == ["d", "own"]
    both = MetadataFilters(filters=[one("doc_id", O.EQ, "d1"), one("year", O.GT, 2004)], condition=FilterCondition.NOT)
    assert sorted(each.node_id for each in store.get_nodes(filters=both)) == ["d", "own"]
    assert store.get_nodes(["own"])[0].metadata == own.metadata
    store.delete_nodes(filters=one("document_id", O.EQ, "d3"))
    assert store.get_nodes(["d"]) == []
