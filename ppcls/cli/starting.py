"""An engine for a command, or the first fault of its config."""

import argparse
from typing import TYPE_CHECKING

from ppcls.errors import ConfigError

if TYPE_CHECKING:
    from ppcls.config import RunConfig
    from ppcls.engine.engine import Engine


def start(config: "RunConfig") -> "Engine":
    """Start the log and return the engine of a run."""
    from ppcls.engine import log, ranks
    from ppcls.engine.engine import Engine

    logger = log.start_console(quiet=ranks.rank() not in config.Global.logging_ranks)
    for note in config.notes:
        logger.warning(note)
    return Engine(config)


def start_with_weights(arguments: argparse.Namespace) -> "Engine":
    """Return the engine of a command that needs trained weights. Raises ConfigError if none are named."""
    from ppcls.config import load_config

    config = load_config(arguments.config, arguments.override)
    if not (config.Global.pretrained_model or config.Arch.pretrained):
        raise ConfigError(
            f"{config.source}: no weights are given; `{arguments.command}` needs trained ones; "
            f"add -o Global.pretrained_model={config.Global.output_dir}/{config.Arch.name}/best_model"
        )
    return start(config)
