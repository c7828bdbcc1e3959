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


async def in_thread(function: Callable[[], R]) -> R:
    """What the function returns, called in a worker thread."""
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, function)


def twin(method: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The method as a coroutine that runs in a worker thread."""

    @functools.wraps(method)
    async def of(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_thread(functools.partial(method, *args, **kwargs))

    of.__name__ = f"a{method.__name__}"
    of.__qualname__ = f"Collection.a{method.__name__}"
    of.__doc__ = f"``{method.__name__}`` as a coroutine, run in a worker thread."
    return of
