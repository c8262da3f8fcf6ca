"""How training scales: what the engine costs, what several ranks gain, and what thousands would (docs/scaling.md).

    python benchmarks/scaling.py overhead   # the engine beside a bare loop of the same model, data and optimizer
    python benchmarks/scaling.py ranks      # 1 and 2 ranks on this machine, and what sharing the gradients costs
    python benchmarks/scaling.py simulate   # the efficiency of 8 to 4096 ranks, from the constants that are given

The ranks are CPU processes of one thread each that talk through Gloo. What is compared takes turns of a few steps;
medians count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import cv2
import numpy as np
import simulation
from prettytable import PrettyTable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls import environment

if TYPE_CHECKING:
    from ppcls.engine.engine import Engine

REPO = Path(__file__).resolve().parents[1]
WAYS = ("shared", "alone")
ALL_REDUCE_SIZES = [1 << power for power in range(4, 27, 2)]  # bytes


def write_config(folder: Path, arguments: argparse.Namespace, batch: int, num_batches: int) -> Path:
    """Write random images for so many batches, and a training on them with nothing but their sizes changed."""
    rng, lines = np.random.default_rng(0), []
    for number in range(batch * num_batches):
        image = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype="uint8"), (256, 256))
        cv2.imwrite(str(folder / f"{number}.jpg"), image)
        lines.append(f"{number}.jpg {number % 1000}\n")
    (folder / "list.txt").write_text("".join(lines))
    crop = f"RandCropImage: {{size: {arguments.side_px}}}"
    (folder / "config.yaml").write_text(f"""
_base_: {REPO}/configs/{arguments.model}.yaml
Global: {{device: cpu, cpu_ops: {arguments.cpu_ops}, epochs: 1000000, eval_during_train: False, print_batch_step: 1,
  image_shape: [3, {arguments.side_px}, {arguments.side_px}], output_dir: {folder}/output}}
Optimizer: {{lr: {{name: Constant, learning_rate: 0.0001}}}}
DataLoader:
  Train:
    dataset: {{image_root: {folder}, cls_label_path: {folder}/list.txt,
      transform_ops: [DecodeImage, {{{crop}}}, RandFlipImage, NormalizeImage]}}
    sampler: {{batch_size: {batch}}}
    loader: {{num_workers: 0}}
""")
    return folder / "config.yaml"


def quartiles(seconds: list[float]) -> str:
    low, _, high = statistics.quantiles(seconds, n=4)
    return f"{1000 * low:.1f} to {1000 * high:.1f}"


def load_engine(config: Path) -> "Engine":
    environment.prepare()
    from ppcls.config import load_config
    from ppcls.engine import log
    from ppcls.engine.engine import Engine

    log.start_console(quiet=True)
    return Engine(load_config(str(config)))


# The engine beside a bare loop.


def intervals(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in zip(times, times[1:])]


def engine_turn(engine: "Engine") -> list[float]:
    """Return the seconds of each step of an epoch of the engine, from batch to batch."""
    times, batches = [], engine.train_batches

    def noted() -> Iterator[Any]:
        for batch in batches():
            times.append(time.perf_counter())
            yield batch

    engine.train_batches = noted  # type: ignore[method-assign]
    engine.train_epoch()
    engine.state.end_epoch()
    engine.train_batches = batches  # type: ignore[method-assign]
    return intervals(times)


def bare_turn(engine: "Engine") -> list[float]:
    """Return the seconds of each step of the least loop that trains this model on these data, and says nothing."""
    import paddle

    times, model, optimizer = [], engine.model, engine.state.optimizer
    model.train()
    for batch in engine.train_loader.epoch(engine.state.epoch):
        times.append(time.perf_counter())
        logits = model(paddle.to_tensor(batch.images))
        loss = paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(batch.labels))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
    return intervals(times)


def overhead(arguments: argparse.Namespace) -> None:
    ways: dict[str, Callable[[Engine], list[float]]] = {"bare loop": bare_turn, "engine": engine_turn}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        engine = load_engine(write_config(Path(folder), arguments, arguments.batch, arguments.steps + 1))
        engine.start_training()
        for number in range(arguments.turns + 1):
            for name, turn in ways.items():
                taken = turn(engine)
                seconds[name] += taken if number else []  # the first turns warm up
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    print(f"{arguments.model}, batch {arguments.batch}, {arguments.side_px} px, {arguments.cpu_ops} operators, "
          f"{os.environ['MKL_NUM_THREADS']} thread(s); {arguments.turns} turns of {arguments.steps} steps each, "
          "in one process, on one model")  # fmt: skip
    for name, taken in seconds.items():
        print(f"{name:10s} {1000 * medians[name]:8.1f} ms a step (quartiles {quartiles(taken)})")
    print(f"overhead   {medians['engine'] / medians['bare loop'] - 1:8.2%} of the medians; the engine also computes "
          "top-1 and top-5, averages, logs and prints at every step")  # fmt: skip


# One and two ranks.


def sharing_steps(engine: "Engine") -> dict[str, Callable[[], None]]:
    """Return training steps on one batch, with and without sharing its gradients among the ranks."""
    import paddle

    from ppcls.engine import batches, ranks

    model, optimizer = engine.parallel_model, engine.state.optimizer
    batch = next(batches.on_device(engine.train_loader.epoch(0)))
    engine.model.train()

    def step(share: bool) -> None:
        with ranks.sharing_gradients(model, share):
            loss = paddle.nn.functional.cross_entropy(model(batch.images), batch.labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)

    return dict(zip(WAYS, (lambda: step(True), lambda: step(False))))


def timed(step: Callable[[], None]) -> float:
    """Return the seconds until the last rank has done a step that all begin together."""
    from ppcls.engine import ranks

    ranks.wait_for_all()
    started = time.perf_counter()
    step()
    ranks.wait_for_all()
    return time.perf_counter() - started


def loopback_bytes() -> int:
    return int(Path("/sys/class/net/lo/statistics/tx_bytes").read_text())


def time_all_reduce(num_bytes: int) -> float:
    """Return the seconds of one of several all-reduces that follow each other."""
    import paddle
    import paddle.distributed

    tensor = paddle.zeros([num_bytes // 4])

    def several() -> None:
        for _ in range(10):
            paddle.distributed.all_reduce(tensor)

    return statistics.median([timed(several) / 10 for _ in range(4)][1:])


def work(arguments: argparse.Namespace) -> None:
    """Be one rank of a group, and let the first one write what it measured."""
    engine = load_engine(arguments.config)
    import paddle

    from ppcls.engine import ranks

    if arguments.one_bucket:  # which is full when the backward pass is over
        engine.parallel_model = paddle.DataParallel(engine.model, comm_buffer_size=1024, last_comm_buffer_size=1024)
    engine.prepare()
    steps = sharing_steps(engine)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    sent_bytes = dict.fromkeys(steps, 0)
    for turn in range(4):
        for name, step in steps.items():
            before = loopback_bytes()
            taken = [timed(step) for _ in range(arguments.steps)]
            if turn:  # the first turns warm up
                seconds[name] += taken
                sent_bytes[name] += loopback_bytes() - before
    found: dict[str, Any] = {
        "seconds": seconds,
        "sent_bytes": {name: n // len(seconds[name]) for name, n in sent_bytes.items()},
    }
    if ranks.world_size() > 1:
        sizes = [4 * parameter.size for parameter in engine.model.parameters() if not parameter.stop_gradient]
        buckets = engine.parallel_model.group_indices
        # In the order in which the backward pass fills them: the last layers come first.
        found["bucket_bytes"] = [sum(sizes[index] for index in bucket) for bucket in reversed(buckets)]
        found["all_reduce"] = {size: time_all_reduce(size) for size in ALL_REDUCE_SIZES}
    if ranks.rank() == 0:
        (arguments.config.parent / "found.json").write_text(json.dumps(found))


def run_group(arguments: argparse.Namespace, ranks: int, threads: int, batch: int, one_bucket: bool) -> dict[str, Any]:
    """Return what so many ranks, of so many threads and images a step each, have measured."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), arguments, batch, ranks)
        words = [sys.executable, "-m", "paddle.distributed.launch", "--log_level", "ERROR", "--log_dir", folder]
        words += ["--nproc_per_node", str(ranks), __file__, "work", "--config", str(config)]
        words += ["--steps", str(arguments.steps), *(["--one_bucket"] if one_bucket else [])]
        given = {**os.environ, "MKL_NUM_THREADS": str(threads), "PYTHONPATH": str(REPO)}
        if subprocess.run(words, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise SystemExit((Path(folder) / "workerlog.0").read_text())
        found: dict[str, Any] = json.loads((Path(folder) / "found.json").read_text())
    return found


def ranks(arguments: argparse.Namespace) -> None:
    batch = arguments.batch
    groups = {
        "whole machine": (1, 2, batch, False),
        "lone": (1, 1, batch, False),
        "buckets": (2, 1, batch, False),
        "one bucket": (2, 1, batch, True),
        "same global batch": (2, 1, batch // 2, False),
    }
    runs = [{name: run_group(arguments, *group) for name, group in groups.items()} for _ in range(arguments.turns)]
    medians = {
        name: {way: statistics.median(s for run in runs for s in run[name]["seconds"][way]) for way in WAYS}
        for name in groups
    }
    print(f"{arguments.model}, {arguments.side_px} px, {arguments.cpu_ops} operators, one batch in memory; "
          f"medians of {arguments.turns} turns of {3 * arguments.steps} steps")  # fmt: skip
    table = PrettyTable(["ranks", "threads each", "images each", "ms a step", "unshared", "images/s", "scaling"])
    table.align = "r"
    for name, (num_ranks, threads, size, one_bucket) in groups.items():
        if not one_bucket:
            shared, alone = (medians[name][way] for way in WAYS)
            scaling = f"{num_ranks * size / shared * medians['lone']['shared'] / batch:.2f}"
            speed = f"{num_ranks * size / shared:.2f}"
            unshared = f"{1000 * alone:.0f}" if num_ranks > 1 else ""
            table.add_row([num_ranks, threads, size, f"{1000 * shared:.0f}", unshared, speed, scaling])
    print(table)
    found = runs[0]["buckets"]
    for name in ("buckets", "one bucket"):
        cost = medians[name]["shared"] - medians[name]["alone"]
        print(f"sharing the gradients of {batch} images: {1000 * cost:.0f} ms more, "
              f"{runs[0][name]['sent_bytes']['shared'] / 1e6:.1f} MB sent by both, "
              f"buckets of {simulation.megabytes(runs[0][name]['bucket_bytes'])} MB")  # fmt: skip
    simulation.report_constants(found, batch, medians)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run in (overhead, ranks):
        command = commands.add_parser(run.__name__)
        command.add_argument("--model", default="ResNet18")
        command.add_argument("--batch", type=int, default=8, help="images per rank")
        command.add_argument("--side_px", type=int, default=224)
        command.add_argument("--cpu_ops", choices=["onednn", "stock"], default="onednn")
        command.add_argument("--turns", type=int, default=2)
        command.add_argument("--steps", type=int, default=4, help="a turn")
        command.set_defaults(run=run)
    command = commands.add_parser("work", help="be one rank; `ranks` starts this")
    command.add_argument("--config", type=Path)
    command.add_argument("--steps", type=int)
    command.add_argument("--one_bucket", action="store_true")
    command.set_defaults(run=work)
    simulation.add_command(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
