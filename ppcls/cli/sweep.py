"""The command `ppcls sweep`, or tools/search_strategy.py."""

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from prettytable import PrettyTable

from ppcls.cli import next_command
from ppcls.cli.arguments import add_config
from ppcls.errors import CheckpointError, DeviceError, TrainingError
from ppcls.files import make_folder, write_text

if TYPE_CHECKING:
    from ppcls.config import RunConfig, SearchStage, SweepConfig

PURPOSE = "search settings: for each in turn a training with each of its values, of which the best stays"
EXAMPLES = """examples:
  ppcls sweep search.yaml --dry                       # print the commands
  ppcls sweep search.yaml                             # repeated, it makes the runs that are missing
  python tools/search_strategy.py -c ppcls/configs/StrategySearch/person.yaml -o gpus=0"""
# As PaddleClas has them: the stage that looks for a teacher, and the run that is made with all that was found.
TEACHER, FINAL = "teacher", "search_res"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls sweep`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("source", nargs="?", metavar="FILE", help="the YAML file of the sweep")
    add_config(parser, required=False, group=what)
    parser.add_argument("--dry", action="store_true", help="print the commands that are to come, and stop")


class Undecided(str):
    """Stands for the best value of a stage that has runs to come."""


@dataclass(frozen=True)
class Run:
    """One training of a sweep; `name` is that of its folder below the sweep's."""

    name: str
    file: str
    settings: Mapping[str, Any]

    @property
    def options(self) -> list[str]:
        from ppcls.config import as_overrides

        return as_overrides(self.settings)

    @property
    def is_decided(self) -> bool:
        return not any(isinstance(value, Undecided) for value in self.settings.values())

    def load(self) -> "RunConfig":
        """Return its config. Raises ConfigError."""
        from ppcls.config import load_config

        return load_config(self.file, self.options)

    def check(self) -> None:
        """Raise ConfigError for a config with mistakes."""
        self.load()


# Returns the result of a run, if it is known; and the value that a stage takes, by the results of its runs.
Make = Callable[[Run], Optional[float]]
Choose = Callable[["SearchStage", Sequence[Optional[float]]], Any]


def run(arguments: argparse.Namespace) -> int:
    """Make the runs, print their results and what to type next; return the exit status."""
    from ppcls.config import load_sweep_config

    config = load_sweep_config(arguments.source or arguments.config, arguments.override)
    # All mistakes come before the first run, whatever the best values are to be.
    follow(config, Run.check, lambda stage, _: stage.search_values[0])
    sweep = Sweep(config)
    if arguments.dry:
        follow(config, sweep.tell, sweep.choose)
        return 0
    from ppcls import device
    from ppcls.engine import log

    if config.gpus is not None and len(device.available()) == 1:  # the CPU
        raise DeviceError(f"gpus: there are none here; received {config.gpus}; add -o gpus=null to train on the CPU")
    log.start_console()
    last = follow(config, sweep.make, sweep.choose)
    print(sweep.table)
    folder = sweep.folder_of(last)
    words = ["-c", str(folder / "config.yaml"), "-o", f"Global.pretrained_model={folder / 'best_model'}"]
    next_command.say("export", f"{next_command.call('export')} {shlex.join(words)}")
    return 0


def follow(config: "SweepConfig", make: Make, choose: Choose) -> Run:
    """Make the runs in their order; return the last one that counts: with all that was found, or the best one."""
    from ppcls.config import SearchStage

    def search(stage: SearchStage, before: Mapping[str, Any]) -> Run:
        runs = [planned(stage, value, before) for value in stage.search_values]
        best = choose(stage, [make(run) for run in runs])
        return planned(stage, best, before)

    def planned(stage: SearchStage, value: Any, before: Mapping[str, Any]) -> Run:
        name = re.sub(r"[^A-Za-z0-9-]+", "_", f"{stage.search_key}_{value}").strip("_")
        return Run(name, config.base_config_file, {**before, **dict.fromkeys(stage.replace_config, value)})

    last = Run("", config.base_config_file, {})
    for stage in config.search_dict:
        last = search(stage, last.settings)
    found, teacher = dict(last.settings), config.teacher
    if teacher.search_values:
        fitting = {key: value for key, value in found.items() if not any(part in key for part in teacher.rm_keys)}
        last = search(SearchStage(TEACHER, ("Arch.name",), teacher.search_values), fitting)
        best = last.settings["Arch.name"]
        weights = Path(config.output_dir, last.name, best, "best_model")
        found.update({"Arch.models.0.Teacher.name": best, "Arch.models.0.Teacher.pretrained": str(weights)})
    if config.distill_config_file is None:
        return last
    for old, new in (config.final_replace or {}).items():
        found = {key.replace(old, new): value for key, value in found.items()}
    last = Run(FINAL, config.distill_config_file, found)
    make(last)
    return last


class Sweep:
    """What was found so far, in `sweep.json`, by the names of the runs; a run that is there is not made again."""

    def __init__(self, config: "SweepConfig") -> None:
        self.config = config
        self.folder = Path(config.output_dir)
        self.file = self.folder / "sweep.json"
        self.table = PrettyTable(["stage", "value", "result", ""], align="l")
        try:
            self.done = json.loads(self.file.read_bytes()) if self.file.is_file() else {}
        except ValueError as error:
            raise CheckpointError(f"{self.file}: is damaged ({error}); remove it, then all runs come again") from error

    def folder_of(self, run: Run) -> Path:
        """Return where a run writes."""
        return self.folder / run.name / run.load().Arch.name

    def command(self, run: Run) -> list[str]:
        """Return the words of the command of a run."""
        call = shlex.split(next_command.call("train"))
        if self.config.gpus is not None:
            script = call[1:] if call[0] == "python" else call
            call = ["python", "-m", "paddle.distributed.launch", f"--gpus={self.config.gpus}", *script]
        options = [*run.options, f"Global.output_dir={self.folder / run.name}"]
        return [*call, "-c", run.file, *(word for option in options for word in ("-o", option))]

    def result(self, run: Run) -> Optional[float]:
        """Return the result of a run that was made. Raises CheckpointError if that was one with other settings."""
        entry = self.done.get(run.name) if run.is_decided else None
        if entry is None:
            return None
        if entry["settings"] != self._digest(run):
            raise CheckpointError(
                f"{self.file}: '{run.name}' was made with other settings, or of another {run.file}; take those again, "
                "or give another output_dir"
            )
        return float(entry["result"])

    def _digest(self, run: Run) -> str:
        """Return what tells other settings of a run, its ranks among them."""
        from ppcls.config import dump_config

        text = f"{str(self.config.gpus).count(',')}\n{dump_config(replace(run.load(), notes=()))}"
        return hashlib.sha256(text.encode()).hexdigest()

    def tell(self, run: Run) -> Optional[float]:
        """Print the command of a run that is to come."""
        known = self.result(run)
        if known is None:
            print(shlex.join(self.command(run)))
        return known

    def make(self, run: Run) -> float:
        """Make a run, unless it was made; return the best value of its first metric.

        Raises: TrainingError if it fails; what was found before it stays.
        """
        known = self.result(run)
        if known is not None:
            return known
        words = self.command(run)
        print(shlex.join(words), flush=True)
        status = _status([sys.executable, *words[1:]] if words[0] == "python" else words)
        if status != 0:
            raise TrainingError(
                f"sweep: the run in '{self.folder_of(run)}' has ended with status {status}; the same command of the "
                "sweep continues with it, or without it where its value was removed"
            )
        from ppcls.engine import checkpoints

        best = checkpoints.read(self.folder_of(run) / "latest").states["best_metric"]
        if best is None:
            raise TrainingError(f"sweep: a run of {run.file} makes no evaluation; set Global.eval_during_train to True")
        make_folder(self.folder, "output_dir")
        self.done[run.name] = {"settings": self._digest(run), "result": best}
        write_text(self.file, json.dumps(self.done, indent=2) + "\n")
        return float(best)

    def choose(self, stage: "SearchStage", results: Sequence[Optional[float]]) -> Any:
        """Return the best value of a stage, the first of equal ones, and put its runs into the table."""
        known = [result for result in results if result is not None]
        if len(known) < len(results):
            return Undecided(f"<best of {stage.search_key}>")
        best = known.index(self._better(known))
        for place, (value, result) in enumerate(zip(stage.search_values, known)):
            self.table.add_row([stage.search_key, value, f"{result:.5f}", "best" if place == best else ""])
        return stage.search_values[best]

    def _better(self, results: Sequence[float]) -> float:
        """Return the best one, by what the first metric of the run says."""
        from ppcls.config import load_config
        from ppcls.metrics import METRICS
        from ppcls.registry import Facts

        base = load_config(self.config.base_config_file)
        measured = [METRICS.build(part, Facts(class_num=base.class_num)) for part in base.Metric.Eval[:1]]
        way = next((way for metric in measured for way in metric.names.values()), "min")  # of the loss
        return max(results) if way == "max" else min(results)


def _status(words: Sequence[str]) -> int:
    """Run a command and return its exit status; Ctrl-C is its own, too, which may take a while."""
    child = subprocess.Popen(words)
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.wait()
        raise
