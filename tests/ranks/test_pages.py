"""What docs/ tells to try by hand runs as it stands there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launches import REPO

OURS = shutil.ignore_patterns(".git", ".venv*", "output", "dataset", "build", "__pycache__", ".*_cache")


@pytest.mark.parametrize("page", ["distributed.md", "sdaa.md"])
def test_the_commands_to_try_without_a_card_run_as_written(
    page: str, environment: dict[str, str], tmp_path: Path
) -> None:
    if page == "sdaa.md" and shutil.which("g++") is None:
        pytest.skip("no g++ here to build the simulated device with")
    pytest.importorskip("sklearn", reason="the images are scikit-learn's")
    section = (REPO / "docs" / page).read_text(encoding="utf-8").partition("\n## Try it")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    shutil.copytree(REPO, tmp_path / "repo", ignore=OURS)
    variables = {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "PYTHONPATH": ""}
    done = subprocess.run(
        ["bash", "-e", "-c", block], cwd=tmp_path / "repo", env=variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("experiment ended") == block.count("python run_paddle_resnet.py")
