"""The ranks of one run: who this process is, and sums over all of them."""

import contextlib
import os
from typing import Any

import numpy as np
import paddle
import paddle.distributed
from paddle import nn


def rank() -> int:
    """Return this process's index among all ranks, 0 where there is only one."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def world_size() -> int:
    """Return the number of ranks of the run."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def start() -> None:
    """Join the other ranks that `paddle.distributed.launch` has started; nothing to do for a single one."""
    if world_size() > 1 and not paddle.distributed.is_initialized():
        paddle.distributed.init_parallel_env()


def sum_over_ranks(values: np.ndarray) -> np.ndarray:
    """Return the element-wise float64 sum of `values` over all ranks."""
    if world_size() == 1:
        return values.astype("float64")
    total = paddle.to_tensor(values.astype("float64"))
    paddle.distributed.all_reduce(total)
    return np.asarray(total.numpy())


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
