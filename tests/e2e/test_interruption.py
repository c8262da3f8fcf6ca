"""Ctrl-C while a script trains: what it had done is kept, and it says how to resume."""

import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts import REPO, TRAIN, command

from ppcls.engine import checkpoints


def test_ctrl_c_tells_how_to_resume(write_shapes_yaml: Any, tmp_path: Path) -> None:
    config = write_shapes_yaml(tmp_path)
    options = ["Global.epochs=500", "Global.eval_interval=500", "DataLoader.Train.loader.num_workers=2"]
    with subprocess.Popen(
        command(TRAIN, config, *options), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if "[Train][Epoch 2/500]" in line:
                process.send_signal(signal.SIGINT)
                break
        rest, errors = process.stdout.read(), process.stderr.read()
    assert (process.returncode, errors) == (130, "interrupted\n")
    hint = rest.splitlines()[-1].partition("INFO: to resume: python ")[2]
    latest = tmp_path / "output/ResNet18/latest"
    assert (tmp_path / shlex.split(hint)[0]).resolve() == REPO / TRAIN
    assert shlex.split(hint)[-2:] == ["-o", f"Global.checkpoints={latest}"]
    assert checkpoints.read(latest).states["epoch"] >= 1
    resumed = subprocess.run(
        [sys.executable, *shlex.split(hint), "-o", "Global.early_stop=2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert f"resuming from '{latest}': epoch " in resumed.stdout
