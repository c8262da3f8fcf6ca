"""From a folder of images to a model, in Python and by the command."""

import contextlib
import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppcls
from ppcls import pdparams
from ppcls.api import instant
from ppcls.cli import main
from ppcls.config import load_config
from ppcls.engine.clock import Timing
from ppcls.errors import CheckpointError, ConfigError, DataError, UserError

REPO = Path(__file__).resolve().parents[3]

# Small and from scratch: what matters here is not how good it becomes.
QUICK: dict[str, Any] = {
    "model": "Small",
    "size": 32,
    "epochs": 2,
    "override": {"Arch.pretrained": False, "Global.cpu_ops": "stock", "Global.device": "cpu"},
}


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> ppcls.Run:
    """A run on `shapes`, never stopped."""
    return ppcls.train(shapes, output=tmp_path_factory.mktemp("output"), **QUICK)


def weights(folder: Path) -> dict[str, np.ndarray]:
    return pdparams.read(folder / "Small" / "latest.pdparams")


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_run_has_a_model_that_is_evaluated_and_exported(run: ppcls.Run, shapes: Path) -> None:
    assert not run.stopped and run.model and run.evaluation
    assert run.evaluation.metrics["accuracy"] == pytest.approx(run.results["top1"])
    assert len(run.evaluation.paths) == 13
    images = sorted((shapes / "val" / "red").iterdir())
    ours, exported = run.model.predict(images), ppcls.Predictor(run.inference).predict(images)
    assert [one.label_names[0] for one in ours] == [one.label_names[0] for one in exported]
    np.testing.assert_allclose([one.scores for one in ours], [one.scores for one in exported], rtol=1e-4, atol=1e-5)
    assert "blue" in run._repr_html_()


def test_a_run_ends_with_its_report_and_any_evaluation_has_one(run: ppcls.Run, shapes: Path, tmp_path: Path) -> None:
    assert run.report == run.folder / "report.html" and f"how good it is:  {run.report}" in run.summary()
    assert "Copies and leaks" in run.report.read_text()
    assert run.model
    for name, other in (("red", "blue"), ("blue", "red")):
        (tmp_path / "swapped" / name).mkdir(parents=True)
        (tmp_path / "swapped" / name / "0.png").symlink_to(shapes / "val" / other / "0.png")
    page = run.model.evaluate(str(tmp_path / "swapped")).to_html(tmp_path / "shapes.html").read_text()
    assert "Worst errors" in page and "<img" in page and "no image" not in page
    with pytest.raises(DataError, match="received an Evaluation without"):
        ppcls.Evaluation(["a"], np.array([0]), np.ones((1, 1), np.float32), ["x"]).to_html(tmp_path / "none.html")


def test_a_model_shows_where_it_found_what_it_says(run: ppcls.Run, shapes: Path) -> None:
    assert run.model
    shown = run.model.explain(shapes / "val" / "red" / "0.png")
    assert (shown.shape, shown.dtype) == ((32, 32, 3), np.uint8) and np.ptp(shown) > 0


def test_the_better_one_of_the_instant_and_the_trained_model_is_kept(run: ppcls.Run) -> None:
    before, kept = ppcls.load(run.folder / "instant").results, ppcls.load(run.folder).results
    trained = pdparams.read(run.folder / "Small" / "best_model.pdstates")["best_metric"]
    assert kept["top1"] == max(before["top1"], trained)
    log = (run.folder / "Small" / "train.log").read_text()
    assert ("the trained model is kept" in log) == (trained > before["top1"])


def test_the_yaml_of_a_run_gives_the_same_bits(run: ppcls.Run, tmp_path: Path) -> None:
    assert main(["train", "-c", str(run.folder / "config.yaml"), "-o", f"Global.output_dir={tmp_path}"]) == 0
    assert_equal(weights(tmp_path), weights(run.folder))


def test_a_stopped_run_is_resumed_by_the_same_call(run: ppcls.Run, shapes: Path, tmp_path: Path) -> None:
    seen: list[Any] = []

    def listen(event: Any) -> Any:
        seen.append(event)
        return ppcls.Stop if isinstance(event, ppcls.Evaluated) and event.epoch == 1 else None

    first = ppcls.train(shapes, output=tmp_path, on_event=listen, **QUICK)
    assert first.stopped and first.model is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen[0].step = 7
    with pytest.raises(TypeError):
        seen[0].values["loss"] = 7
    second = ppcls.train(shapes, output=tmp_path, on_event=seen.append, **QUICK)
    assert second.folder == first.folder and not second.stopped
    assert {event.epoch for event in seen if isinstance(event, ppcls.Trained)} == {1, 2}
    assert_equal(weights(second.folder), weights(run.folder))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": None, "minutes": 0.0001}, "too short to train anything here"),
        ({"override": {"Global.pretrained_model": "nowhere"}}, "nowhere: no weights there"),
    ],
)
def test_a_mistake_that_ends_a_run_leaves_nothing_behind(
    shapes: Path, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        ppcls.train(shapes, output=tmp_path, **{**QUICK, **wrong})
    assert not list(tmp_path.iterdir())


def test_where_no_instant_model_tells_how_long_the_end_takes_it_is_tried(run: ppcls.Run, tmp_path: Path) -> None:
    config = run.folder / "config.yaml"
    tried = instant.timing(tmp_path, load_config(str(config), ["Global.minutes=1"]), 5.0)
    assert tried.started == 5.0 and tried.reserve_seconds > tried.eval_seconds > 0
    assert instant.timing(tmp_path, load_config(str(config)), 5.0) == Timing(5.0)
    assert not list(tmp_path.iterdir())


def test_a_model_goes_to_a_folder_and_comes_back(run: ppcls.Run, shapes: Path, tmp_path: Path) -> None:
    model = ppcls.load(run.folder)
    assert list(model.class_names) == ["blue", "green", "red"]
    features = model.embed(shapes / "val" / "red")
    assert features.shape == (5, model.network.num_features)
    again = ppcls.load(model.save(tmp_path / "kept"))
    np.testing.assert_array_equal(again.embed(shapes / "val" / "red"), features)
    assert again.results == model.results
    assert model.evaluate(str(shapes)).metrics == model.evaluate().metrics


def test_images_of_several_classes_are_trained_on_and_reported(shapes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    shutil.copytree(shapes / "train", folder)
    images = sorted(folder.rglob("*.png"))
    rows = [
        (path.relative_to(folder), int(path.parent.name != "blue"), int(path.parent.name != "red")) for path in images
    ]
    (folder / "table.csv").write_text("image,warm,cold\n" + "".join(f"{path},{a},{b}\n" for path, a, b in rows))
    (folder / "turned.csv").write_text("image,cold,warm\n" + "".join(f"{path},{b},{a}\n" for path, a, b in rows))
    (folder / "list.txt").write_text("".join(f"{path}\t{a},{b}\n" for path, a, b in rows))
    run = ppcls.train(folder / "table.csv", labels="multi", output=tmp_path / "output", **QUICK)
    assert run.model and run.evaluation and run.report and 0 < run.results["mAP"] <= 1
    assert [row.name for row in run.evaluation.per_class] == list(run.model.class_names) == ["warm", "cold"]
    assert "warm" in run.report.read_text()
    ours, exported = run.model.predict(images[:3]), ppcls.Predictor(run.inference).predict(images[:3])
    assert [one.label_names for one in ours] == [one.label_names for one in exported]
    found = [run.model.evaluate(str(folder / name)) for name in ("table.csv", "turned.csv", "list.txt")]
    for one in found:
        assert one.labels.tolist() == [[a, b] for _, a, b in rows] and one.metrics == found[0].metrics


def test_a_class_that_joins_and_leaves_again_leaves_no_trace(run: ppcls.Run, shapes: Path, tmp_path: Path) -> None:
    images = [shapes / "val" / "red" / "0.png", shapes / "val" / "blue" / "0.png"]
    model = ppcls.load(run.folder)
    model.remove_class("green")
    two = model.embed(images) @ model.network.get_head().weight.numpy() + model.network.get_head().bias.numpy()
    assert list(model.class_names) == ["blue", "red"] and two.shape == (2, 2)
    model.add_class("violet", shapes / "val" / "green")
    assert [one.label_names[0] in model.class_names for one in model.predict(images)] == [True, True]
    exported = ppcls.Predictor(model.export(tmp_path / "exported"))
    assert exported.predict(images)[0].label_names == model.predict(images)[0].label_names
    model.save(tmp_path / "kept")
    again = ppcls.load(tmp_path / "kept")
    assert list(again.class_names) == ["blue", "red", "violet"]
    again.remove_class("violet")
    logits = again.embed(images) @ again.network.get_head().weight.numpy() + again.network.get_head().bias.numpy()
    np.testing.assert_allclose(logits, two, atol=1e-5)
    with pytest.raises(ConfigError, match="can't be removed; received 'red'"):
        again.remove_class("red")


def test_images_of_classes_that_a_model_does_not_know_are_refused(run: ppcls.Run, tmp_path: Path, shapes: Path) -> None:
    (tmp_path / "other").mkdir()
    for name, new in (("red", "red"), ("blue", "violet")):
        (tmp_path / "other" / new).symlink_to(shapes / "val" / name)
    with pytest.raises(DataError, match="doesn't know; received violet"):
        ppcls.load(run.folder).evaluate(str(tmp_path / "other"))
    with pytest.raises(CheckpointError, match="is an export, which predicts alone"):
        ppcls.load(run.inference)
    with pytest.raises(CheckpointError, match="did you mean 'ResNet18'"):
        ppcls.load("Resnet81")


def test_the_transforms_of_a_model_are_those_of_its_evaluation(run: ppcls.Run, shapes: Path) -> None:
    image = next((shapes / "val" / "red").iterdir())
    assert run.model
    prepared = ppcls.transforms_of(run.model)(image)
    assert prepared.shape == (3, 32, 32) and prepared.dtype == np.float32
    assert "ResizeImage(resize_short=256)" in repr(ppcls.transforms_of(ppcls.create_model("Small")))


def test_the_command_prints_the_yaml_or_trains_by_it(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train",
        str(shapes),
        "--model",
        "Small",
        "--epochs",
        "1",
        "--size",
        "32",
        "--output",
        str(tmp_path),
    ]
    words += ["-o", "Arch.pretrained=False", "-o", "Global.cpu_ops=stock", "-o", "Optimizer.lr.learning_rate=0.02"]
    assert main([*words, "--dry"]) == 0
    shown = capsys.readouterr().out
    assert "learning_rate: 0.02" in shown and not list(tmp_path.iterdir())
    assert main(words) == 0
    (folder,) = tmp_path.iterdir()
    assert shown == (folder / "config.yaml").read_text()
    assert f"ppcls predict IMAGES --model {folder}/inference" in capsys.readouterr().out
    assert main(["train", str(shapes), "--check"]) == 2
    assert main(["train", "-c", str(folder / "config.yaml"), "--epochs", "3"]) == 2


def test_the_commands_add_and_remove_change_the_folder_its_export_and_its_report(
    run: ppcls.Run, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / run.folder.name
    shutil.copytree(run.folder, folder)
    page, classes = folder / "report.html", folder / "report" / "classes.csv"
    assert main(["add", str(folder), "violet", str(shapes / "val" / "blue"), str(shapes / "val" / "red")]) == 0
    shown = capsys.readouterr().out
    assert "9 images of 'violet'; 4 classes: blue, green, red, violet" in shown and f"how good it is: {page}" in shown
    assert ppcls.Predictor(folder / "inference").class_num == 4
    assert "not measured: violet" in page.read_text() and "\nviolet,0," in classes.read_text()
    assert main(["remove", str(folder), "blue"]) == 0
    model = ppcls.load(folder)
    assert list(model.class_names) == ["green", "red", "violet"]
    evaluation = model.evaluate()  # blue was label 0 of the run's lists: those of the others must mean the same still
    assert [Path(path).parent.name for path in evaluation.paths] == ["green"] * 4 + ["red"] * 5
    assert [evaluation.class_names[label] for label in evaluation.labels] == ["green"] * 4 + ["red"] * 5
    assert classes.read_text().splitlines()[1].startswith("green,4,")
    assert main(["remove", str(folder), "blue"]) == 2
    assert "class: there is no 'blue'; the model has green, red, violet" in capsys.readouterr().err
    assert main(["add", str(folder), "red", str(tmp_path / "none.png")]) == 2
    with pytest.raises(CheckpointError, match="added or removed since its training, which would be undone"):
        ppcls.train(shapes, output=tmp_path, **QUICK)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(shapes), str(tmp_path / "gone")))
    capsys.readouterr()
    assert main(["add", str(folder), "red", str(shapes / "val" / "red")]) == 0
    assert "the report of the model before is removed" in capsys.readouterr().out
    assert not page.exists() and not classes.parent.exists()


def test_a_class_whose_export_fails_leaves_all_as_it_was(
    run: ppcls.Run, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(engine: Any) -> Path:
        raise CheckpointError("the disk is full")

    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    monkeypatch.setattr("ppcls.api.model.export", fail)
    assert main(["add", str(folder), "violet", str(shapes / "val" / "blue")]) == 2
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("done", range(4))
def test_a_model_killed_while_it_is_replaced_is_no_mix_of_two(
    run: ppcls.Run, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    model = ppcls.load(folder)
    model.add_class("violet", shapes / "val" / "blue")
    move, moved = os.replace, []

    def killed(source: Path, target: Path) -> None:
        if Path(target).parent == folder:  # else it is written into the temporary folder
            if len(moved) == done:
                raise KeyboardInterrupt
            moved.append(target)
        move(source, target)

    monkeypatch.setattr("ppcls.files.os.replace", killed)
    with contextlib.suppress(KeyboardInterrupt):
        model.save(folder)
    assert len(moved) == min(done, 3)
    monkeypatch.undo()
    (folder / ".ppcls-tmp-killed").mkdir()  # as SIGKILL leaves it
    if done in (0, 3):
        ppcls.load(folder).save(folder)
        assert not list(folder.glob(".ppcls-tmp-*"))
        assert ("violet" in ppcls.load(folder).class_names) == (done == 3)
    else:
        with pytest.raises(CheckpointError, match="its checksum does not fit"):
            ppcls.load(folder)


def test_a_check_says_what_is_wrong(shapes: Path, tmp_path: Path) -> None:
    found = ppcls.check(shapes)
    assert found.num_errors == 0
    assert "train" in repr(found) and repr(found).splitlines()[0] in found._repr_html_()


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((REPO / "examples" / "quickstart.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        exec(compile(cell.replace("PPLCNet_x0_25", "Small"), f"cell {number}", "exec"), names)
    assert {type(event) for event in names["seen"]} == {ppcls.Trained, ppcls.Evaluated}
    assert len(names["model"].class_names) == 4
