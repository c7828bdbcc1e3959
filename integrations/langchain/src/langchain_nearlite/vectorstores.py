"""The vector store."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional, TypeVar, Union

import nearlite
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from nearlite import filters

Filter = Optional[Mapping[str, Any]]
_T = TypeVar("_T")


class NearliteVectorStore(VectorStore):
    """Documents in one table of an SQLite file, found by their vectors, their words and their metadata.

        store = NearliteVectorStore(embeddings, "docs.db")
        store.add_documents([Document("an owl hunts at night", metadata={"year": 2004})])
        store.similarity_search("birds of prey", k=3, filter={"year": {"$gte": 2000}})

    ``connection`` is a path, ":memory:", or a connection of ``nearlite.connect()``. The table is made with the first document unless it
    is there; ``create`` holds arguments of ``nearlite.Collection.create`` for it, such as ``columns={"year": int}``, ``metric`` or
    ``tokenizer``. Filters are those of ``nearlite.filters`` and those of langchain-postgres, and are evaluated inside the search.
    """

    def __init__(
        self,
        embedding: Embeddings,
        connection: Union[str, os.PathLike[str], Any] = ":memory:",
        collection_name: str = "documents",
        *,
        create: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self._embedding = embedding
        self._owns = isinstance(connection, (str, os.PathLike))
        self.connection: Any = nearlite.connect(connection) if isinstance(connection, (str, os.PathLike)) else connection
        self.collection = nearlite.Collection(self.connection, collection_name)
        self._create = dict(create or {})
        self._lock = threading.Lock()
        # Whether the table has been seen. Another store or process may make it at any time.
        self._seen = False
        self._is_there()

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model."""
        return self._embedding

    def close(self) -> None:
        """Closes the connection, if the store opened it."""
        if self._owns:
            self.connection.close()

    def _model(self) -> Optional[str]:
        """The name of the embedding model, as most classes of LangChain have it."""
        for name in ("model", "model_name"):
            value = getattr(self._embedding, name, None)
            if isinstance(value, str) and value:
                return value
        return None

    def _check_model(self) -> None:
        stored, own = self.collection.schema.model, self._model()
        if stored is not None and own is not None and stored != own:
            raise nearlite.ModelError(
                f"{self.collection.name} holds vectors of the model {stored!r}, and the embeddings are of {own!r}; "
                "use that model, or add the documents to a new collection"
            )

    def _is_there(self) -> bool:
        """Whether the table is there; looks for it until it is, and then compares its model."""
        if not self._seen and self.collection.name.lower() in map(str.lower, nearlite.collections(self.connection)):
            self._check_model()
            self._seen = True
        return self._seen

    def _ready(self, dim: int) -> nearlite.Collection:
        """The collection, made for vectors of ``dim`` numbers if it is not there."""
        with self._lock:
            if not self._is_there():
                options = {"dim": dim, "model": self._model(), **self._create}
                self.collection.create_if_missing(**options)
                # Another process may have been quicker.
                self._check_model()
                self._seen = True
        return self.collection

    # Writing.

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Optional[list[dict[str, Any]]] = None,
        *,
        ids: Optional[Sequence[Optional[str]]] = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embeds the texts and writes them, all or none; rows whose id is there are replaced. Returns the ids."""
        listed = list(texts)
        return self._write(listed, self._embedding.embed_documents(listed) if listed else [], metadatas, ids)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Optional[list[dict[str, Any]]] = None,
        *,
        ids: Optional[Sequence[Optional[str]]] = None,
        **kwargs: Any,
    ) -> list[str]:
        """``add_texts`` as a coroutine."""
        listed = list(texts)
        vectors = await self._embedding.aembed_documents(listed) if listed else []
        return await _in_thread(self._write, listed, vectors, metadatas, ids)

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Writes documents; ``ids`` goes before the documents' own. Returns the ids."""
        ids = kwargs.pop("ids", None) or [document.id for document in documents]
        return self.add_texts([document.page_content for document in documents], [document.metadata for document in documents], ids=ids, **kwargs)

    async def aadd_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """``add_documents`` as a coroutine."""
        ids = kwargs.pop("ids", None) or [document.id for document in documents]
        texts, metadatas = [document.page_content for document in documents], [document.metadata for document in documents]
        return await self.aadd_texts(texts, metadatas, ids=ids, **kwargs)

    def _write(self, texts: list[str], vectors: Any, metadatas: Any, ids: Optional[Sequence[Optional[str]]]) -> list[str]:
        if not texts:
            return []
        named = [name or uuid.uuid4().hex for name in ids] if ids is not None else [uuid.uuid4().hex for _ in texts]
        for name, given in (("ids", named), ("metadatas", metadatas)):
            if given and len(given) != len(texts):
                raise nearlite.InputError(f"the arguments differ in length: texts {len(texts)}, {name} {len(given)}")
        collection = self._ready(len(vectors[0]))
        # Of an id that comes twice the last one stays, as in a store that writes one after the other.
        last = {name: at for at, name in enumerate(named)}
        if len(last) < len(named):
            keep = sorted(last.values())
            texts, vectors = [texts[at] for at in keep], [vectors[at] for at in keep]
            metadatas = metadatas and [metadatas[at] for at in keep]
            collection.upsert(ids=[named[at] for at in keep], texts=texts, vectors=vectors, metadatas=metadatas)
        else:
            collection.upsert(ids=named, texts=texts, vectors=vectors, metadatas=metadatas)
        return named

    def delete(self, ids: Optional[list[str]] = None, *, filter: Filter = None, **kwargs: Any) -> Optional[bool]:
        """Deletes the documents of the ids, those that pass the filter, or, without either, all."""
        if self._is_there():
            if ids is not None:
                self.collection.delete(ids)
            else:
                self.collection.delete(where=filters.from_langchain(filter or {}))
        return True

    async def adelete(self, ids: Optional[list[str]] = None, *, filter: Filter = None, **kwargs: Any) -> Optional[bool]:
        """``delete`` as a coroutine."""
        return await _in_thread(self.delete, ids, filter=filter)

    # Reading.

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of the ids that are there."""
        return _documents(self.collection.get(list(ids))) if self._is_there() else []

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """``get_by_ids`` as a coroutine."""
        return await _in_thread(self.get_by_ids, ids)

    def _found(self, filter: Filter, k: int, vector: Any = None, **options: Any) -> tuple[list[Document], Sequence[nearlite.Hit]]:
        if not self._is_there():
            return [], []
        where = None if filter is None else filters.from_langchain(filter)
        hits = self.collection.search(vector, where=where, k=k, **options)
        return _documents(hits), hits

    def similarity_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The ``k`` documents nearest to the query."""
        return self.similarity_search_by_vector(self._embedding.embed_query(query), k, filter, **kwargs)

    async def asimilarity_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """``similarity_search`` as a coroutine."""
        return await _in_thread(self.similarity_search_by_vector, await self._embedding.aembed_query(query), k, filter, **kwargs)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The ``k`` documents nearest to a vector."""
        return self._found(filter, k, embedding, **kwargs)[0]

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """``similarity_search_by_vector`` as a coroutine."""
        return await _in_thread(self.similarity_search_by_vector, embedding, k, filter, **kwargs)

    def similarity_search_with_score(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[tuple[Document, float]]:
        """Documents with their distance: smaller is nearer."""
        return self._with_distance(self._embedding.embed_query(query), k, filter, **kwargs)

    async def asimilarity_search_with_score(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[tuple[Document, float]]:
        """``similarity_search_with_score`` as a coroutine."""
        return await _in_thread(self._with_distance, await self._embedding.aembed_query(query), k, filter, **kwargs)

    def _with_distance(self, embedding: list[float], k: int, filter: Filter, **kwargs: Any) -> list[tuple[Document, float]]:
        documents, hits = self._found(filter, k, embedding, **kwargs)
        return [(document, hit.distance or 0.0) for document, hit in zip(documents, hits)]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """From distances to 0..1, where 1 is the most alike."""
        metric = self.collection.schema.vector().metric if self._is_there() else "cosine"
        if metric == "l2":
            return lambda distance: 1 / (1 + distance)
        if metric == "ip":
            return lambda distance: min(max((1 - distance) / 2, 0.0), 1.0)
        return lambda distance: min(max(1 - distance / 2, 0.0), 1.0)

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Documents that are near the query and unlike each other, chosen among the ``fetch_k`` nearest."""
        return self.max_marginal_relevance_search_by_vector(self._embedding.embed_query(query), k, fetch_k, lambda_mult, filter, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """``max_marginal_relevance_search`` as a coroutine."""
        vector = await self._embedding.aembed_query(query)
        return await _in_thread(self.max_marginal_relevance_search_by_vector, vector, k, fetch_k, lambda_mult, filter, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """``max_marginal_relevance_search`` for a vector."""
        return self._found(filter, k, embedding, mmr=lambda_mult, candidates=max(fetch_k, 1), **kwargs)[0]

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """``max_marginal_relevance_search_by_vector`` as a coroutine."""
        return await _in_thread(self.max_marginal_relevance_search_by_vector, embedding, k, fetch_k, lambda_mult, filter, **kwargs)

    def hybrid_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The best documents by vector and words together; options are those of ``nearlite.Collection.search``, such as ``alpha``."""
        return [document for document, _ in self.hybrid_search_with_score(query, k, filter, **kwargs)]

    def hybrid_search_with_score(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[tuple[Document, float]]:
        """``hybrid_search`` with the fused score: larger is better."""
        documents, hits = self._found(filter, k, self._embedding.embed_query(query), words=query, **kwargs)
        return [(document, hit.score) for document, hit in zip(documents, hits)]

    async def ahybrid_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """``hybrid_search`` as a coroutine."""
        vector = await self._embedding.aembed_query(query)
        documents, _ = await _in_thread(self._found, filter, k, vector, words=query, **kwargs)
        return documents

    def text_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The best documents by the words of the query (BM25)."""
        return self._found(filter, k, words=query, **kwargs)[0]

    async def atext_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """``text_search`` as a coroutine."""
        return await _in_thread(self.text_search, query, k, filter, **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: Optional[list[dict[str, Any]]] = None,
        *,
        ids: Optional[list[str]] = None,
        **kwargs: Any,
    ) -> NearliteVectorStore:
        """A store with these texts in it; further arguments are those of the class."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: Optional[list[dict[str, Any]]] = None,
        *,
        ids: Optional[list[str]] = None,
        **kwargs: Any,
    ) -> NearliteVectorStore:
        """``from_texts`` as a coroutine."""
        store = cls(embedding, **kwargs)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store


def _documents(rows: Union[nearlite.Rows, nearlite.Hits]) -> list[Document]:
    columns = zip(rows.ids, rows.texts, rows.metadatas)
    return [Document(id=key, page_content=text or "", metadata=metadata) for key, text, metadata in columns]


async def _in_thread(function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(function, *args, **kwargs))
