"""Images/s and p99 of our predictor beside bare Paddle Inference, ONNX Runtime and OpenVINO, on the same weights.

`python benchmarks/inference.py [--models ResNet50] [--batches 1 8] [--threads 1 2] [--precision bfloat16]`

Ours takes uint8 images after resize and crop and gives its five best classes; the others take a finished batch and
give scores. They run in turns, a block of seconds each, so that what else the machine does strikes all of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls import environment

Run = Callable[[], Any]

SHAPE = (3, 224, 224)
TRANSFORMS = [("ResizeImage", {"resize_short": 256}), ("CropImage", {"size": 224}), ("NormalizeImage", {})]
BLOCK_SECONDS = 2.0


def export(name: str, folder: Path) -> None:
    """Write an architecture with random weights as a folder that predicts, with an ONNX file."""
    import paddle

    import ppcls
    from ppcls.config.deploy import PreProcessSection
    from ppcls.export.graph import Scores, static
    from ppcls.export.onnx import convert
    from ppcls.inference import artifact
    from ppcls.registry import Part

    paddle.seed(0)
    model = ppcls.create_model(name)
    settle(model)
    graph = Scores(model, "softmax")
    graph.eval()
    paddle.jit.save(static(graph, SHAPE), str(folder / "inference"))
    about = artifact.Artifact(
        artifact.ModelSection(name),
        PreProcessSection(tuple(Part(transform, arguments) for transform, arguments in TRANSFORMS)),
        input_shape=SHAPE,
        class_num=1000,
    )
    convert(folder, about, opset=17)
    artifact.write(folder, about)


def settle(model: Any) -> None:
    """Give the batch norms the statistics of noise, as trained ones have those of images.

    Without, activations grow with the depth, and the scores saturate: bfloat16 gives quite other ones then.
    """
    import paddle

    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm):
            layer._momentum = 0.0
    model.train()
    with paddle.no_grad():
        model(paddle.randn([8, *SHAPE]))


def bare_paddle(folder: Path, threads: int, precision: str, images: Any) -> Run:
    from paddle import inference

    config = inference.Config(str(folder / "inference.json"), str(folder / "inference.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(threads)
    config.enable_mkldnn()
    if precision == "bfloat16":
        config.enable_mkldnn_bfloat16()
    predictor = inference.create_predictor(config)
    given = predictor.get_input_handle(predictor.get_input_names()[0])
    answer = predictor.get_output_handle(predictor.get_output_names()[0])

    def run() -> Any:
        given.reshape(images.shape)
        given.copy_from_cpu(images)
        predictor.run()
        return answer.copy_to_cpu()

    return run


def bare_onnxruntime(folder: Path, threads: int, images: Any) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "inference.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": images})


def bare_openvino(folder: Path, threads: int, precision: str, images: Any) -> Run:
    import openvino

    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = openvino.Core().compile_model(str(folder / "inference.onnx"), "CPU", hints).create_infer_request()
    return lambda: request.infer({0: images})


def contenders(folder: Path, batch: int, threads: int, precision: str) -> dict[str, Run]:
    """Return what is compared, by its name; `ours` comes first, and then ours with each engine."""
    import numpy as np

    from ppcls.inference.predictor import Predictor
    from ppcls.inference.runtimes import installed

    samples = np.random.default_rng(0).integers(0, 256, (batch, *SHAPE[1:], 3), dtype="uint8")
    plain = precision == "float32"

    def ours(engine: Any) -> tuple[str, Run]:
        predictor = Predictor(folder, threads=threads, precision=precision, engine=engine)  # type: ignore[arg-type]
        if precision not in predictor.about:
            raise SystemExit(f"asked for {precision}; received {predictor.about}")
        name = f"ours ({predictor.about.partition(',')[0]})"
        return name, lambda: predictor.postprocess(predictor.scores(predictor.finish(samples)))

    runs = dict([ours(None), ours("paddle")])
    images = Predictor(folder, engine="paddle").finish(samples)
    runs["Paddle Inference"] = bare_paddle(folder, threads, precision, images)
    if plain and installed("onnxruntime"):
        runs.update([ours("onnxruntime")])
        runs["ONNX Runtime"] = bare_onnxruntime(folder, threads, images)
    if installed("openvino"):
        runs["OpenVINO"] = bare_openvino(folder, threads, precision, images)
    return runs


def measure(runs: Mapping[str, Run], rounds: int) -> dict[str, list[list[float]]]:
    """Return the seconds of each call, in blocks."""
    seconds: dict[str, list[list[float]]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            block: list[float] = []
            while sum(block) < BLOCK_SECONDS or len(block) < 3:
                started = time.perf_counter()
                run()
                block.append(time.perf_counter() - started)
            seconds[name].append(block)
            time.sleep(0.1)  # for threads that spin after their work
    return seconds


def compare(arguments: argparse.Namespace, threads: int) -> None:
    """Print the tables of one number of threads; a process of its own, as libraries read it when they are loaded."""
    import numpy as np
    from prettytable import PrettyTable

    environment.keep_freed_memory()
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            export(model, Path(folder))
            for batch in arguments.batches:
                runs = contenders(Path(folder), batch, threads, arguments.precision)
                measured = measure(runs, arguments.rounds)
                table = PrettyTable(["", "images/s", "p50 ms", "p99 ms"], align="r")
                speeds = {}
                for name, blocks in measured.items():
                    calls = np.concatenate(blocks)
                    # Of the best block: what else the machine does only ever slows down.
                    speeds[name] = batch / min(float(np.mean(block)) for block in blocks)
                    p50, p99 = 1000 * np.percentile(calls, [50, 99])
                    table.add_row([name, f"{speeds[name]:.1f}", f"{p50:.1f}", f"{p99:.1f}"])
                ours = speeds[next(iter(speeds))]
                others = {name: speed for name, speed in speeds.items() if not name.startswith("ours")}
                best = max(others, key=lambda name: others[name])
                sides = f"batch {batch}, {threads} thread(s), {environment.instruction_set()}"
                print(f"\n{model}, {arguments.precision}, {sides}\n{table}")
                print(f"ours / Paddle Inference: {ours / others['Paddle Inference']:.3f}", end=", ")
                print(f"ours / the best of them ({best}): {ours / others[best]:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ResNet18", "ResNet50"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--rounds", type=int, default=5, help="blocks of 2 seconds for each")
    arguments = parser.parse_args()
    if len(arguments.threads) == 1:
        environment.prepare()
        compare(arguments, arguments.threads[0])
        return
    at = sys.argv.index("--threads") if "--threads" in sys.argv else len(sys.argv)
    others = sys.argv[1:at] + sys.argv[at + 1 + len(arguments.threads) :]
    for threads in arguments.threads:
        words = [sys.executable, __file__, *others, "--threads", str(threads)]
        subprocess.run(words, check=True, env={**os.environ, "MKL_NUM_THREADS": str(threads)})


if __name__ == "__main__":
    main()
