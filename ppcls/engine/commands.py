"""The commands train, eval, infer and export, from parsed arguments to an exit status."""

import argparse
import logging
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ppcls.config import RunConfig, dump_config, load_config
from ppcls.errors import ConfigError, TrainingError
from ppcls.run import log

if TYPE_CHECKING:
    from ppcls.engine.engine import Engine

logger = logging.getLogger("ppcls")

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "train": "tools/train.py",
    "eval": "tools/eval.py",
    "export": "tools/export_model.py",
    "predict": "deploy/python/predict_cls.py",
}


def run(arguments: argparse.Namespace) -> int:
    """Run the command on the config that the arguments name; return its exit status."""
    config = load_config(arguments.config, arguments.override)
    if arguments.command == "train" and arguments.print_config:
        print(dump_config(config), end="")
        return 0
    if arguments.command != "train":
        _require_weights(config, arguments.command)
    # What needs Paddle is imported only now that the config was found good.
    from ppcls.engine.check import report
    from ppcls.engine.engine import Engine
    from ppcls.engine.export import export
    from ppcls.engine.infer import infer
    from ppcls.run import dist

    log.start_console(quiet=dist.rank() not in config.Global.logging_ranks)
    engine = Engine(config)
    if arguments.command == "infer":
        return infer(engine)
    if arguments.command == "export":
        opset = arguments.opset if arguments.format == "onnx" else None
        folder = export(engine, onnx_opset=opset, verify=arguments.verify)
        _say_next("predict", f"{_call('predict')} PICTURE_OR_FOLDER --model {shlex.quote(str(folder))}")
    elif arguments.command == "eval":
        engine.evaluate_weights()
        _say_next("export", f"{_call('export')} {_options(arguments)}")
    elif arguments.check:
        print(report(engine))
    else:
        _train(engine, arguments)
        best = engine.folder / ("latest" if engine.state.best_metric is None else "best_model")
        words = ["-c", str(engine.folder / "config.yaml"), "-o", f"Global.pretrained_model={best}"]
        _say_next("evaluate", f"{_call('eval')} {shlex.join(words)}")
    return 0


def _train(engine: "Engine", arguments: argparse.Namespace) -> None:
    """Train; where that ends too early, tell how to go on."""
    try:
        engine.train()
    except (KeyboardInterrupt, TrainingError):
        if engine.resume_from and engine.pace.world_size == 1:  # else what has started the ranks goes on
            checkpoint = shlex.quote(f"Global.checkpoints={engine.resume_from}")
            _say_next("go on", f"{_call('train')} {_options(arguments)} -o {checkpoint}")
        raise


def _require_weights(config: RunConfig, command: str) -> None:
    if not (config.Global.pretrained_model or config.Arch.pretrained):
        raise ConfigError(
            f"{config.source}: no weights are given; `{command}` needs trained ones; "
            f"add -o Global.pretrained_model={config.Global.output_dir}/{config.Arch.name}/best_model"
        )


def _call(command: str) -> str:
    """Return how to call a command from the present folder: by its script in a checkout, else by `ppcls`."""
    script = REPO / SCRIPTS[command]
    path = min(os.path.relpath(script), str(script), key=len)
    return f"python {shlex.quote(path)}" if script.is_file() else f"ppcls {command}"


def _options(arguments: argparse.Namespace) -> str:
    words = ["-c", arguments.config]
    for override in arguments.override:
        words += ["-o", override]
    return shlex.join(words)


def _say_next(what: str, command: str) -> None:
    logger.info(f"to {what}: {command}")
