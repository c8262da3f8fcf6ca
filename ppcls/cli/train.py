"""The command `ppcls train`, or tools/train.py."""

import argparse
import shlex
from typing import TYPE_CHECKING

from ppcls.cli import next_command
from ppcls.cli.arguments import add_config
from ppcls.errors import TrainingError

if TYPE_CHECKING:
    from ppcls.engine.engine import Engine

PURPOSE = "train the model of a config"
EXAMPLES = """examples:
  python tools/train.py -c configs/ResNet50.yaml -o Global.device=gpu
  python tools/train.py -c configs/ResNet18.yaml -o Global.epochs=2 -o Optimizer.lr.learning_rate=0.1
  python tools/train.py -c configs/ResNet50.yaml -o Global.checkpoints=output/ResNet50/latest   # go on
  python tools/train.py -c configs/ResNet50.yaml --check          # build everything, then stop"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls train`."""
    add_config(parser)
    parser.add_argument(
        "-p",
        "--profiler_options",
        metavar="OPTIONS",
        help="record a profile, e.g. 'batch_range=[10,20];profile_path=profile' (Global.profiler with its keys)",
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved config and stop")
    parser.add_argument("--check", action="store_true", help="build everything, try one batch, and stop")


def run(arguments: argparse.Namespace) -> int:
    """Train the model of a config; return the exit status."""
    from ppcls.config import dialect, dump_config, load_config

    if arguments.profiler_options is not None:
        arguments.override += dialect.profiler_options(arguments.profiler_options)
    config = load_config(arguments.config, arguments.override)
    if arguments.print_config:
        print(dump_config(config), end="")
        return 0
    # What needs Paddle is imported only now that the config was found good.
    from ppcls.cli.starting import start
    from ppcls.engine.check import report

    engine = start(config)
    if arguments.check:
        print(report(engine))
        return 0
    _train(engine, arguments)
    _report(engine)
    best = engine.folder / ("latest" if engine.state.best_metric is None else "best_model")
    words = ["-c", str(engine.folder / "config.yaml"), "-o", f"Global.pretrained_model={best}"]
    next_command.say("evaluate", f"{next_command.call('eval')} {shlex.join(words)}")
    return 0


def _report(engine: "Engine") -> None:
    """Write the report of a run that has just ended; of several ranks none can compute alone."""
    from ppcls.engine import ranks
    from ppcls.report.writing import write_after_training

    if ranks.world_size() == 1 and engine.config.DataLoader.Eval is not None and engine.state.step:
        page = write_after_training(engine.folder)
        if page is not None:
            next_command.say("see how good it is", f"open {shlex.quote(str(page))} in a browser")


def _train(engine: "Engine", arguments: argparse.Namespace) -> None:
    """Train; where that ends too early, tell how to go on."""
    try:
        engine.train()
    except (KeyboardInterrupt, TrainingError):
        if engine.resume_from and engine.pace.world_size == 1:  # else what has started the ranks goes on
            checkpoint = shlex.quote(f"Global.checkpoints={engine.resume_from}")
            call, options = next_command.call("train"), next_command.options(arguments)
            next_command.say("go on", f"{call} {options} -o {checkpoint}")
        raise
