"""Which operators a model computes with on the CPU: Paddle's own, or oneDNN's (docs/cpu.md)."""

import functools
import logging
from math import prod

import paddle
from paddle import nn

from ppcls import environment
from ppcls.config.schema import RunConfig
from ppcls.engine.macs import count_macs
from ppcls.errors import DeviceError
from ppcls.models.layers import compute_with, computing_layers
from ppcls.ops import compiled
from ppcls.ops.operators import OneDNN, obstacle

logger = logging.getLogger("ppcls")

# How many times faster a step is, and what one core does with Paddle's own operators, which read all weights anew for
# each image. Source: docs/cpu.md.
GAIN = 3.4
STOCK_FLOPS_PER_SECOND = 25e9
STOCK_BYTES_PER_SECOND = 10e9


def choose(config: RunConfig, model: nn.Layer, *, device: str, bfloat16: bool, passes: float) -> None:
    """Let the model compute with oneDNN's operators if `Global.cpu_ops` asks for them, or if they are worth it.

    `passes`: how many images go through the model; a step of training counts as three.
    What decides is the same each time, so that a run repeated gives the same numbers.
    Raises: DeviceError if they are asked for and can't be had.
    """
    wanted = config.Global.cpu_ops
    if device != "cpu" or wanted == "stock":
        return
    reason = unfit(config, model) or ("" if wanted == "onednn" else _too_short(config, model, passes))
    reason = reason or compiled.obstacle()
    try:
        if not reason:
            compute_with(model, onednn(config, bfloat16=bfloat16))
            return
    except DeviceError as error:  # of the compiler, or of the folder for what it makes
        reason = str(error)
    if wanted == "onednn":
        raise DeviceError(reason)
    # Of a compiler's many lines the first says enough.
    reason = " ".join(reason.splitlines()[:2])
    _say(f"Paddle's own operators, not oneDNN's, which are about {GAIN:g} times as fast: {reason}")


@functools.cache
def _say(line: str) -> None:
    """Log a line once in a process: a run chooses for its start, its training and its end."""
    logger.info(line)


def onednn(config: RunConfig, *, bfloat16: bool) -> OneDNN:
    """Return the operators, in bfloat16 if it is wanted and the CPU has it."""
    real = bfloat16 and not environment.bfloat16_obstacle()
    return OneDNN(bfloat16=real, bfloat16_evaluation=real and config.AMP.use_fp16_test)


def unfit(config: RunConfig, model: nn.Layer) -> str:
    """Return why the model can't compute with oneDNN's operators; empty if it can."""
    if not getattr(model, "only_layers", False):
        return f"Global.cpu_ops: {config.Arch.name} has no oneDNN form yet; set it to stock"
    if config.Global.to_static:
        return (
            "Global.cpu_ops: oneDNN's operators train dynamic graphs; received Global.to_static: True; set it to False"
        )
    reason = next(filter(None, map(obstacle, computing_layers(model))), "")
    return reason and f"Global.cpu_ops: {config.Arch.name}: {reason}; set it to stock"


def _too_short(config: RunConfig, model: nn.Layer, passes: float) -> str:
    with paddle.no_grad():
        training, _ = model.training, model.eval()
        macs, _ = count_macs(model, paddle.zeros([1, *config.Global.image_shape]))
        if training:
            model.train()
    weights = sum(prod(parameter.shape) for parameter in model.parameters())
    computing, reading = 2 * macs / STOCK_FLOPS_PER_SECOND, 4 * weights / STOCK_BYTES_PER_SECOND
    saved = passes * (computing + reading - computing / GAIN) / environment.num_threads()
    if saved > 2 * compiled.BUILD_SECONDS:
        return ""
    return (
        f"compiling them once takes {compiled.BUILD_SECONDS} s, and they would save about {saved:.0f} s here; "
        "-o Global.cpu_ops=onednn takes them all the same"
    )
