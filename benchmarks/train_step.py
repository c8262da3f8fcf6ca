"""Training steps on the CPU, side by side: Paddle's own operators, oneDNN's (ppcls/ops), and PyTorch's.

    python benchmarks/train_step.py --model MobileNetV2 --batch 16 --threads 2
    python benchmarks/train_step.py --evaluation    the forward pass alone, without gradients

Each candidate lives in a process of its own and they take turns, one step each, so that a machine that slows down
does so for all; the medians count. PyTorch (with torchvision and timm) is skipped where it is not installed.
`--torch_python` names another interpreter that has it. Needs up to 4 GB for each candidate at batch 16, twice that at
batch 32; `--only` takes some of them.
"""

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import time
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
# The same networks in torchvision and timm; others are compared with Paddle's operators alone.
TORCHVISION = {
    "ResNet18": "resnet18",
    "ResNet50": "resnet50",
    "ResNet101": "resnet101",
    "ResNeXt50_32x4d": "resnext50_32x4d",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3_large_x1_0": "mobilenet_v3_large",
    "EfficientNetB0": "efficientnet_b0",
    "VGG16": "vgg16",
    "DenseNet121": "densenet121",
    "ShuffleNetV2_x1_0": "shufflenet_v2_x1_0",
    "ConvNeXt_tiny": "convnext_tiny",
    "SwinTransformer_tiny_patch4_window7_224": "swin_t",
}
TIMM = {
    "RegNetX_4GF": "regnetx_040",
    "PPLCNet_x1_0": "lcnet_100",
    "PPHGNetV2_B0": "hgnetv2_b0",
    "PPHGNetV2_B4": "hgnetv2_b4",
    "MobileNetV4_conv_small": "mobilenetv4_conv_small",
    "ViT_small_patch16_224": "vit_small_patch16_224",
}
# The small ViT is timm's first one, which its later versions build by these.
TIMM_ARGUMENTS: dict[str, dict[str, Any]] = {
    "ViT_small_patch16_224": {"embed_dim": 768, "depth": 8, "num_heads": 8, "mlp_ratio": 3.0, "qkv_bias": False},
}

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
    if model_name in TORCHVISION:
        import torchvision

        return torchvision.models.get_model(TORCHVISION[model_name])
    import timm

    return timm.create_model(TIMM[model_name], **TIMM_ARGUMENTS.get(model_name, {}))


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


def macs_of(model_name: str, side_px: int) -> int:
    """The multiply-adds of the forward pass of one image; a step of training is three times that."""
    import paddle

    from ppcls import create_model
    from ppcls.engine.macs import count_macs

    model = create_model(model_name)
    model.eval()
    with paddle.no_grad():
        return count_macs(model, paddle.zeros([1, 3, side_px, side_px]))[0]


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
    print("ready", macs_of(arguments.model, arguments.side_px) if arguments.worker == "gemm" else "", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


def start(candidate: str, arguments: argparse.Namespace) -> tuple["subprocess.Popen[str]", str]:
    """Start a candidate's process; it is ready when it has printed a line. Return the rest of that, too."""
    python = arguments.torch_python if candidate.startswith("torch") else sys.executable
    command = [python, __file__, "--worker", candidate, "--model", arguments.model]
    command += ["--batch", str(arguments.batch), "--side_px", str(arguments.side_px)]
    command += ["--evaluation"] if arguments.evaluation else []
    variables = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    variables["PYTHONWARNINGS"] = "ignore"
    variables["MKL_NUM_THREADS"] = "1" if candidate == AS_IT_COMES else str(arguments.threads)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("ready "):
        if process.poll() is not None:
            raise SystemExit(f"{candidate}: the process ended with status {process.returncode}")
    return process, line.removeprefix("ready ").strip()


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
    parser.add_argument("--model", default="ResNet50", help="any of `ppcls models`")
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
    has_torch = has_torch and arguments.model in {*TORCHVISION, *TIMM}
    wanted = [name for name in arguments.only if has_torch or not name.startswith("torch")]
    if environment.bfloat16_obstacle():
        print(f"float32 only: {environment.bfloat16_obstacle()}")
        wanted = [name for name in wanted if "bfloat16" not in name]
    started = {name: start(name, arguments) for name in [*wanted, "gemm"]}
    processes = {name: process for name, (process, _) in started.items()}
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
    giga_flops = 2 * passes * int(started["gemm"][1]) * arguments.batch / 1e9
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
