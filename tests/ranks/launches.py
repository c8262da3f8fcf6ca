"""A small training, and commands that run in the background while a test looks at them or ends them."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, Optional

REPO = Path(__file__).resolve().parents[2]
LAUNCHER = str(REPO / "run_scripts/run_paddle_resnet.py")
PADDLE_LAUNCHER = "paddle.distributed.launch"
# ResNet18 at 32 pixels: a step takes a fraction of a second on one core.
SMALL_CONFIG = """
_base_: {repo}/configs/ResNet18.yaml
Global: {{device: cpu, image_shape: [3, 32, 32], print_batch_step: 1}}
Arch: {{class_num: 10}}
Optimizer: {{lr: {{name: Constant, learning_rate: 0.01}}}}
DataLoader:
  Train:
    dataset:
      image_root: {images}/train
      cls_label_path: null
      transform_ops: [DecodeImage, {{RandCropImage: {{size: 32}}}}, NormalizeImage, ToCHWImage]
    sampler: {{batch_size: 8}}
    loader: {{num_workers: 0}}
  Eval:
    dataset:
      image_root: {images}/val
      cls_label_path: null
      transform_ops: [DecodeImage, {{ResizeImage: {{size: 32}}}}, NormalizeImage, ToCHWImage]
    sampler: {{batch_size: 8}}
    loader: {{num_workers: 0}}
Infer: {{PostProcess: {{topk: 2, class_id_map_file: null}}}}
"""
# The same sizes by the options of the launcher.
SMALL = (
    *("-o", "DataLoader.Train.dataset.transform_ops.1.RandCropImage.size=32"),
    *("-o", "DataLoader.Eval.dataset.transform_ops=[DecodeImage, {ResizeImage: {size: 32}}, NormalizeImage]"),
    *("-o", "Global.print_batch_step=1"),
)


class Run:
    """The launcher with its output; `rank` finds the processes that it has started."""

    def __init__(self, folder: Path, environment: dict[str, str], words: Sequence[str]) -> None:
        self.folder = folder
        self.output = folder / f"printed_{time.monotonic_ns()}.txt"
        with self.output.open("w") as file:
            self.process = subprocess.Popen(words, cwd=folder, env=environment, stdout=file, stderr=file)

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Return as soon as `text` was printed."""
        deadline = time.monotonic() + seconds
        while text not in self.printed():
            assert self.process.poll() is None, f"ended without '{text}':\n{self.printed()}"
            assert time.monotonic() < deadline, f"no '{text}' in {seconds} s:\n{self.printed()}"
            time.sleep(0.1)

    def wait(self, seconds: float = 120) -> int:
        """Return the exit status."""
        return self.process.wait(seconds)

    def processes(self) -> list[int]:
        """Return the ids of all processes that work in the folder of this run."""
        return [int(place.name) for place in Path("/proc").glob("[0-9]*") if _folder(place) == self.folder.resolve()]

    def ranks(self) -> dict[int, int]:
        """Return rank -> process id of the ranks that are alive."""
        found = {}
        for process in self.processes():
            try:
                words = Path(f"/proc/{process}/cmdline").read_bytes()
                variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            except OSError:  # it has just ended
                continue
            rank = [variable for variable in variables if variable.startswith(b"PADDLE_TRAINER_ID=")]
            if rank and b".py" in words:
                found[int(rank[0].partition(b"=")[2])] = process
        return found


def _folder(process: Path) -> Optional[Path]:
    try:
        return (process / "cwd").readlink()
    except OSError:  # it has just ended, or belongs to somebody else
        return None


Launch = Callable[..., Run]
