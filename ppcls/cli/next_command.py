"""What to type next, as a finished command says it."""

import argparse
import logging
import os
import shlex
from pathlib import Path

logger = logging.getLogger("ppcls")

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "train": "tools/train.py",
    "eval": "tools/eval.py",
    "export": "tools/export_model.py",
    "predict": "deploy/python/predict_cls.py",
}


def call(command: str) -> str:
    """Return how to call a command from the present folder: by its script in a checkout, else by `ppcls`."""
    script = REPO / SCRIPTS[command]
    path = min(os.path.relpath(script), str(script), key=len)
    return f"python {shlex.quote(path)}" if script.is_file() else f"ppcls {command}"


def options(arguments: argparse.Namespace) -> str:
    """Return the `-c` and `-o` that the command was given."""
    words = ["-c", arguments.config]
    for override in arguments.override:
        words += ["-o", override]
    return shlex.join(words)


def say(what: str, command: str) -> None:
    """Log `to WHAT: COMMAND`."""
    logger.info(f"to {what}: {command}")
