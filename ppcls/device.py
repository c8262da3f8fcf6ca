"""The devices that Paddle has here, and the one that a run computes on."""

import paddle

from ppcls.errors import DeviceError

ALIASES = {"cuda": "gpu"}


def available() -> list[str]:
    """Return the kinds of device that Paddle has here, best first; `cpu` is always the last."""
    kinds = list(paddle.device.get_all_custom_device_type() or [])
    kinds += ["gpu"] if paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0 else []
    kinds += ["xpu"] if paddle.is_compiled_with_xpu() and paddle.device.xpu.device_count() > 0 else []
    return [*kinds, "cpu"]


def require(kind: str, asked_by: str) -> None:
    """Raise DeviceError unless Paddle has a device of this kind; `asked_by` is the setting that wants it."""
    present = available()
    if kind not in present:
        raise DeviceError(
            f"{asked_by}: the device '{kind}' is not available; Paddle {paddle.__version__} has here: "
            f"{', '.join(present)}; choose one of these, or install the Paddle build or plug-in for {kind}"
        )


def peak_memory_mib() -> float:
    """Return the most memory that tensors took on the present device so far, in MiB; 0 where nobody counts it."""
    if not paddle.device.get_device().startswith("gpu"):
        return 0.0
    return float(paddle.device.cuda.max_memory_allocated()) / 2**20


def select(name: str) -> str:
    """Make `name` (`auto`, `cpu`, `gpu`, `gpu:1`, `sdaa`, ...) Paddle's device and return Paddle's name for it.

    `auto` is the first of `available()`. Raises DeviceError for a device that is not there.
    """
    kind, _, index = name.partition(":")
    kind = available()[0] if kind == "auto" else ALIASES.get(kind, kind)
    require(kind, f"Global.device: {name}")
    try:
        paddle.set_device(f"{kind}:{index}" if index else kind)
    except (ValueError, RuntimeError) as error:
        raise DeviceError(f"Global.device: '{name}' can't be used; {str(error).strip().splitlines()[-1]}") from error
    return str(paddle.device.get_device())
