"""The ranks of one run: who this process is, sums over all of them, and an end for a run that hangs."""

import contextlib
import faulthandler
import io
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np
import paddle
import paddle.distributed
from numpy.typing import NDArray
from paddle import nn

STDERR = 2  # whatever stands for sys.stderr


def rank() -> int:
    """Return this process's index among all ranks, 0 where there is only one."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def world_size() -> int:
    """Return the number of ranks of the run."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def report_in_python() -> None:
    """Let a rank that others or the system end say where it stood in Python, and be silent when it is told to go."""
    if world_size() > 1:
        paddle.disable_signal_handler()
        faulthandler.enable()


def start(device: str) -> None:
    """Join the other ranks that `paddle.distributed.launch` has started; nothing to do for a single one."""
    if world_size() == 1 or paddle.distributed.is_initialized():
        return
    if device == "cpu":
        # Or Paddle takes the collectives of any accelerator that it finds.
        os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"
    with contextlib.redirect_stderr(io.StringIO()):  # on every rank, the flags that Paddle itself has changed
        paddle.distributed.init_parallel_env()


def sum_over_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the element-wise float64 sum of `values` over all ranks."""
    if world_size() == 1:
        return values.astype("float64")
    total = paddle.to_tensor(values.astype("float64"))
    paddle.distributed.all_reduce(total)
    return np.asarray(total.numpy())


def rows_of_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the `values` of every rank as [rank, value], in float64; every rank must call it."""
    rows = np.zeros((world_size(), len(values)))
    rows[rank()] = values
    return sum_over_ranks(rows)


def gather(arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Return the arrays of every rank, which may differ in their first axis, exactly; every rank must call it."""
    if world_size() == 1:
        return [dict(arrays)]
    sizes = rows_of_ranks([array.size for array in arrays.values()]).astype(int)
    ends = sizes.cumsum().reshape(sizes.shape)
    everything = np.zeros(sizes.sum())  # float64 holds whole numbers up to 2**53, and all float32
    for array, end in zip(arrays.values(), ends[rank()]):
        everything[end - array.size : end] = array.reshape(-1)
    everything = sum_over_ranks(everything)
    return [
        {
            name: everything[end - size : end].astype(array.dtype).reshape((-1, *array.shape[1:]) if array.ndim else ())
            for (name, array), size, end in zip(arrays.items(), of_rank, ends_of_rank)
        }
        for of_rank, ends_of_rank in zip(sizes, ends)
    ]


def average_over_ranks(tensors: Sequence[paddle.Tensor]) -> None:
    """Give each tensor, on every rank, its average over the ranks; all are of one type."""
    if world_size() == 1 or not tensors:
        return
    with paddle.no_grad():
        values = paddle.concat([tensor.flatten() for tensor in tensors])  # one message
        paddle.distributed.all_reduce(values)
        parts = paddle.split(values / world_size(), [tensor.size for tensor in tensors])
        for tensor, part in zip(tensors, parts):
            paddle.assign(part.reshape(tensor.shape), tensor)


def wait_for_all() -> None:
    """Return when every rank has come here."""
    if world_size() > 1:
        paddle.distributed.barrier()


def parallel(model: nn.Layer) -> nn.Layer:
    """Return the model with rank 0's weights on every rank, and gradients that are averaged in `backward`."""
    return model if world_size() == 1 else paddle.DataParallel(model)


def sharing_gradients(model: nn.Layer, wanted: bool) -> contextlib.AbstractContextManager[Any]:
    """Return the context of a forward pass whose gradients are averaged over the ranks only if `wanted`."""
    if wanted or not isinstance(model, paddle.DataParallel):
        return contextlib.nullcontext()
    context: contextlib.AbstractContextManager[Any] = model.no_sync()
    return context


class Watchdog:
    """Ends this process, with the stacks of its threads, when nothing has moved for `seconds` in its context.

    A rank that hangs makes all others wait for ever; so each of them tells where it stands, and the run ends.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.stopped = threading.Event()
        self.idle_seconds = 0

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stopped.set()

    def start(self) -> None:
        """Watch from now on."""
        self.stopped.set()  # for a thread of before
        self.stopped = threading.Event()
        self.moved()
        threading.Thread(target=self._watch, args=[self.stopped], daemon=True).start()

    def moved(self) -> None:
        """Note that a batch is done."""
        self.idle_seconds = 0

    def _watch(self, stopped: threading.Event) -> None:
        # Counts seconds that this thread has lived through: a process that Ctrl-Z has stopped does not hang.
        while not stopped.wait(1.0):
            self.idle_seconds += 1
            if self.idle_seconds >= self.seconds:
                others = ", or one that it waits for: see the other ranks' logs" if world_size() > 1 else ""
                said = f"rank {rank()}: no batch was finished for {self.seconds} s (Global.hang_seconds)"
                os.write(STDERR, f"{said}; this process hangs{others}; below is where it stands\n".encode())
                faulthandler.dump_traceback(STDERR)
                os._exit(1)


class NoWatchdog:
    """Stands for a Watchdog where none is wanted."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def start(self) -> None:
        """Do nothing."""

    def moved(self) -> None:
        """Do nothing."""


def watchdog(seconds: int) -> Union[Watchdog, NoWatchdog]:
    """Return a Watchdog; `seconds` below 1 mean none."""
    return Watchdog(seconds) if seconds > 0 else NoWatchdog()
