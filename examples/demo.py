"""From nothing to predictions: train, evaluate, export and predict handwritten digits. Run by `make demo`.

The images are scikit-learn's copy of the UCI optical digits (1797 scans of 8x8 pixels, public domain),
written out as PNG class folders. Every step is the command that a user would type.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

REPO = Path(__file__).resolve().parents[1]
DATA = Path("dataset/digits")
OUTPUT = Path("output/digits/ResNet18")
INFERENCE = OUTPUT / "inference"
SIDE_PX = 32


def write_images(folder: Path) -> None:
    """Write the digits as `folder/{train,val}/{0..9}/NUMBER.png`, one fifth of each class in val."""
    digits = load_digits()
    train, val = train_test_split(np.arange(len(digits.target)), test_size=0.2, stratify=digits.target, random_state=0)
    for split, indices in (("train", train), ("val", val)):
        for index in indices:
            image = (digits.images[index] * (255 / 16)).astype("uint8")
            image = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST)
            file = folder / split / str(digits.target[index]) / f"{index:04d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)


def run(*arguments: str) -> str:
    """Run a command as typed, show it and what it prints, and return what it printed."""
    print(f"\n$ python {' '.join(arguments)}", flush=True)
    lines = []
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=REPO) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(process.returncode)
    return "".join(lines)


def main() -> None:
    started = time.perf_counter()
    write_images(REPO / DATA)
    config = ("-c", "configs/digits.yaml")
    weights = ("-o", f"Global.pretrained_model={OUTPUT / 'best_model'}")
    run("tools/train.py", *config, "-o", "Global.overwrite=True")  # as a demo may be seen twice
    run("tools/eval.py", *config, *weights)
    run("tools/export_model.py", *config, *weights, "-o", f"Global.save_inference_dir={INFERENCE}")
    predict = ("deploy/python/predict_cls.py", "-c", "deploy/configs/inference_cls.yaml")
    model = ("-o", f"Global.inference_model_dir={INFERENCE}")
    run(*predict, *model, "-o", f"Global.infer_imgs={DATA / 'val' / '3'}", "-o", "PostProcess.Topk.topk=2")

    records = [json.loads(line) for line in (REPO / OUTPUT / "metrics.jsonl").read_text().splitlines()]
    top1 = max(record["top1"] for record in records if record["phase"] == "eval")
    ips = np.median([record["ips"] for record in records if record["phase"] == "train"])
    print(f"""
Held-back digits recognised: {top1:.2%} (top-1 of {len(list((REPO / DATA / "val").glob("*/*.png")))} images)
Training speed:              {ips:.0f} images/s on this CPU; the demo took {time.perf_counter() - started:.0f} s
The images:                {DATA}
Checkpoints, logs, config:   {OUTPUT}
The exported model:          {INFERENCE}

What to try next, with `source .venv/bin/activate`:
  python tools/infer.py -c configs/digits.yaml {" ".join(weights)} -o Infer.infer_imgs={DATA / "val" / "7"}
  python tools/train.py -c configs/ResNet18.yaml --check   # see docs/own_data.md for your own folder""")


if __name__ == "__main__":
    main()
