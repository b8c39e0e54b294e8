"""What is begun with the database is brought to its end, also when the task that asked is cancelled.

A service uses it as well, where a row that was written wants something done at once.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def whole(method: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Run the method in a task of its own; a cancellation reaches the caller once that task has ended.

    A statement that is abandoned half-way keeps SQLite's write lock until the garbage collector comes by, and
    nobody else can write meanwhile. Tasks that carry pods are cancelled all the time.
    """

    @functools.wraps(method)
    async def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        task = asyncio.create_task(method(*args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is None:
            return task.result()
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain about it
        raise cancelled

    return run
