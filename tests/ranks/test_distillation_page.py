"""docs/distillation.md as it stands there, and what it says of the numbers of ranks."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launches import REPO
from test_pages import OURS


@pytest.mark.slow
def test_the_page_runs_as_written_and_two_ranks_evaluate_like_one(environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the pictures are scikit-learn's")
    section = (REPO / "docs/distillation.md").read_text(encoding="utf-8").partition("\n## Try it")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    shutil.copytree(REPO, tmp_path / "repo", ignore=OURS)
    variables = {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "PYTHONPATH": ""}
    done = subprocess.run(
        ["bash", "-e", "-c", block], cwd=tmp_path / "repo", env=variables, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = re.findall(r"\[Eval\]\[Epoch 0\]\[Avg\](.*)", done.stdout + done.stderr)
    (loss, *accuracies), (other, *others) = (re.findall(r"[\d.]+(?=,|$)", line) for line in (one, two))
    assert accuracies == others and float(loss) == pytest.approx(float(other), abs=2e-5)
    sizes = [
        (tmp_path / "repo/output" / name).stat().st_size
        for name in ("digits/ResNet18/best_model.pdparams", "student/inference.pdiparams")
    ]
    assert sizes[1] < sizes[0] / 10
