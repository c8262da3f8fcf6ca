"""Training steps on the CPU, side by side: Paddle's own operators, oneDNN's (ppcls/ops), and PyTorch's.

    python benchmarks/train_step.py --model ResNet50 --batch 16 --threads 2
    python benchmarks/train_step.py --evaluation    the forward pass alone, without gradients

Each candidate lives in a process of its own and they take turns, one step each, so that a machine that slows down
does so for all; the medians count. PyTorch is skipped where it is not installed. `--torch_python` names another
interpreter that has it. Needs about 4 GB for each candidate at batch 16, twice that at batch 32; `--only` takes
some of them.
"""

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls import environment

# Threads of OpenMP spin for 0.2 s after their work, and would do so in the next one's turn.
SPIN_SECONDS = 0.25
AS_IT_COMES = "stock as it comes"  # which is one thread, whatever the machine has
CANDIDATES = (
    AS_IT_COMES,
    "stock",
    "onednn float32",
    "onednn bfloat16",
    "torch float32 NCHW",
    "torch float32 channels_last",
    "torch bfloat16 channels_last",
)
# Forward multiply-adds of one image of 224x224; a step of training is three times that, and a multiply-add is two.
GIGA_MACS = {"ResNet18": 1.82, "ResNet50": 4.09, "ResNet101": 7.80}
BLOCKS = {"ResNet18": (2, 2, 2, 2), "ResNet50": (3, 4, 6, 3), "ResNet101": (3, 4, 23, 3)}

Step = Callable[[], float]  # trains one step and returns its loss, or evaluates a batch and returns a logit


def paddle_step(candidate: str, model_name: str, batch: int, side_px: int, evaluation: bool) -> Step:
    """A step of one of ours."""
    from ppcls import create_model

    environment.prepare()
    import paddle

    from ppcls.models.layers import compute_with
    from ppcls.ops.operators import OneDNN

    paddle.seed(0)
    model = create_model(model_name)
    if "stock" not in candidate:
        bfloat16 = "bfloat16" in candidate
        compute_with(model, OneDNN(bfloat16=bfloat16, bfloat16_evaluation=bfloat16))
    optimizer = paddle.optimizer.Momentum(0.01, 0.9, parameters=model.parameters(), weight_decay=1e-4)
    images, labels = paddle.randn([batch, 3, side_px, side_px]), paddle.randint(0, 1000, [batch])

    def step() -> float:
        loss = paddle.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
        return float(loss)

    @paddle.no_grad()
    def evaluate() -> float:
        return float(model(images)[0, 0])

    if evaluation:
        model.eval()
    return evaluate if evaluation else step


def torch_model(model_name: str) -> Any:
    """The same model in PyTorch."""
    from torch import nn

    def conv_bn(channels_in: int, channels: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Module:
        conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels), *([nn.ReLU(inplace=True)] if relu else []))

    class Block(nn.Module):
        def __init__(self, channels_in: int, channels: int, stride: int, bottleneck: bool, first: bool) -> None:
            super().__init__()
            out = channels * (4 if bottleneck else 1)
            if bottleneck:
                inner = [conv_bn(channels_in, channels, 1), conv_bn(channels, channels, 3, stride)]
                self.path = nn.Sequential(*inner, conv_bn(channels, out, 1, relu=False))
            else:
                self.path = nn.Sequential(conv_bn(channels_in, out, 3, stride), conv_bn(out, out, 3, relu=False))
            self.short = conv_bn(channels_in, out, 1, stride, relu=False) if first else nn.Identity()
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            return self.relu(self.path(x) + self.short(x))

    def blocks() -> Iterator[nn.Module]:
        bottleneck, channels_in = model_name != "ResNet18", 64
        for stage, count in enumerate(BLOCKS[model_name]):
            for index in range(count):
                channels = 64 << stage
                yield Block(channels_in, channels, 2 if stage and not index else 1, bottleneck, not index)
                channels_in = channels * (4 if bottleneck else 1)
        yield from (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels_in, 1000))

    return nn.Sequential(conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), *blocks())


def torch_step(candidate: str, model_name: str, batch: int, side_px: int, evaluation: bool) -> Step:
    """A step of one of PyTorch's."""
    import torch

    torch.set_num_threads(int(os.environ["MKL_NUM_THREADS"]))
    torch.manual_seed(0)
    layout = torch.channels_last if "channels_last" in candidate else torch.contiguous_format
    model = torch_model(model_name).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=1e-4)
    images = torch.randn(batch, 3, side_px, side_px).to(memory_format=layout)
    labels = torch.randint(0, 1000, (batch,))

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in candidate):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    @torch.no_grad()
    def evaluate() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in candidate):
            return float(model(images)[0, 0])

    if evaluation:
        model.eval()
    return evaluate if evaluation else step


def gemm_step(size: int = 2048) -> Step:
    """The peak that a roofline needs: a float32 matrix product of oneDNN, 2 * size**3 operations."""
    environment.prepare()
    import paddle

    from ppcls.ops.operators import OneDNN, run

    OneDNN()
    left, right, bias = paddle.randn([size, size]), paddle.randn([size, size]), paddle.zeros([size])
    return lambda: float(run("linear", left, right, bias)[0][0, 0])


def work(arguments: argparse.Namespace) -> None:
    """Be one candidate: for each line of the input train a step and print its seconds and the memory so far."""
    if arguments.worker == "gemm":
        step = gemm_step()
    else:
        step_of = torch_step if arguments.worker.startswith("torch") else paddle_step
        step = step_of(arguments.worker, arguments.model, arguments.batch, arguments.side_px, arguments.evaluation)
    step()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


def start(candidate: str, arguments: argparse.Namespace) -> "subprocess.Popen[str]":
    """Start a candidate's process; it is ready when it has printed a line."""
    python = arguments.torch_python if candidate.startswith("torch") else sys.executable
    command = [python, __file__, "--worker", candidate, "--model", arguments.model]
    command += ["--batch", str(arguments.batch), "--side_px", str(arguments.side_px)]
    command += ["--evaluation"] if arguments.evaluation else []
    variables = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    variables["PYTHONWARNINGS"] = "ignore"
    variables["MKL_NUM_THREADS"] = "1" if candidate == AS_IT_COMES else str(arguments.threads)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
    assert process.stdout is not None
    while process.stdout.readline() != "ready\n":
        if process.poll() is not None:
            raise SystemExit(f"{candidate}: the process ended with status {process.returncode}")
    return process


def turn(process: "subprocess.Popen[str]") -> tuple[float, int]:
    """Let a candidate do one step; return its seconds and its peak memory in MiB."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    seconds, memory_mib = process.stdout.readline().split()
    time.sleep(SPIN_SECONDS)
    return float(seconds), int(memory_mib)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=GIGA_MACS, default="ResNet50")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--side_px", type=int, default=224)
    parser.add_argument("--evaluation", action="store_true", help="evaluate instead of training")
    parser.add_argument("--rounds", type=int, default=7, help="steps of each candidate")
    parser.add_argument("--only", nargs="*", choices=CANDIDATES, default=CANDIDATES, help="some of them")
    parser.add_argument("--torch_python", default=sys.executable, help="the interpreter for PyTorch")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return
    has_torch = arguments.torch_python != sys.executable or importlib.util.find_spec("torch") is not None
    wanted = [name for name in arguments.only if has_torch or not name.startswith("torch")]
    if environment.bfloat16_obstacle():
        print(f"float32 only: {environment.bfloat16_obstacle()}")
        wanted = [name for name in wanted if "bfloat16" not in name]
    processes = {name: start(name, arguments) for name in [*wanted, "gemm"]}
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    memory_mib = dict.fromkeys(processes, 0)
    for _ in range(arguments.rounds):
        for name, process in processes.items():
            taken, memory_mib[name] = turn(process)
            seconds[name].append(taken)
    for process in processes.values():
        process.communicate()
    peak = 2 * 2048**3 / 1e9 / min(seconds["gemm"])
    what, passes = ("evaluation", 1) if arguments.evaluation else ("training", 3)
    giga_flops = 2 * passes * GIGA_MACS[arguments.model] * arguments.batch * (arguments.side_px / 224) ** 2
    sides = f"batch {arguments.batch}, {arguments.side_px} px, {arguments.threads} thread(s), "
    sides += environment.instruction_set()
    print(f"{what} of {arguments.model}, {sides}, {arguments.rounds} rounds; "
          f"float32 matrix products reach {peak:.0f} GFLOP/s")  # fmt: skip
    for name in wanted:
        median = statistics.median(seconds[name])
        print(f"{name:30s} {arguments.batch / median:6.2f} images/s (best {arguments.batch / min(seconds[name]):6.2f})"
              f"  {giga_flops / median:4.0f} GFLOP/s, {giga_flops / median / peak:4.0%} of the peak,"
              f"  {memory_mib[name]} MiB")  # fmt: skip


if __name__ == "__main__":
    main()
