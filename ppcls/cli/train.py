"""The command `ppcls train`, or tools/train.py."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ppcls.cli import next_command
from ppcls.cli.arguments import add_config
from ppcls.cli.entry import STARTED
from ppcls.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from ppcls.engine.engine import Engine

PURPOSE = "train on a folder of images, or by a config"
EXAMPLES = """examples:
  ppcls train flowers                     # a folder with one folder a class; also a .zip, a .csv or a list
  ppcls train flowers --minutes 10 --model ResNet50
  python tools/train.py -c configs/ResNet50.yaml -o Global.device=gpu
  python tools/train.py -c configs/ResNet18.yaml -o Global.epochs=2 -o Optimizer.lr.learning_rate=0.1
  python tools/train.py -c configs/ResNet50.yaml -o Global.checkpoints=output/ResNet50/latest   # resume
  python tools/train.py -c configs/ResNet50.yaml --check          # build everything, then stop"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls train`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("source", nargs="?", metavar="FOLDER", help="images: class folders, a .zip, a .csv or a list")
    add_config(parser, required=False, group=what)
    _add_choices(parser.add_argument_group("with FOLDER; what is not given is chosen for the data and the machine"))
    parser.add_argument(
        "-p",
        "--profiler_options",
        metavar="OPTIONS",
        help="record a profile, e.g. 'batch_range=[10,20];profile_path=profile' (Global.profiler with its keys)",
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved config and stop")
    parser.add_argument("--check", action="store_true", help="build everything, try one batch, and stop")


def _add_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", metavar="NAME", help="an architecture, such as ResNet50")
    group.add_argument("--epochs", type=int, metavar="N", help="passes over the images")
    group.add_argument("--minutes", type=float, metavar="M", help="the time that all of it takes")
    group.add_argument("--patience", type=int, metavar="N", help="stop after N evaluations that are no better")
    group.add_argument("--size", type=int, metavar="PIXELS", help="height and width of what the model sees")
    group.add_argument("--freeze", choices=["backbone"], help="train the classifier alone")
    group.add_argument("--labels", choices=["single", "multi"], help="classes of an image: one, or several")
    group.add_argument("--output", metavar="FOLDER", help="where the folder of the run goes (output)")
    group.add_argument("--dry", action="store_true", help="print the YAML and stop")


CHOICES = ("model", "epochs", "minutes", "patience", "size", "freeze", "labels")


def run(arguments: argparse.Namespace) -> int:
    """Train on a folder, or by a config; return the exit status."""
    if arguments.source is not None:
        return _train_folder(arguments)
    given = [f"--{name}" for name in (*CHOICES, "output", "dry") if getattr(arguments, name)]
    if given:
        raise ConfigError(f"{given[0]}: is for `ppcls train FOLDER`; a config says it itself; see -o")
    return _train_config(arguments)


def _train_folder(arguments: argparse.Namespace) -> int:
    given = [name for name in ("profiler_options", "print_config", "check") if getattr(arguments, name)]
    if given:
        raise ConfigError(f"--{given[0].replace('_', '-')}: is for `ppcls train -c`; to see the config, use --dry")
    from ppcls.recipes import recipe
    from ppcls.recipes.options import Options

    choices = {name: getattr(arguments, name) for name in CHOICES}
    output = arguments.output or "output"
    if arguments.dry:
        planned = recipe.plan(arguments.source, Options(**choices, override=tuple(arguments.override)))
        print(planned.text(recipe.folder_of(planned, Path(output))[0]), end="")
        return 0
    from ppcls.api.training import train

    trained = train(arguments.source, **choices, override=arguments.override, output=output, started=STARTED)
    if trained.stopped:
        print("stopped; the same command resumes it", file=sys.stderr)
        return 130
    print(trained.summary())
    return 0


def _train_config(arguments: argparse.Namespace) -> int:
    from ppcls.config import dialect, dump_config, load_config

    if arguments.profiler_options is not None:
        arguments.override += dialect.profiler_options(arguments.profiler_options)
    config = load_config(arguments.config, arguments.override)
    if arguments.print_config:
        print(dump_config(config), end="")
        return 0
    # What needs Paddle is imported only now that the config was found good.
    from ppcls.cli.starting import start
    from ppcls.engine import run_folder
    from ppcls.engine.check import report

    engine = start(run_folder.resuming(config))
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
    """Write the report of a run of classification that has just ended; of several ranks none can compute alone."""
    from ppcls.engine import build, ranks
    from ppcls.report.writing import write_if_possible

    config = engine.config
    has_answers = config.DataLoader.Eval is not None and not build.gives_features(config.deployed())
    if ranks.world_size() == 1 and has_answers and engine.state.step:
        page = write_if_possible(engine.folder)
        if page is not None:
            next_command.say("see how good it is", f"open {shlex.quote(str(page))} in a browser")


def _train(engine: "Engine", arguments: argparse.Namespace) -> None:
    """Train; where that ends too early, say how to resume."""
    try:
        engine.train()
    except (KeyboardInterrupt, TrainingError):
        if engine.resume_from and engine.pace.world_size == 1:  # else what has started the ranks resumes
            checkpoint = shlex.quote(f"Global.checkpoints={engine.resume_from}")
            call, options = next_command.call("train"), next_command.options(arguments)
            next_command.say("resume", f"{call} {options} -o {checkpoint}")
        raise
