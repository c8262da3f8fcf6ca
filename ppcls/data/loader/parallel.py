"""Work on many images in several processes, in bounded memory."""

import contextlib
import sys
import types
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Callable, TypeVar

import cv2

from ppcls.errors import PpclsError

Task = TypeVar("Task")
Result = TypeVar("Result")

# So many tasks a process are under way: enough that none waits, few enough to hold little.
_AHEAD = 4


def in_processes(function: Callable[[Task], Result], tasks: Iterable[Task], num_workers: int) -> Iterator[Result]:
    """Yield the function's result for each task, in their order; 0 workers: in this process.

    The function must be importable. Raises: what it raises, or PpclsError if a process ends.
    """
    if num_workers == 0:
        yield from map(function, tasks)
        return
    running: deque[Future[Result]] = deque()
    # Fresh interpreters: forking a process with threads isn't safe.
    with ProcessPoolExecutor(num_workers, get_context("spawn"), _prepare) as pool:
        try:
            for task in tasks:
                with _without_script():
                    running.append(pool.submit(function, task))
                if len(running) == _AHEAD * num_workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BrokenProcessPool as error:
            raise PpclsError(
                "a process that reads images ended; often memory ran out; lower --num_workers, or run with "
                "--num_workers 0 to see the image"
            ) from error
        finally:
            for future in running:
                future.cancel()


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """Keep the processes that start meanwhile from running the user's script once more, as `spawn` has them do."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _prepare() -> None:
    cv2.setNumThreads(0)  # the processes are the parallelism
    warnings.simplefilter("ignore")  # Pillow's, about odd metadata
