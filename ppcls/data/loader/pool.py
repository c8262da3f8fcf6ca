"""Who fills the slots of the loader: this process, or processes of its own."""

import contextlib
import os
import pickle
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe, wait
from typing import NoReturn, Optional

import numpy as np

from ppcls.data.loader.memory import anonymous_file, mapped
from ppcls.data.loader.slots import Lending, Slots
from ppcls.data.loader.streams import SampleStreams
from ppcls.data.loader.worker import Reply, Result, Setup, Task, perform
from ppcls.data.sources.base import LabelledImages
from ppcls.errors import TrainingError

# Enough that no worker runs dry while the training step runs; few enough that tasks never fill a socket.
TASKS_A_WORKER = 3

# Without the first two, glibc gives each image's memory back and asks for it anew: 1.2 to 1.7 times slower.
# Older releases ignore a threshold above 32 MiB.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",  # a damaged image is reported by its path
}


class InProcess:
    """Fills slots in this process, at the moment when they are waited for."""

    def __init__(self, dataset: LabelledImages, seed: int, slots: Slots) -> None:
        self._memory = mapped(-1, slots.all_bytes)
        self._slots = slots
        self.lending = Lending(slots, self._memory)
        self._dataset = dataset
        self._streams = SampleStreams(seed)
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def receive(self) -> list[Reply]:
        """Return the replies that are there, at least one."""
        task = self._tasks.popleft()
        images = self._slots.images(self._memory, task.slot, task.shape)[task.places]
        return [Reply(task, perform(task, self._dataset, self._streams, images))]

    def cancel(self) -> None:
        """Forget all tasks; afterwards nothing writes into the memory."""
        self._tasks.clear()

    def close(self) -> None:
        """End what works for this pool."""


class Processes:
    """Fills slots in `count` processes that stay until `close`, with the methods of InProcess.

    They are fresh interpreters, as forking a process that holds threads and devices isn't safe. They end by
    themselves when this process does, whatever ends it; the shared memory has no name and goes with them.
    It also holds the arrays of the data set, once for all processes.
    """

    def __init__(
        self,
        dataset: LabelledImages,
        seed: int,
        slots: Slots,
        count: int,
        *,
        shared_memory: bool,
    ) -> None:
        self._tasks: deque[Task] = deque()
        self._at_work: dict[Connection, list[Task]] = {}
        self._processes: dict[Connection, subprocess.Popen[bytes]] = {}
        self._shared_memory = shared_memory
        self.close = weakref.finalize(self, _end, self._processes)
        self._slots = slots
        arrays: list[pickle.PickleBuffer] = []
        beside = arrays.append if shared_memory else None
        setup = pickle.dumps(Setup(dataset, seed, slots), pickle.HIGHEST_PROTOCOL, buffer_callback=beside)
        spans = _spans(slots.all_bytes, [array.raw().nbytes for array in arrays])
        with contextlib.ExitStack() as handed_over:
            memory = None
            if shared_memory:
                size = spans[-1].stop if spans else slots.all_bytes
                memory = anonymous_file(size)
                handed_over.callback(os.close, memory)
                self._memory = mapped(memory, size)
                for span, array in zip(spans, arrays):
                    self._memory[span] = array.raw()
            else:
                self._memory = mapped(-1, slots.all_bytes)
            self.lending = Lending(slots, self._memory)
            for _ in range(count):
                ours, theirs = Pipe()
                handed_over.enter_context(theirs)
                self._processes[ours] = _start(theirs.fileno(), memory)
                self._at_work[ours] = []
        for worker in self._processes:
            self._send(worker, pickle.dumps(spans))
            self._send(worker, setup)

    def submit(self, task: Task) -> None:
        self._tasks.append(task)
        self._hand_out()

    def receive(self) -> list[Reply]:
        ready = wait(list(self._processes))
        replies = [self._reply(worker) for worker in list(self._processes) if worker in ready]
        self._hand_out()
        return replies

    def cancel(self) -> None:
        self._tasks.clear()
        while any(self._at_work.values()):
            self.receive()

    def _hand_out(self) -> None:
        while self._tasks:
            worker = min(self._at_work, key=lambda worker: len(self._at_work[worker]))
            if len(self._at_work[worker]) == TASKS_A_WORKER:
                return
            task = self._tasks.popleft()
            self._at_work[worker].append(task)
            self._send(worker, pickle.dumps(task, pickle.HIGHEST_PROTOCOL))

    def _send(self, worker: Connection, message: bytes) -> None:
        try:
            worker.send_bytes(message)
        except ConnectionError:
            self._lost(worker)

    def _reply(self, worker: Connection) -> Reply:
        try:
            result: Result = worker.recv()
            task = self._at_work[worker].pop(0)
            if not self._shared_memory:
                images = self._slots.images(self._memory, task.slot, task.shape)[task.places]
                worker.recv_bytes_into(images.reshape(-1).view(np.uint8))
            return Reply(task, result)
        except (EOFError, ConnectionError):
            self._lost(worker)

    def _lost(self, worker: Connection) -> NoReturn:
        process = self._processes[worker]
        status = process.wait()
        self.close()
        cause = f"signal {-status}; often memory ran out" if status < 0 else f"status {status}; see its message above"
        raise TrainingError(
            f"data loader: a worker process ended (process {process.pid}); received {cause}; "
            "lower num_workers or batch_size, or try num_workers: 0"
        ) from None


def _spans(start: int, sizes: Sequence[int]) -> list[slice]:
    """Return where arrays of `sizes` bytes lie behind `start`, aligned for any type."""
    spans = []
    for size in sizes:
        start += -start % 64
        spans.append(slice(start, start + size))
        start += size
    return spans


def _start(connection: int, memory: Optional[int]) -> "subprocess.Popen[bytes]":
    call = f"from ppcls.data.loader.worker import main; main({connection}, {memory})"
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {call}"],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        pass_fds=(connection,) if memory is None else (connection, memory),
        start_new_session=True,  # Ctrl-C is for this process; the workers then see the connection close
    )


def _end(processes: "dict[Connection, subprocess.Popen[bytes]]") -> None:
    for worker, process in processes.items():
        worker.close()
        process.terminate()
    for process in processes.values():
        process.wait()
    processes.clear()
