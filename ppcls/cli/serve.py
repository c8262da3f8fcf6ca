"""The command `ppcls serve`."""

import argparse
import os
import signal
import socket
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ppcls.cli.arguments import above_zero, add_index_engine, whole
from ppcls.errors import ConfigError
from ppcls.images.limits import MAX_PIXELS
from ppcls.serve.limits import Limits

if TYPE_CHECKING:
    from ppcls.inference.predictor import Predictor
    from ppcls.inference.search import Search

PURPOSE = "answer images over HTTP with an exported model, and show a page to try it"
EXAMPLES = """examples:
  ppcls serve inference --port 8866
  ppcls serve inference --index gallery.npz       # of a model for retrieval: also finds similar images
  PPCLS_SERVE_TOKEN=secret ppcls serve inference --host 0.0.0.0"""

TOKEN = "PPCLS_SERVE_TOKEN"

_count = whole(1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls serve`."""
    parser.add_argument("folder", metavar="FOLDER", help="the exported model")
    parser.add_argument("--index", metavar="FILE", help="what `ppcls index` wrote with this model, to search in")
    add_index_engine(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8866, help="port to listen on; 0: a free one (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, gpu, xpu or a plug-in device (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="number type that the model computes in (default: %(default)s)",
    )
    parser.add_argument(
        "--engine",
        choices=("paddle", "openvino", "onnxruntime"),
        help="engine that runs the model (default: the fastest available)",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="a deploy YAML that replaces PreProcess or PostProcess")
    parser.add_argument(
        "--instances", type=_count, default=1, help="copies of the model that run at once (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=_count, help="CPU threads of each copy (default: the cores shared among them)"
    )
    parser.add_argument(
        "--max-batch", type=_count, default=8, help="maximum images per run of the model (default: %(default)s)"
    )
    _add_limits(parser, Limits())


def _add_limits(parser: argparse.ArgumentParser, limits: Limits) -> None:
    parser.add_argument(
        "--queue",
        type=_count,
        default=limits.queue,
        help="maximum images that wait for the model (default: %(default)s)",
    )
    parser.add_argument(
        "--max-images", type=_count, default=limits.images, help="maximum images per request (default: %(default)s)"
    )
    parser.add_argument(
        "--max-megapixels",
        type=above_zero,
        default=limits.pixels / 1e6,
        help="maximum size of an image, in millions of pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--max-body-mib",
        type=above_zero,
        default=limits.body_bytes / 2**20,
        help="maximum size of a request, in MiB (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=above_zero,
        default=limits.seconds,
        help="seconds a client may take to send a request, and the server to answer it (default: %(default)s)",
    )


def _limits(arguments: argparse.Namespace) -> Limits:
    limits = Limits(
        body_bytes=int(arguments.max_body_mib * 2**20),
        pixels=int(arguments.max_megapixels * 1e6),
        # More could never find room.
        images=min(arguments.max_images, arguments.queue),
        queue=arguments.queue,
        seconds=arguments.timeout,
    )
    if limits.pixels > MAX_PIXELS:
        raise ConfigError(
            f"--max-megapixels: at most {MAX_PIXELS // 10**6} are decoded; received {arguments.max_megapixels:g}; "
            "give less"
        )
    return limits


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; requests that came before are still answered. Return the exit status."""
    limits = _limits(arguments)
    # A second guard, in the decoder itself; OpenCV reads it when it is loaded.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(limits.pixels))
    # About damaged tags of the clients' images.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        from ppcls.serve.app import create_app
        from ppcls.serve.connections import make_server
        from ppcls.serve.routes import EMBED, PREDICT
    except ModuleNotFoundError as error:
        raise ConfigError(f"serve: {error}; the server is an extra; pip install 'ppcls[serve]'") from error
    search = _search(arguments)
    first = _predictor(arguments)
    predictors = [first, *(first.clone() for _ in range(arguments.instances - 1))]
    token = os.environ.get(TOKEN)
    app = create_app(predictors, limits=limits, max_batch=arguments.max_batch, token=token, search=search)
    listening = listen(arguments.host, arguments.port)
    server = make_server(app, limits)
    # For a signal that comes before the server takes care of it, and for the one that it raises again at its end.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    guard = f'-H "Authorization: Bearer ${TOKEN}" ' if token else ""
    route = PREDICT if first.artifact.output == "scores" else EMBED
    print(
        f"serving on {address}\nto try it: open it in a browser, or curl {guard}-F images=@IMAGE {address}{route}",
        flush=True,
    )
    server.run(sockets=[listening])
    return 0


def _predictor(arguments: argparse.Namespace) -> "Predictor":
    from ppcls import device, environment
    from ppcls.inference.predictor import Predictor

    device.require(arguments.device, f"--device {arguments.device}")
    return Predictor(
        arguments.folder,
        device=arguments.device,
        threads=arguments.threads or max(1, environment.physical_cores() // arguments.instances),
        precision=arguments.precision,
        engine=arguments.engine,
        deploy=arguments.config,
        isolated=True,
    )


def _search(arguments: argparse.Namespace) -> "Optional[Search]":
    """Return what searches in the index, which the model must have made. Raises ConfigError, CheckpointError."""
    if arguments.index is None:
        return None
    from ppcls.inference import features
    from ppcls.inference.search import Search

    file = Path(arguments.index)
    index = features.read(file)
    index.require_model(features.checksum(arguments.folder), file)
    return Search(index, arguments.index_engine)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ConfigError."""
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"serve: can't listen on {host} port {port}; {error}; choose another --port") from error
    # Else the body of an answer waits until the client acknowledges the head, 40 ms. What is accepted inherits it;
    # asyncio sets it only where the socket's protocol is named.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
