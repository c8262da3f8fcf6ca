"""The page about a run, and about an export."""

import csv
import json
import re
import shutil
from pathlib import Path

import browser
import pytest
from scripts import TRANSFORMS, Journey

from ppcls.cli import main
from ppcls.engine import checkpoints
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor
from ppcls.serve.answers import Predicted


def test_a_training_ends_with_a_report_of_what_it_held_out(journey: Journey) -> None:
    folder = journey.folder / "output/ResNet18"
    assert f"to see how good it is: open {folder}/report.html" in journey.train.stdout
    report = json.loads((folder / "report/report.json").read_text())
    evaluated = [line for line in report["history"] if line["phase"] == "eval"]
    assert report["metrics"]["accuracy"] == pytest.approx(max(line["top1"] for line in evaluated))
    assert report["num_images"] == 13 and [row["name"] for row in report["classes"]] == ["blue", "green", "red"]
    assert report["made"]["data"]["DataLoader.Train.dataset"]["num_images"] == 26
    rows = list(csv.DictReader((folder / "report/predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 13
    assert sum(int(row["right"]) for row in rows) / 13 == pytest.approx(report["metrics"]["accuracy"])


def lists(shapes: Path, folder: Path) -> list[str]:
    """Write lists of the images, whose labels are the last of 3001 classes; return the options that read them."""
    options = ["Arch.class_num=3001"]
    for split, section in (("train", "Train"), ("val", "Eval")):
        files = sorted((shapes / split).rglob("*.png"))
        labels = {"blue": 0, "green": 1, "red": 3000}
        lines = [f"{file.relative_to(shapes)} {labels[file.parent.name]}\n" for file in files]
        (folder / f"{split}.txt").write_text("".join(lines))
        data = f"DataLoader.{section}.dataset"
        options += [f"{data}.name=ImageNetDataset", f"{data}.image_root={shapes}"]
        options += [f"{data}.cls_label_path={folder}/{split}.txt"]
    return options


def test_thousands_of_classes_and_a_last_batch_that_is_dropped_are_no_end_of_a_report(
    shapes_yaml: str, shapes: Path, tmp_path: Path
) -> None:
    options = ["Global.epochs=1", "DataLoader.Train.sampler.drop_last=True", *lists(shapes, tmp_path)]
    assert main(["train", "-c", shapes_yaml, *(word for one in options for word in ("-o", one))]) == 0
    folder = tmp_path / "output/ResNet18"
    assert (folder / "report.html").is_file()
    report = json.loads((folder / "report/report.json").read_text())
    assert report["num_images"] == 13 and report["confusion"] is None
    assert sum(pair["num_images"] for pair in report["confused"]) == round(13 * (1 - report["metrics"]["accuracy"]))
    written = sorted(file.name for file in (folder / "report").iterdir())
    assert written == ["classes.csv", "predictions.csv", "report.json", "suspects.csv"]


FEATURES = (
    "{name: RecModel, Backbone: {name: ResNet18}, BackboneStopLayer: {name: flatten}, "
    "Neck: {name: FC, embedding_size: 512, class_num: 16}, Head: {name: FC, embedding_size: 16, class_num: 3}}"
)


@pytest.mark.parametrize(
    "options",
    [
        [f"Arch={FEATURES}"],
        [
            f"Arch={{name: DistillationModel, models: [Student: {FEATURES}]}}",
            "Loss.Train=[DistillationGTCELoss: {model_names: [Student], key: logits}]",
        ],
    ],
    ids=["alone", "taught"],
)
def test_a_model_of_features_has_no_report_and_its_training_does_not_miss_it(
    shapes_yaml: str, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for one in ("Global.epochs=1", *options) for word in ("-o", one)]
    assert main(["train", "-c", shapes_yaml, *words]) == 0
    assert "report" not in capsys.readouterr().out
    (folder,) = (tmp_path / "output").iterdir()
    assert not (folder / "report.html").exists()
    assert main(["report", str(folder)]) == 2
    assert "RecModel gives features, not scores of classes" in capsys.readouterr().err


def test_the_same_run_gives_the_same_bytes(
    journey: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(journey.folder)
    assert main(["report", "output/ResNet18", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith(f"{tmp_path}/report.html\n")
    written = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert len(written) == 6
    for file, content in written.items():
        assert (journey.folder / "output/ResNet18" / file.relative_to(tmp_path)).read_bytes() == content, file


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_and_loads_nothing_else(journey: Journey, tmp_path: Path, width: int) -> None:
    with browser.page(tmp_path / "profile") as page:
        address = (journey.folder / "output/ResNet18/report.html").as_uri()
        page.open(address, width=width, height=900, dark=width == 400)
        assert page.value("document.documentElement.scrollWidth") <= width
        assert page.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.value("document.querySelectorAll('svg').length") >= 3
        assert {url for url in page.requested if not url.startswith("data:")} == {address}
        page.screenshot(tmp_path / "report.png")


def test_an_export_is_reported_on_with_images_of_ones_own(
    journey: Journey, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = str(journey.folder / "exported")
    assert main(["report", exported, "--out", str(tmp_path)]) == 2
    assert "--data: an export comes without images" in capsys.readouterr().err
    assert main(["report", exported, "--data", str(shapes / "val"), "--out", str(tmp_path)]) == 0
    theirs = json.loads((journey.folder / "output/ResNet18/report/report.json").read_text())
    ours = json.loads((tmp_path / "report/report.json").read_text())
    assert ours["confusion"] == theirs["confusion"]
    other = tmp_path / "other"
    shutil.copytree(shapes / "val/red", other / "purple")
    assert main(["report", exported, "--data", str(other), "--out", str(tmp_path)]) == 2
    assert "has classes that the model doesn't know; received purple; it knows blue, green, red" in (
        capsys.readouterr().err
    )


def test_ticked_suspects_become_corrected_lists(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted((shapes / "train/red").iterdir())[:2]
    corrections = tmp_path / "corrections.csv"
    corrections.write_text(f'path,label,new_label\n"{images[0]}","red","blue"\n{images[1]},red,\n')
    assert main(["data", "relabel", str(shapes), str(corrections), "--out", str(tmp_path / "lists")]) == 0
    assert f"below {shapes}, which is the image_root" in capsys.readouterr().out
    assert (tmp_path / "lists/labels.txt").read_text() == "0 blue\n1 green\n2 red\n"
    lines = (tmp_path / "lists/train_list.txt").read_text().splitlines()
    assert len(lines) == 25 and f"train/red/{images[0].name} 0" in lines
    assert not any(line.startswith(f"train/red/{images[1].name}") for line in lines)
    for row, problem in (
        (f"{images[0]},green,blue", "has the label 'red' now; received 'green'"),
        (f"{images[0]},red,purple", "there is no class 'purple'"),
        ("elsewhere.png,red,blue", "is of no image here"),
    ):
        corrections.write_text(f"path,label,new_label\n{row}\n")
        assert main(["data", "relabel", str(shapes), str(corrections), "--out", str(tmp_path / "other")]) == 2
        assert problem in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_calibrated_export_says_how_sure_it_is(
    journey: Journey, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(journey.folder)
    options = [Journey.best, TRANSFORMS, f"Global.save_inference_dir={tmp_path / 'honest'}"]
    words = ["export", "-c", Journey.config, "--calibrate", *(word for one in options for word in ("-o", one))]
    assert main(words) == 2
    assert "calibrate: needs 20 labelled images or more; received 13" in capsys.readouterr().err
    assert main([*words, "-o", f"DataLoader.Eval.dataset.image_root={shapes / 'train'}"]) == 0
    predictor, plain = Predictor(tmp_path / "honest"), Predictor(journey.folder / "exported")
    fitted = predictor.artifact.calibration
    assert fitted is not None and fitted.images == 26
    assert artifact.parse_text(artifact.text(predictor.artifact), "onnx").calibration == fitted
    for path in sorted(map(str, (shapes / "val").rglob("*.png"))):
        ((honest,), (sure,)) = (one.predict(path, topk=3) for one in (predictor, plain))
        assert sure.doubt is None and "doubt" not in sure.to_dict()
        assert honest.class_ids == sure.class_ids and sum(honest.scores) == pytest.approx(1)
        assert honest.doubt is not None
        assert honest.doubt.class_ids == honest.class_ids[: len(honest.doubt.class_ids)] != []
        assert honest.doubt.none_of_these == (honest.scores[0] < fitted.reject_below)
        assert "none of these: " in honest.line("x") and "none of these" not in sure.line("x")
        assert Predicted(name="x", **honest.to_dict()).doubt is not None


def test_a_run_and_its_export_are_compared(
    journey: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(journey.folder)
    assert main(["compare", "output/ResNet18", "exported", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "0 images become right, 0 become wrong; McNemar's exact p = 1\n" in printed
    assert "what it is: a run -> an export, with nothing of its training" in printed
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "neither is shown to be better" in page and "http" not in page


def test_a_run_is_made_again_bit_for_bit(
    journey: Journey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(journey.folder)
    before = sorted(journey.folder.rglob("*"))
    assert main(["replay", "output"]) == 0  # that of its one run
    assert "equal, bit for bit" in capsys.readouterr().out
    assert sorted(journey.folder.rglob("*")) == before


def test_a_replay_names_the_package_the_file_the_step_and_the_tensor(
    journey: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(journey.folder)
    run = Path(shutil.copytree(journey.folder / "output/ResNet18", tmp_path / "ResNet18"))
    made = json.loads((run / "run.json").read_text())
    made["packages"]["numpy"] = "0.1"
    data = made["data"]["DataLoader.Train.dataset"]
    data["images"][3], data["sha256"] = "other", "other"
    (run / "run.json").write_text(json.dumps(made))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    changed = json.loads(lines[1])
    lines[1] = json.dumps({**changed, "loss": 9.0})
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    latest = checkpoints.read(run / "latest")
    weights = {name: values + (name == "fc.bias") for name, values in latest.weights.items()}
    checkpoints.write(run / "latest", checkpoints.Checkpoint(weights, latest.optimizer, latest.states))
    capsys.readouterr()
    assert main(["replay", str(run)]) == 1
    printed = capsys.readouterr().out
    assert "packages: numpy was 0.1 and is" in printed
    assert re.search(r"files: \S+\.png is the first of 1 that were changed", printed)
    assert f"steps: loss of {changed['phase']} at step {changed['step']} was 9.0 and is {changed['loss']}\n" in printed
    assert "tensors: weights fc.bias is the first that differs, by up to 1\n" in printed
    assert "not equal: packages: numpy was 0.1" in printed
