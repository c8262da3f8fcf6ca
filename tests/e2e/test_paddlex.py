"""PaddleX runs our exports, with the same answers. PPCLS_TEST_PADDLEX names a Python that has paddlex 3.7."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from scripts import Journey

from ppcls import Predictor

PYTHON = os.environ.get("PPCLS_TEST_PADDLEX")

PREDICT = """
import json, sys
from paddlex import create_model
model = create_model("ResNet18", model_dir=sys.argv[1], device="cpu")
for result in model.predict(sys.argv[2:]):
    names, scores = result["label_names"], [float(score) for score in result["scores"]]
    print("answer:", json.dumps([[int(id) for id in result["class_ids"].reshape(-1)], scores, names]))
"""


@pytest.mark.skipif(not PYTHON, reason="set PPCLS_TEST_PADDLEX to a Python that has paddlex 3.7")
def test_paddlex_gives_the_same_answers_with_our_export(journey: Journey, shapes: Path) -> None:
    assert PYTHON is not None
    model, images = journey.folder / "exported", sorted(map(str, shapes.glob("val/*/*")))[:6]
    environment = {**os.environ, "PYTHONPATH": "", "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True"}
    command = [PYTHON, "-c", PREDICT, str(model), *images]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("answer:")]
    predictions = Predictor(model).predict(images)
    assert len(lines) == len(predictions) == 6
    for line, prediction in zip(lines, predictions):
        class_ids, scores, names = json.loads(line.partition(": ")[2])
        ours = dict(zip(prediction.label_names, zip(prediction.class_ids, prediction.scores)))
        assert names[0] == prediction.label_names[0]
        # Of equal scores the one has the higher class first, the other the lower.
        for class_id, score, name in zip(class_ids, scores, names):
            assert ours[name] == (class_id, pytest.approx(score, abs=1e-4))
