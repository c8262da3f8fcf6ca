"""A model in a process of its own, so that threads of this one continue while it computes, or even if it crashes."""

import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls import environment
from ppcls.errors import PpclsError
from ppcls.inference import runtimes as runtime
from ppcls.inference.runtimes import EngineName, Settings

# Not multiprocessing.Process: that runs the caller's script once more in the child.
CHILD = "import sys; from ppcls.inference.runtimes import isolated; isolated.serve(int(sys.argv[1]))"


class Isolated:
    """Any other runtime; started again for the next batch if it ended. Its process ends with this one."""

    def __init__(self, engine: EngineName, model: Path, weights: Optional[Path], settings: Settings) -> None:
        self._arguments = engine, model, weights, settings
        self._start()

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self._send(self._arguments)
        self.about, self.description = self._receive()

    def _send(self, content: object) -> None:
        try:
            self._connection.send(content)
        except ConnectionError:
            pass  # what was wrong comes out of receiving

    def _receive(self) -> "tuple[str, Optional[str]]":
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise RuntimeError(f"the model's process ended with status {self._process.wait()}") from error
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if self._process.poll() is not None:
            self._start()
        self._send(images)
        return np.asarray(self._receive())

    def clone(self) -> "Isolated":
        return Isolated(*self._arguments)

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self._connection.close()
            self._process.wait()


def serve(descriptor: int) -> None:
    """Load the model that comes first over the connection, and give the scores of each batch, until it is closed."""
    _ignore_signals()
    environment.prepare()
    connection = Connection(descriptor)
    try:
        loaded = runtime.load(*connection.recv())
        _ignore_signals()  # again: Paddle has taken SIGTERM at its import
        connection.send((loaded.about, loaded.description))
        while True:
            connection.send(_scores(loaded, connection.recv()))
    except (EOFError, ConnectionError):
        pass  # nobody is there any more
    except PpclsError as error:
        connection.send(error)
    except RuntimeError as error:
        connection.send(RuntimeError(str(error)))


def _ignore_signals() -> None:
    """Ignore those that may reach every process of a group: the answers that are under way are still given."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _scores(loaded: runtime.Runtime, images: NDArray[Any]) -> object:
    try:
        return loaded.scores(images)
    except RuntimeError as error:
        return RuntimeError(str(error))
