"""The devices that Paddle has here, and the one that a run computes on."""

import os
import sys

import paddle
from paddle.device import custom_device

from ppcls.errors import DeviceError

ALIASES = {"cuda": "gpu"}


def available() -> list[str]:
    """Return the kinds of device that Paddle has here, best first; `cpu` is always the last."""
    kinds = list(paddle.device.get_all_custom_device_type() or [])
    kinds += ["gpu"] if paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0 else []
    kinds += ["xpu"] if paddle.is_compiled_with_xpu() and paddle.device.xpu.device_count() > 0 else []
    return [*kinds, "cpu"]


def kind_of(name: str) -> str:
    """Return the kind of the device `name`: `gpu` for `cuda:1`, and for `auto` the first of `available()`."""
    if name == "auto":
        return available()[0]
    kind = name.partition(":")[0]
    return ALIASES.get(kind, kind)


def count(kind: str) -> int:
    """Return how many accelerators of this kind Paddle has here."""
    if kind in ("gpu", "xpu"):
        return int({"gpu": paddle.device.cuda, "xpu": paddle.device.xpu}[kind].device_count())
    return sum(kind_of(name) == kind for name in paddle.device.get_available_custom_device() or [])


def require(kind: str, asked_by: str) -> None:
    """Raise DeviceError unless Paddle has a device of this kind; `asked_by` is the setting that wants it."""
    present = available()
    if kind not in present:
        raise DeviceError(
            f"{asked_by}: the device '{kind}' is not available; Paddle {paddle.__version__} has here: "
            f"{', '.join(present)}; choose one of these, or install the Paddle build or plug-in for {kind}"
        )


def require_many(name: str, ranks: int, asked_by: str) -> None:
    """Raise DeviceError if `name` is one device, such as `gpu:1`, for several ranks."""
    if ":" in name and ranks > 1:
        raise DeviceError(
            f"{asked_by}: '{name}' is one device for {ranks} ranks; give '{kind_of(name)}', and each takes one of its "
            "own"
        )


def memory_bytes(kind: str) -> int:
    """Return the memory of an accelerator of this kind; where Paddle doesn't tell, more than there is."""
    return int(paddle.device.cuda.get_device_properties().total_memory) if kind == "gpu" else sys.maxsize


def peak_memory_mib() -> float:
    """Return the most memory that tensors took on the present device, in MiB; 0 on a CPU, where nobody counts."""
    device = paddle.device.get_device()
    if device == "cpu":
        return 0.0
    counted = {"gpu": paddle.device.cuda, "xpu": paddle.device.xpu}.get(device.split(":")[0], custom_device)
    return float(counted.max_memory_allocated(device)) / 2**20


def select(name: str) -> str:
    """Make `name` (`auto`, `cpu`, `gpu`, `gpu:1`, `sdaa`, ...) Paddle's device and return Paddle's name for it.

    `auto` is the first of `available()`. Raises DeviceError for a device that is not there.
    """
    index = name.partition(":")[2]
    kind = kind_of(name)
    require(kind, f"Global.device: {name}")
    require_many(name, int(os.environ.get("PADDLE_TRAINERS_NUM", "1")), "Global.device")
    try:
        paddle.set_device(f"{kind}:{index}" if index else kind)
    except (ValueError, RuntimeError) as error:
        raise DeviceError(f"Global.device: '{name}' can't be used; {str(error).strip().splitlines()[-1]}") from error
    return str(paddle.device.get_device())
