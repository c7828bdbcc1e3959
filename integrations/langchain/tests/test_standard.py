"""LangChain's own tests of vector stores, on a file and in memory."""

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_nearlite import NearliteVectorStore


class TestStandard(VectorStoreIntegrationTests):
    @pytest.fixture()
    def vectorstore(self, where):
        store = NearliteVectorStore(self.get_embeddings(), where)
        try:
            yield store
        finally:
            store.close()
