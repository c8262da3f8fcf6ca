"""Weights that Paddle trained, for the turn of a page: their logits, and drawn pages through export and prediction."""

import re
from pathlib import Path

import cv2
import numpy as np
import paddle
from scripts import EXPORT, PREDICT, REPO, run

import ppcls

WEIGHTS = "weights/PPLCNet_x1_0-doc_orientation.safetensors"
TURNS = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
WORDS = "the quick brown fox jumps over a lazy dog while five boxing wizards look on from their quiet harbour".split()


def draw_page(seed: int) -> np.ndarray:
    """Return a white page of 25 lines of text."""
    generator = np.random.default_rng(seed)
    page = np.full((1000, 750, 3), 255, np.uint8)
    for line in range(25):
        text = " ".join(generator.choice(WORDS, 7))
        cv2.putText(page, text, (60, 70 + 36 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2, cv2.LINE_AA)
    return page


def test_the_logits_are_those_of_the_reference(shared: Path) -> None:
    model = ppcls.create_model("PPLCNet_x1_0", class_num=4, pretrained=str(shared / WEIGHTS))
    model.eval()
    images = np.random.default_rng(0).standard_normal((2, 3, 224, 224)).astype("float32")
    with paddle.no_grad():
        logits = model(paddle.to_tensor(images))
    expected = [[0.1278685, 0.2141878, 0.1156431, -0.4513950], [0.1101359, 0.1108494, 0.0351150, -0.2526136]]
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_every_drawn_page_is_found_to_be_turned_as_it_was(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    for seed in range(5):
        for turn, rotation in enumerate(TURNS):
            page = draw_page(seed)
            turned = page if rotation is None else cv2.rotate(page, rotation)
            cv2.imwrite(str(tmp_path / f"pages/{seed}_{turn}.png"), turned)
    exported = run(
        tmp_path,
        EXPORT,
        str(REPO / "configs/PPLCNet_x1_0.yaml"),
        "Arch.class_num=4",
        f"Global.pretrained_model={shared / WEIGHTS}",
        "Global.device=cpu",
        "Infer.PostProcess={name: Topk, topk: 1, class_id_map_file: null}",
    )
    assert exported.returncode == 0, exported.stderr
    deploy = str(REPO / "deploy/configs/inference_cls.yaml")
    predicted = run(tmp_path, PREDICT, deploy, "Global.inference_model_dir=inference", "Global.infer_imgs=pages")
    assert predicted.returncode == 0, predicted.stderr
    found = re.findall(r"^\d_(\d)\.png:\tclass id\(s\): \[(\d)", predicted.stdout, re.MULTILINE)
    assert len(found) == 20 and all(turn == answer for turn, answer in found), predicted.stdout
