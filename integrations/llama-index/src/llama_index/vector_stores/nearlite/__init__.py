"""nearlite as a vector store of LlamaIndex."""

from .base import NearliteVectorStore

__all__ = ["NearliteVectorStore"]
