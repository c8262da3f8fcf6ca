"""What a training step on the CPU spends its time on, by kind of operator: Paddle's beside oneDNN's (ppcls/ops).

`python benchmarks/shares.py [--models MobileNetV2 ConvNeXt_tiny] [--batch 16] [--threads 2]`

Linux's `perf` samples one step, and the names of the functions tell the kind; threads that wait for others don't count.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.train_step import paddle_step

CANDIDATES = ("stock", "onednn float32")
WAITING = "waiting"
# The first that is found in the library and name of a function is its kind.
KINDS = {
    WAITING: r"libiomp5|libgomp|sched",
    "depthwise": r"depthwise|Depthwise|dw_conv|brdgmm|row_gradient",
    "normalisation": r"Norm|gradient_sums|input_gradient|moments|normalise|layer_norm|lnorm",
    "attention": r"attend|[Ss]oftmax",
    "layout": r"reorder|[Tt]ranspose|Contiguous|[Cc]oncat|copy_[ab]|windows|shuffle|split|move<",
    "products": r"gemm|conv|Conv|im2col|Im2Col|Col2Im|mkl_blas|jit_brg",
    "activations": r"jit_uni_kernel|Activation|Erf|Gelu",
    "pages": r"kallsyms",
}
REST = "the rest"
COLUMNS = tuple(kind for kind in (*KINDS, REST) if kind != WAITING)
SETTLE_SECONDS = 1.0  # that perf takes to begin


def kind_of(function: str) -> str:
    """The kind of a function, given its library and name."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, function)), REST)


def work(candidate: str, arguments: argparse.Namespace) -> None:
    """Train steps, the last ones below perf; print the CPU seconds of one and the shares."""
    step = paddle_step(candidate, arguments.model, arguments.batch, arguments.side_px, evaluation=False)
    step()
    with tempfile.TemporaryDirectory() as folder:
        record = ["perf", "record", "-q", "-F", "499", "-o", f"{folder}/data", "-p", str(os.getpid())]
        perf = subprocess.Popen(record, stderr=subprocess.DEVNULL)
        time.sleep(SETTLE_SECONDS)
        started = time.process_time()
        for _ in range(arguments.steps):
            step()
        seconds = (time.process_time() - started) / arguments.steps
        perf.send_signal(signal.SIGINT)
        perf.wait()
        report = ["perf", "report", "-i", f"{folder}/data", "--stdio", "--no-children", "-t", "|", "-s", "dso,symbol"]
        lines = subprocess.run(report, capture_output=True, text=True).stdout.splitlines()
    shares: Counter[str] = Counter()
    for percent, function in (line.split("|", 1) for line in lines if re.match(r" *[\d.]+% *\|", line)):
        shares[kind_of(function)] += float(percent.strip(" %"))
        if arguments.functions and float(percent.strip(" %")) >= arguments.functions:
            print(f"    {percent}|{function[:120]}|{kind_of(function)}")
    waiting = shares.pop(WAITING, 0.0)
    busy = sum(shares.values())
    cells = " | ".join(f"{100 * shares[kind] / busy:.0f} %" for kind in COLUMNS)
    print(f"| {arguments.model} | {candidate} | {seconds * busy / (busy + waiting):.2f} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["MobileNetV2"], help="architectures")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side_px", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="how many are sampled")
    parser.add_argument("--functions", type=float, default=0.0, help="print those of at least this many percent")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        (arguments.model,) = arguments.models
        work(arguments.worker, arguments)
        return
    if shutil.which("perf") is None:
        parser.error("needs Linux's perf, which is not installed here")
    print(f"| model | operators | CPU s a step | {' | '.join(COLUMNS)} |")
    # Without a name for each kernel that oneDNN makes while it runs, they are all one.
    variables = {**os.environ, "MKL_NUM_THREADS": str(arguments.threads), "ONEDNN_JIT_PROFILE": "6"}
    for model in arguments.models:
        for candidate in CANDIDATES:
            command = [sys.executable, __file__, *sys.argv[1:], "--worker", candidate, "--models", model]
            done = subprocess.run(command, env=variables, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                parser.error(f"{model}, {candidate}: {done.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main()
