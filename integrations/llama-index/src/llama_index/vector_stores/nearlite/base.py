"""The vector store."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, TypeVar, Union

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

import nearlite
from nearlite import filters

_T = TypeVar("_T")

# What LlamaIndex adds to the metadata of each node: columns of their own, of which one is filtered by.
_OWN = {"ref_doc_id": "TEXT", "_node_type": "TEXT UNINDEXED", "_node_content": "TEXT UNINDEXED"}
# Copies of ref_doc_id, which are not stored: filters by them are filters by ref_doc_id where a node has no key of that name itself.
_COPIES = ("document_id", "doc_id")


class NearliteVectorStore(BasePydanticVectorStore):
    """Nodes in one table of an SQLite file, found by their vectors, their words and their metadata.

        store = NearliteVectorStore("docs.db")
        index = VectorStoreIndex.from_documents(documents, storage_context=StorageContext.from_defaults(vector_store=store))
        index.as_retriever(vector_store_query_mode="hybrid", alpha=0.5).retrieve("birds of prey")

    ``connection`` is a path, ":memory:", or a connection of ``nearlite.connect()``. The table is made with the first node unless it is
    there; ``create`` holds arguments of ``nearlite.Collection.create`` for it: ``columns={"year": int}``, ``metric``, ``tokenizer``,
    ``model``. Metadata may hold lists and dictionaries. All operators and conditions of ``MetadataFilters`` are evaluated inside the
    search. The modes are DEFAULT, TEXT_SEARCH (SPARSE is the same), HYBRID, where ``alpha`` 1 is vectors only and None is the default
    fusion, and MMR with ``mmr_threshold``. Similarities are larger for what is better.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    collection_name: str = "nodes"

    _connection: Any = PrivateAttr()
    _collection: nearlite.Collection = PrivateAttr()
    _create: dict[str, Any] = PrivateAttr()
    _owns: bool = PrivateAttr()
    _seen: bool = PrivateAttr()
    _lock: Any = PrivateAttr()

    def __init__(
        self,
        connection: Union[str, os.PathLike[str], Any] = ":memory:",
        collection_name: str = "nodes",
        *,
        create: Optional[Mapping[str, Any]] = None,
    ) -> None:
        fields: dict[str, Any] = {"stores_text": True, "collection_name": collection_name}
        super().__init__(**fields)
        self._owns = isinstance(connection, (str, os.PathLike))
        self._connection = nearlite.connect(connection) if isinstance(connection, (str, os.PathLike)) else connection
        self._collection = nearlite.Collection(self._connection, collection_name)
        self._create = dict(create or {})
        self._lock = threading.Lock()
        # Whether the table has been seen. Another store or process may make it at any time.
        self._seen = False

    @classmethod
    def class_name(cls) -> str:
        return "NearliteVectorStore"

    @property
    def client(self) -> Any:
        """The connection."""
        return self._connection

    @property
    def collection(self) -> nearlite.Collection:
        """The collection that holds the nodes."""
        return self._collection

    def close(self) -> None:
        """Closes the connection, if the store opened it."""
        if self._owns:
            self._connection.close()

    def add(self, nodes: Sequence[BaseNode], **add_kwargs: Any) -> list[str]:
        """Writes nodes with their embeddings, all or none; nodes whose id is there are replaced. Returns the ids."""
        listed = list({node.node_id: node for node in nodes}.values())
        if not listed:
            return []
        vectors = [node.get_embedding() for node in listed]
        self._ready(len(vectors[0])).upsert(
            ids=[node.node_id for node in listed],
            texts=[node.get_content(metadata_mode=MetadataMode.NONE) or "" for node in listed],
            vectors=vectors,
            metadatas=[_metadata(node) for node in listed],
        )
        return [node.node_id for node in nodes]

    def _is_there(self) -> bool:
        """Whether the table is there; looks for it until it is."""
        if not self._seen:
            self._seen = self.collection_name.lower() in map(str.lower, nearlite.collections(self._connection))
        return self._seen

    def _ready(self, dim: int) -> nearlite.Collection:
        with self._lock:
            if not self._is_there():
                options = {"dim": dim, **self._create}
                options["columns"] = {**options.get("columns", {}), **_OWN}
                self._collection.create_if_missing(**options)
                self._seen = True
        return self._collection

    def get_nodes(self, node_ids: Optional[list[str]] = None, filters: Optional[MetadataFilters] = None) -> list[BaseNode]:
        """The nodes of the ids that pass the filters; all without either."""
        if not self._is_there():
            return []
        where = _where(filters)
        rows = self._collection.get(node_ids, where=where) if node_ids is not None else self._collection.get(where=where or {})
        return [_node(row) for row in rows]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        if self._is_there():
            self._collection.delete(where={"ref_doc_id": ref_doc_id})

    def delete_nodes(self, node_ids: Optional[list[str]] = None, filters: Optional[MetadataFilters] = None, **delete_kwargs: Any) -> None:
        """Deletes the nodes of the ids that pass the filters; none without either."""
        if not self._is_there() or (node_ids is None and filters is None):
            return
        where = _where(filters) or {}
        if node_ids is not None:
            where = {"$and": [{"id": {"$in": list(node_ids)}}, where]} if where else {"id": {"$in": list(node_ids)}}
        self._collection.delete(where=where)

    def clear(self) -> None:
        """Deletes all nodes."""
        if self._is_there():
            self._collection.delete(where={})

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes that a query finds, best first. ``kwargs`` go to ``nearlite.Collection.search``."""
        if not self._is_there():
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        mode, k = query.mode, query.similarity_top_k
        options: dict[str, Any] = {"where": _where(query.filters, query.doc_ids, query.node_ids)}
        if "mmr_threshold" in kwargs:
            options["mmr"] = kwargs.pop("mmr_threshold")
        if mode in (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE):
            options.update(words=_text(query), vector=None)
            k = query.sparse_top_k or k
        elif mode == VectorStoreQueryMode.HYBRID:
            options.update(words=_text(query), vector=_embedding(query), alpha=query.alpha)
            k = query.hybrid_top_k or k
        elif mode == VectorStoreQueryMode.MMR:
            options.setdefault("mmr", query.mmr_threshold if query.mmr_threshold is not None else 0.5)
            options["vector"] = _embedding(query)
            if "mmr_prefetch_k" in kwargs:
                options["candidates"] = kwargs.pop("mmr_prefetch_k")
            elif "mmr_prefetch_factor" in kwargs:
                options["candidates"] = max(int(k * kwargs.pop("mmr_prefetch_factor")), 1)
        elif mode == VectorStoreQueryMode.DEFAULT:
            options["vector"] = _embedding(query)
        else:
            raise nearlite.InputError(f"the mode {mode.value!r} is not one of default, text_search, sparse, hybrid, mmr")
        hits = self._collection.search(k=k, **{**options, **kwargs})
        ranked = mode in (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR)
        cosine = ranked and self._collection.schema.vector().metric == "cosine"
        # 1 for the same direction, as LlamaIndex expects of a cosine; other scores are larger for what is better.
        similarities = [1.0 - (hit.distance or 0.0) if cosine else hit.score for hit in hits]
        return VectorStoreQueryResult(nodes=[_node(hit) for hit in hits], similarities=similarities, ids=hits.ids)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """``add`` as a coroutine."""
        return await _in_thread(self.add, nodes, **kwargs)

    async def aget_nodes(self, node_ids: Optional[list[str]] = None, filters: Optional[MetadataFilters] = None) -> list[BaseNode]:
        """``get_nodes`` as a coroutine."""
        return await _in_thread(self.get_nodes, node_ids, filters)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """``delete`` as a coroutine."""
        await _in_thread(self.delete, ref_doc_id)

    async def adelete_nodes(self, node_ids: Optional[list[str]] = None, filters: Optional[MetadataFilters] = None, **delete_kwargs: Any) -> None:
        """``delete_nodes`` as a coroutine."""
        await _in_thread(self.delete_nodes, node_ids, filters)

    async def aclear(self) -> None:
        """``clear`` as a coroutine."""
        await _in_thread(self.clear)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """``query`` as a coroutine."""
        return await _in_thread(self.query, query, **kwargs)


def _metadata(node: BaseNode) -> dict[str, Any]:
    metadata = node_to_metadata_dict(node, remove_text=True, flat_metadata=False)
    for name in _COPIES:
        metadata.pop(name, None)
        if name in node.metadata:
            metadata[name] = json.loads(metadata["_node_content"])["metadata"][name]
    return metadata


def _node(row: nearlite.Row) -> BaseNode:
    return metadata_dict_to_node(row.metadata, text=row.text)


def _where(given: Optional[MetadataFilters], documents: Optional[list[str]] = None, nodes: Optional[list[str]] = None) -> Optional[dict[str, Any]]:
    parts: list[dict[str, Any]] = [] if given is None else [_with_copies(filters.from_llama_index(given))]
    # Retrievers pass empty lists where nothing was asked for.
    if documents:
        parts.append({"ref_doc_id": {"$in": list(documents)}})
    if nodes:
        parts.append({"id": {"$in": list(nodes)}})
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else {"$and": [part for part in parts if part] or [{}]}


def _with_copies(where: Mapping[str, Any]) -> filters.OfMetadata:
    """The filter with what its conditions on copies of ref_doc_id mean."""
    parts: list[filters.OfMetadata] = []
    for key, value in where.items():
        if key in ("$and", "$or"):
            value = [_with_copies(inner) for inner in value]
        elif key == "$not":
            value = _with_copies(value)
        elif key in _COPIES:
            own, copied = [{key: {"$exists": True}}, {key: value}], [{key: {"$exists": False}}, {"ref_doc_id": value}]
            key, value = "$or", [filters.OfMetadata({"$and": list(map(filters.OfMetadata, both))}) for both in (own, copied)]
        parts.append(filters.OfMetadata({key: value}))
    return parts[0] if len(parts) == 1 else filters.OfMetadata({"$and": parts} if parts else {})


def _text(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise nearlite.InputError(f"a query of the mode {query.mode.value!r} needs query_str")
    return query.query_str


def _embedding(query: VectorStoreQuery) -> list[float]:
    if query.query_embedding is None:
        raise nearlite.InputError(f"a query of the mode {query.mode.value!r} needs query_embedding")
    return query.query_embedding


async def _in_thread(function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(function, *args, **kwargs))
