"""Train a ResNet on 1 to N cards and nodes: composes the command line of paddle.distributed.launch and runs it.

example:
  python run_paddle_resnet.py --model_name resnet50 --nproc_per_node 1 --bs 64 --lr 0.064 --device cpu \\
      --step 20 --epoch 1 --dataset_path /imagenet --grad_scale True --autocast True

Results go to ./output, below the folder in which this is called; run_scripts/README.md explains every flag.
"""

import argparse
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

REPO = Path(__file__).resolve().parents[1]
# So that it works in a checkout that is not installed.
sys.path.insert(0, str(REPO))

from addresses import is_own_address, talk_through  # noqa: E402
from launched import run  # noqa: E402

from ppcls import environment, list_models  # noqa: E402
from ppcls.config import load_config  # noqa: E402
from ppcls.engine import checkpoints  # noqa: E402
from ppcls.errors import ConfigError, DataError, DeviceError, PpclsError, TerminatedError, UserError  # noqa: E402

# Global batches of this many samples count one step of the warm-up rule.
WARMUP_BATCH = 256
LOGS = Path("output/launch")
# Done, a mistake that would be the same again, and told to stop: no reason to start again.
FINAL = (0, UserError.exit_status, TerminatedError.exit_status)


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
        if not re.fullmatch(r"-?\d+", text) or int(text) < low:
            raise argparse.ArgumentTypeError(f"expected an integer of at least {low}; received '{text}'")
        return int(text)

    return integer


def positive(text: str) -> float:
    """Return the number that `text` spells, more than 0."""
    if not re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) or float(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0; received '{text}'")
    return float(text)


def architecture(name: str) -> str:
    """Return the architecture that a model name means, in any case."""
    known = {model.lower(): model for model in list_models("ResNet*")}
    if name.lower() not in known:
        raise argparse.ArgumentTypeError(f"unknown model '{name}'; known: {', '.join(known)}")
    return known[name.lower()]


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
    p.add_argument("--lr", "--learning-rate", type=positive, required=True, help="learning rate after the warm-up")
    p.add_argument("--num_workers", type=at_least(0), default=2, help="loader processes of one rank")
    p.add_argument("--device", required=True, help="cpu, gpu (cuda), sdaa, or any plug-in device")
    p.add_argument("--autocast", type=yes_or_no, default=False, metavar="BOOL", help="mixed precision, level O1")
    p.add_argument(
        "--grad_scale", "--grad_scaler", type=yes_or_no, default=False, metavar="BOOL", help="scale the loss"
    )
    p.add_argument("--scale_loss", type=positive, default=1024, help="first scale of the loss")
    p.add_argument("--amp_whitelist", default="", metavar="OP,OP", help="operators to compute in low precision")
    p.add_argument("--amp_blacklist", default="", metavar="OP,OP", help="operators to keep in float32")
    p.add_argument("--profiler", type=yes_or_no, default=False, metavar="BOOL", help="trace of steps 10 to 16")
    p.add_argument("--profiler_path", default="./profiler_log", help="where the trace goes")
    p.add_argument("--early_stop", type=at_least(-1), default=-1, help="stop at the end of this epoch")
    p.add_argument("--resume", metavar="PREFIX", help="checkpoint to resume from; 'auto': the newest good one")
    p.add_argument("--max_restart", type=at_least(0), default=0, help="resume after a failure, at most so many times")
    p.add_argument(
        "-o", "--override", action="append", default=[], metavar="KEY=VALUE", help="any key of the config; repeatable"
    )
    return p


def warmup_epochs(global_batch: int, epochs: int) -> float:
    """Return the length of the warm-up: 2 epochs for each 256 samples of the batch, at most half of all."""
    return min(2 * (global_batch // WARMUP_BATCH), epochs / 2)


def quoted(text: object) -> str:
    """Return `text` as a YAML scalar: as it is, or in quotes where YAML could take it for something else."""
    return str(text) if re.fullmatch(r"[\w./-]*[A-Za-z/][\w./-]*", str(text)) else json.dumps(str(text))


def data_overrides(folder: Path) -> list[str]:
    """Return the options for `train_list.txt`/`val_list.txt`, or for class folders in `train/` and `val/`."""
    overrides = []
    for section, split in (("Train", "train"), ("Eval", "val")):
        root, listed = folder / split, folder / f"{split}_list.txt"
        if listed.is_file():
            root, labels = folder, quoted(listed)
        elif root.is_dir():
            labels = "null"
        else:
            raise DataError(
                f"--dataset_path: '{folder}' has neither {split}_list.txt nor a folder {split}; "
                "give a folder with class folders in train/ and val/, or with lists"
            )
        key = f"DataLoader.{section}.dataset"
        overrides += [f"{key}.image_root={quoted(root)}", f"{key}.cls_label_path={labels}"]
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
        *amp_overrides(flags),
    ]
    if flags.step > 0:
        overrides += [f"Global.prof={flags.step}", "Global.eval_during_train=False"]
    if flags.early_stop > 0:
        overrides += [f"Global.early_stop={flags.early_stop}"]
    if flags.profiler:
        overrides += ["Global.profiler=True", f"Global.profiler_path={quoted(flags.profiler_path)}"]
    if flags.resume:
        overrides += [f"Global.checkpoints={quoted(flags.resume)}"]
    return overrides + flags.override


def amp_overrides(flags: argparse.Namespace) -> list[str]:
    """Return the options of the AMP section; none without --autocast."""
    if not flags.autocast:
        for flag in ("grad_scale", "amp_whitelist", "amp_blacklist"):
            if getattr(flags, flag):
                raise ConfigError(f"--{flag}: has no effect in float32; received without --autocast True; add that")
        return []
    overrides = ["AMP.use_amp=True", "AMP.level=O1"]
    if flags.grad_scale:
        overrides += [f"AMP.scale_loss={flags.scale_loss}", "AMP.use_dynamic_loss_scaling=True"]
    for key, text in (("custom_white_list", flags.amp_whitelist), ("custom_black_list", flags.amp_blacklist)):
        if text:
            overrides += [f"AMP.{key}={json.dumps(text.split(','))}"]
    return overrides


def device_options(name: str, ranks: int) -> list[str]:
    """Return what paddle.distributed.launch must know of the devices, which are of the kind `name`.

    Raises: DeviceError unless there is one for each rank of this node.
    """
    # Only now, as they import Paddle.
    from paddle.distributed.launch.context.device import Device

    from ppcls import device

    kind = device.kind_of(name)
    device.require(kind, f"--device {name}")
    device.require_many(name, ranks, "--device")
    if kind != "cpu" and device.count(kind) < ranks:
        raise DeviceError(
            f"--nproc_per_node: each rank needs a device of its own; received {ranks} for "
            f"{device.count(kind)} of '{kind}'; give {device.count(kind)}"
        )
    # It assigns accelerators to CPU ranks as well, if it finds any, and fails where they are too few.
    found = Device.parse_device().labels
    return ["--devices", ",".join(found[:1] * ranks)] if 0 < len(found) < ranks else []


def node_rank(flags: argparse.Namespace, addresses: Sequence[str]) -> int:
    """Return --node_rank, or the place of this machine's address among the addresses of the nodes."""
    if len(addresses) not in (1, flags.nnode) or (flags.node_rank or 0) >= flags.nnode:
        raise ConfigError(
            f"--nnode: must fit --master_addr and --node_rank; received {flags.nnode} for {len(addresses)} "
            f"address(es) and node_rank {flags.node_rank}; give one address a node, and ranks from 0 to nnode - 1"
        )
    if flags.node_rank is not None or flags.nnode == 1:
        return flags.node_rank or 0
    own = [rank for rank, address in enumerate(addresses) if is_own_address(address)]
    if len(own) != 1 or len(addresses) == 1:
        raise ConfigError(
            f"--master_addr: {len(own)} of {', '.join(addresses)} are addresses of this machine, so it can't tell "
            "which node it is; list the addresses of all nodes, or give --node_rank"
        )
    return own[0]


def launch_command(flags: argparse.Namespace) -> list[str]:
    """Return the start of the command line: paddle.distributed.launch with its own flags."""
    words = [sys.executable, "-m", "paddle.distributed.launch", "--log_level", "ERROR", "--log_overwrite", "True"]
    words += ["--nproc_per_node", str(flags.nproc_per_node)]
    addresses = flags.master_addr.split(",")
    rank = node_rank(flags, addresses)
    if flags.nnode == 1:
        return [*words, "--log_dir", str(LOGS)]
    # Nodes may share the folder. Without --host, Paddle takes what the machine's name means, often 127.0.1.1.
    words += ["--log_dir", str(LOGS / f"node{rank}"), "--nnodes", str(flags.nnode), "--rank", str(rank)]
    words += ["--master", f"{addresses[0]}:{flags.master_port}"]
    return words if len(addresses) == 1 else [*words, "--host", addresses[rank]]


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the training; return its exit status."""
    flags = parser().parse_args(argv)
    environment.prepare(flags.nproc_per_node)
    try:
        return train(flags)
    except PpclsError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader, such as `head`, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def train(flags: argparse.Namespace) -> int:
    """Train, and start again after failures as --max_restart allows."""
    if flags.step > 0 and flags.epoch > 1:
        print(f"--step {flags.step} wins over --epoch {flags.epoch}: one epoch of {flags.step} steps", file=sys.stderr)
    file, overrides = str(REPO / "configs" / f"{flags.model_name}.yaml"), overrides_of(flags)
    config = load_config(file, overrides)  # so that its faults are told once, not by every rank
    launch = [*launch_command(flags), *device_options(config.Global.device, flags.nproc_per_node)]
    if "--host" in launch:
        talk_through(launch[launch.index("--host") + 1])
    logs = Path(launch[launch.index("--log_dir") + 1])
    folder = Path(config.Global.output_dir, config.Arch.name)
    older, was_empty = checkpoints.stamps(folder), not checkpoints.names_in(folder)
    restarts_left = flags.max_restart
    while True:
        options = [word for override in overrides for word in ("-o", override)]
        words = [*launch, str(REPO / "tools" / "train.py"), "-c", file, *options]
        print(shlex.join(words), flush=True)
        status = run(words, logs)
        if status == 0:
            print("experiment ended")
        if status in FINAL or not restarts_left:
            return status
        print(f"start again, {restarts_left} of {flags.max_restart} restarts left", file=sys.stderr)
        restarts_left -= 1
        found = checkpoints.newest(folder, but=older)
        if found and config.Global.checkpoints != checkpoints.AUTO:  # which finds it by itself
            overrides.append(f"Global.checkpoints={quoted(found[0])}")
        elif was_empty:
            overrides.append("Global.overwrite=True")  # what is there is the half of a first checkpoint


if __name__ == "__main__":
    sys.exit(main())
