"""Train a ResNet on 1 to N cards and nodes: composes the command line of paddle.distributed.launch and runs it.

example:
  python run_paddle_resnet.py --model_name resnet50 --nproc_per_node 1 --bs 64 --lr 0.064 --device cpu \\
      --step 20 --epoch 1 --dataset_path /imagenet --grad_scale True --autocast True
"""

import argparse
import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Optional

# So that it works in a checkout that is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls import environment, list_models

REPO = Path(__file__).resolve().parents[1]
# Global batches of this many samples count one step of the warm-up rule.
WARMUP_BATCH = 256


def yes_or_no(text: str) -> bool:
    """Return the boolean that `text` spells."""
    if text.lower() in ("yes", "true", "t", "y", "1"):
        return True
    if text.lower() in ("no", "false", "f", "n", "0"):
        return False
    raise argparse.ArgumentTypeError(f"expected yes/true/t/y/1 or no/false/f/n/0; received '{text}'")


def at_least(low: int) -> Any:
    """Return an argument type: an integer of `low` or more."""

    def integer(text: str) -> int:
        if not text.lstrip("-").isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"expected an integer of at least {low}; received '{text}'")
        return int(text)

    return integer


def architecture(name: str) -> str:
    """Return the architecture that a model name means, in any case."""
    found = [known for known in list_models("ResNet*") if known.lower() == name.lower()]
    if not found:
        raise argparse.ArgumentTypeError(
            f"unknown model '{name}'; known: {', '.join(known.lower() for known in list_models('ResNet*'))}"
        )
    return found[0]


def parser() -> argparse.ArgumentParser:
    """Return the parser of all flags."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model_name", type=architecture, required=True, help="resnet18, resnet50, resnet101, ...")
    p.add_argument("--epoch", type=at_least(1), default=1, help="epochs to train")
    p.add_argument("--step", type=at_least(-1), default=-1, help="stop after so many steps, without an evaluation")
    p.add_argument("--batch_size", "--bs", type=at_least(1), required=True, help="training batch of one rank")
    p.add_argument("--dataset_path", type=Path, required=True, help="folder with train/ and val/, or with lists")
    p.add_argument("--nproc_per_node", type=at_least(1), default=1, help="ranks on this node")
    p.add_argument("--nnode", type=at_least(1), default=1, help="nodes")
    p.add_argument("--node_rank", type=at_least(0), help="this node; unset: found in --master_addr")
    p.add_argument("--master_addr", default="127.0.0.1", help="addresses of the nodes, the master's first: ip1,ip2")
    p.add_argument("--master_port", type=at_least(1), default=29500, help="a free port of the master")
    p.add_argument("--lr", "--learning-rate", type=float, required=True, help="learning rate after the warm-up")
    p.add_argument("--num_workers", type=at_least(0), default=2, help="loader processes of one rank")
    p.add_argument("--device", required=True, help="cpu, gpu (cuda), sdaa, or any plug-in device")
    p.add_argument("--autocast", type=yes_or_no, default=False, metavar="BOOL", help="mixed precision, level O1")
    p.add_argument(
        "--grad_scale", "--grad_scaler", type=yes_or_no, default=False, metavar="BOOL", help="scale the loss"
    )
    p.add_argument("--scale_loss", type=float, default=1024, help="first scale of the loss")
    p.add_argument("--amp_whitelist", default="", metavar="OP,OP", help="operators to compute in low precision")
    p.add_argument("--amp_blacklist", default="", metavar="OP,OP", help="operators to keep in float32")
    p.add_argument("--profiler", type=yes_or_no, default=False, metavar="BOOL", help="trace of steps 10 to 16")
    p.add_argument("--profiler_path", default="./profiler_log", help="where the trace goes")
    p.add_argument("--early_stop", type=at_least(-1), default=-1, help="stop at the end of this epoch")
    p.add_argument("--resume", help="checkpoint prefix to go on from")
    return p


def warmup_epochs(global_batch: int, epochs: int) -> float:
    """Return the length of the warm-up: 2 epochs for each 256 samples of the batch, at most half of all."""
    return min(2 * (global_batch // WARMUP_BATCH), epochs / 2)


def data_overrides(folder: Path) -> list[str]:
    """Return the options for `train_list.txt`/`val_list.txt`, or for class folders in `train/` and `val/`."""
    overrides = []
    for section, split in (("Train", "train"), ("Eval", "val")):
        key = f"DataLoader.{section}.dataset"
        if (folder / f"{split}_list.txt").is_file():
            overrides += [f"{key}.image_root={folder}", f"{key}.cls_label_path={folder / f'{split}_list.txt'}"]
        elif (folder / split).is_dir():
            overrides += [f"{key}.name=ImageFolder", f"{key}.image_root={folder / split}", f"{key}.cls_label_path=null"]
        else:
            raise SystemExit(
                f"--dataset_path: '{folder}' has neither {split}_list.txt nor a folder {split}/; "
                "give a folder with class folders in train/ and val/, or with lists"
            )
    return overrides


def overrides_of(flags: argparse.Namespace) -> list[str]:
    """Return the `-o` options that the flags mean."""
    epochs = 1 if flags.step > 0 else flags.epoch
    warmup = warmup_epochs(flags.batch_size * flags.nproc_per_node * flags.nnode, epochs)
    schedule = {"name": "Cosine", "learning_rate": flags.lr, "warmup_epoch": warmup}
    overrides = [
        f"Global.device={flags.device}",
        f"Global.epochs={epochs}",
        f"Optimizer.lr={json.dumps(schedule)}",
        f"DataLoader.Train.sampler.batch_size={flags.batch_size}",
        f"DataLoader.Train.loader.num_workers={flags.num_workers}",
        f"DataLoader.Eval.loader.num_workers={flags.num_workers}",
        *data_overrides(flags.dataset_path),
    ]
    if flags.step > 0:
        overrides += [f"Global.prof={flags.step}", "Global.eval_during_train=False"]
    if flags.early_stop > 0:
        overrides += [f"Global.early_stop={flags.early_stop}"]
    if flags.profiler:
        overrides += ["Global.profiler=True", f"Global.profiler_path={flags.profiler_path}"]
    if flags.resume:
        overrides += [f"Global.checkpoints={flags.resume}"]
    return overrides + amp_overrides(flags)


def amp_overrides(flags: argparse.Namespace) -> list[str]:
    """Return the options of the AMP section; none without --autocast."""
    if not flags.autocast:
        for flag in ("grad_scale", "amp_whitelist", "amp_blacklist"):
            if getattr(flags, flag):
                raise SystemExit(f"--{flag}: has no effect in float32; received without --autocast True; add that")
        return []
    overrides = ["AMP.use_amp=True", "AMP.level=O1"]
    if flags.grad_scale:
        overrides += [f"AMP.scale_loss={flags.scale_loss}", "AMP.use_dynamic_loss_scaling=True"]
    for key, text in (("custom_white_list", flags.amp_whitelist), ("custom_black_list", flags.amp_blacklist)):
        if text:
            overrides += [f"AMP.{key}={json.dumps(text.split(','))}"]
    return overrides


def node_rank(flags: argparse.Namespace) -> int:
    """Return --node_rank, or the place of one of this machine's addresses in --master_addr."""
    addresses = flags.master_addr.split(",")
    if flags.node_rank is not None or flags.nnode == 1:
        return flags.node_rank or 0
    for rank, address in enumerate(addresses):
        if is_own_address(address):
            return rank
    raise SystemExit(
        f"--master_addr: none of {', '.join(addresses)} is an address of this machine; "
        "list the addresses of all nodes, or give --node_rank"
    )


def is_own_address(address: str) -> bool:
    """Return whether this machine can listen on `address`."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(target)
    except OSError:
        return False
    return True


def command(flags: argparse.Namespace) -> list[str]:
    """Return the command line of paddle.distributed.launch."""
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--log_dir", "output/launch"]
    launch += ["--nproc_per_node", str(flags.nproc_per_node)]
    if flags.nnode > 1:
        master = f"{flags.master_addr.split(',')[0]}:{flags.master_port}"
        launch += ["--master", master, "--nnodes", str(flags.nnode), "--rank", str(node_rank(flags))]
    launch += [str(REPO / "tools" / "train.py"), "-c", str(REPO / "configs" / f"{flags.model_name}.yaml")]
    for override in overrides_of(flags):
        launch += ["-o", override]
    return launch


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the training; return its exit status."""
    flags = parser().parse_args(argv)
    if flags.step > 0 and flags.epoch > 1:
        print(f"--step {flags.step} wins over --epoch {flags.epoch}: one epoch of {flags.step} steps", file=sys.stderr)
    words = command(flags)
    print(shlex.join(words), flush=True)
    environment.prepare(flags.nproc_per_node)
    with subprocess.Popen(words) as child:

        def pass_on(number: int, _: Optional[FrameType]) -> None:
            child.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, pass_on)
        status = child.wait()
    if status == 0:
        print("experiment ended")
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
