"""From an exported model to one ONNX file that carries its preprocessing and labels."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from paddle import nn

from ppcls.errors import CheckpointError, ConfigError
from ppcls.inference import artifact
from ppcls.inference.artifact import Artifact
from ppcls.inference.runtimes import METADATA

# paddle2onnx ends the whole process for a newer one.
OPSETS = range(7, 22)

LARGEST = 2_000_000_000  # bytes that protobuf can hold


def require_opset(opset: int) -> None:
    """Raise ConfigError unless a model can be converted to this opset here."""
    if opset not in OPSETS:
        raise ConfigError(
            f"--opset: must be from {OPSETS[0]} to {OPSETS[-1]}; received {opset}; 17 suits most programs"
        )
    for package in ("paddle2onnx", "onnxslim", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"--format onnx: the package {package} is not installed; pip install 'ppcls[onnx]'")


def require_size(graph: nn.Layer) -> None:
    """Raise ConfigError if the weights are more than an ONNX file holds."""
    num_bytes = sum(tensor.element_size() * tensor.size for tensor in (*graph.parameters(), *graph.buffers()))
    if num_bytes > LARGEST:
        raise ConfigError(
            f"--format onnx: an ONNX file holds at most {LARGEST / 1e9:g} GB; received {num_bytes / 1e9:.1f} GB of "
            "weights; export it without ONNX"
        )


def convert(folder: Path, description: Artifact, opset: int) -> Path:
    """Write `inference.onnx` beside the Paddle model in `folder`: input `x`, output by its name, any batch size.

    Raises ConfigError for a model that paddle2onnx can't convert, CheckpointError for a file that is not whole.
    """
    import onnx
    import onnxslim
    from google.protobuf.message import DecodeError

    file = folder / artifact.ONNX
    _convert(folder, file, opset)
    try:
        model = onnxslim.slim(onnx.load(str(file)))
        _name(model.graph, description.output)
        model.metadata_props.add(key=METADATA, value=artifact.text(description))
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise CheckpointError(
            f"--format onnx: the file that paddle2onnx wrote is not whole ({str(error).splitlines()[0]}); is the "
            "disk full?"
        ) from error
    onnx.save(model, str(file))
    return file


def _convert(folder: Path, file: Path, opset: int) -> None:
    """Write the file by paddle2onnx, in a process of its own: what it can't convert ends it.

    It runs in `folder`, as Python imports from where `-m` is run first, and a user's folder may hold any names.
    """
    options = {
        "model_dir": ".",
        "model_filename": artifact.MODEL,
        "params_filename": artifact.WEIGHTS,
        "save_file": file.name,
        "opset_version": opset,
        "enable_auto_update_opset": False,
        # Its own optimisers install packages while they run; onnxslim does it here.
        "optimize_tool": "None",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "paddle2onnx.command", *words], cwd=folder, capture_output=True, text=True
    )
    if done.returncode or not file.exists():
        faults = re.findall(r"\[ERROR\](?:\[Paddle2ONNX\]|\t) ?([^\x1b\n]*)", done.stdout + done.stderr)
        reason = f"it says: {faults[0]}" if faults else f"it ended with status {done.returncode}"
        raise ConfigError(
            f"--format onnx: paddle2onnx can't convert this model to opset {opset}; {reason}; export it without "
            "ONNX, or with another --opset or Global.image_shape"
        )


def _name(graph: Any, name: str) -> None:
    """Call the output by its name, and the batch axis of input and output `N`."""
    output = graph.output[0]
    for node in graph.node:
        names = [name if given == output.name else given for given in node.output]
        del node.output[:]
        node.output.extend(names)
    output.name = name
    for value in (graph.input[0], output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
