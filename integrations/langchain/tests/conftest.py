"""Shared fixtures."""

import pytest


@pytest.fixture(params=["file", "memory"])
def where(request, tmp_path):
    """Where a store keeps its documents."""
    return str(tmp_path / "store.db") if request.param == "file" else ":memory:"
