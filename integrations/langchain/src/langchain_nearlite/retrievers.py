"""The hybrid retriever."""

from __future__ import annotations

from typing import Any, Literal, Optional

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from .vectorstores import NearliteVectorStore


class NearliteHybridRetriever(BaseRetriever):
    """Retrieves by vector and words together (``mode="hybrid"``) or by words alone (``mode="text"``).

    ``options`` go to ``nearlite.Collection.search``: ``alpha`` (1 is vectors only), ``fusion``, ``weights``, ``mmr``, ``group_by``.
    """

    vectorstore: NearliteVectorStore
    k: int = 4
    filter: Optional[dict[str, Any]] = None
    mode: Literal["hybrid", "text"] = "hybrid"
    options: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any) -> list[Document]:
        search = self.vectorstore.text_search if self.mode == "text" else self.vectorstore.hybrid_search
        return search(query, **self._arguments(kwargs))

    async def _aget_relevant_documents(self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any) -> list[Document]:
        search = self.vectorstore.atext_search if self.mode == "text" else self.vectorstore.ahybrid_search
        return await search(query, **self._arguments(kwargs))

    def _arguments(self, call: dict[str, Any]) -> dict[str, Any]:
        return {"k": self.k, "filter": self.filter, **self.options, **call}
