"""nearlite as a vector store and a hybrid retriever of LangChain."""

from .retrievers import NearliteHybridRetriever
from .vectorstores import NearliteVectorStore

__all__ = ["NearliteHybridRetriever", "NearliteVectorStore"]
