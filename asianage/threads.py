"""Hand work to threads where threads can be started."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def submit(
    pool: Executor, call: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Future[Result]:
    """Submit a call to a pool, or run it in the calling thread if no thread can be started.

    No thread can be started while the interpreter shuts down, as in `atexit` functions, or at the limit of threads.
    """
    try:
        return pool.submit(call, *arguments, **options)
    except RuntimeError:
        future: Future[Result] = Future()
        try:
            future.set_result(call(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future
