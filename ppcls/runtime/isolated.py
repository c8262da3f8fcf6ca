"""A model in a process of its own, so that threads of this one go on while it computes, or even if it crashes."""

import atexit
import multiprocessing
import signal
import weakref
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Optional

import numpy as np

from ppcls import runtime
from ppcls.errors import PpclsError
from ppcls.runtime import EngineName, Settings


class Isolated:
    """Any other runtime; started again for the next batch if it ended."""

    def __init__(self, engine: EngineName, model: Path, weights: Optional[Path], settings: Settings) -> None:
        self._arguments = engine, model, weights, settings
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        # The process ends when its connection does. At the end of this one that must come before multiprocessing
        # waits for it, and so be registered after multiprocessing's own function, which was imported above.
        atexit.register(_close, weakref.ref(self._connection))
        self.about, self.description = self._receive()

    def _receive(self) -> "tuple[str, Optional[str]]":
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise RuntimeError(f"the model's process ended with status {self._process.exitcode}") from error
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def scores(self, images: np.ndarray) -> np.ndarray:
        if not self._process.is_alive():
            self._start()
        try:
            self._connection.send(images)
        except ConnectionError:
            pass  # what was wrong comes out of receiving
        return np.asarray(self._receive())

    def clone(self) -> "Isolated":
        return Isolated(*self._arguments)


def _close(connection: "weakref.ref[Connection]") -> None:
    there = connection()
    if there is not None:
        there.close()


def _serve(
    connection: Connection, engine: EngineName, model: Path, weights: Optional[Path], settings: Settings
) -> None:
    # They may reach every process of a group; the answers that are under way are still given.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        loaded = runtime.load(engine, model, weights, settings)
        connection.send((loaded.about, loaded.description))
    except (PpclsError, RuntimeError) as error:
        connection.send(error)
        return
    while True:
        try:
            images = connection.recv()
        except EOFError:
            return
        try:
            connection.send(loaded.scores(images))
        except RuntimeError as error:
            connection.send(RuntimeError(str(error)))
