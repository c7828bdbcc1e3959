"""Async twins of blocking methods."""

from __future__ import annotations

import functools
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from typing import TypeVar

    from typing_extensions import ParamSpec

    P = ParamSpec("P")
    R = TypeVar("R")


def twin(method: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The method as a coroutine that runs in a worker thread."""

    @functools.wraps(method)
    async def in_thread(*args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(None, functools.partial(method, *args, **kwargs))

    in_thread.__name__ = f"a{method.__name__}"
    in_thread.__qualname__ = f"Collection.a{method.__name__}"
    in_thread.__doc__ = f"``{method.__name__}`` as a coroutine, run in a worker thread."
    return in_thread
