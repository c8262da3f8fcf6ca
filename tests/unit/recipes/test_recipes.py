"""From images and options to the YAML of a run."""

import re
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from ppcls.config import load_config
from ppcls.errors import ConfigError, DataError
from ppcls.recipes import data, recipe
from ppcls.recipes.choice import Machine
from ppcls.recipes.options import Options

CPU = Machine("cpu", 2)
SCRATCH = ("Arch.pretrained=False",)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `flowers` with two class folders of 10 images, of which `rose/copy0` to `copy3` look like `rose/0`."""
    folder = tmp_path_factory.mktemp("data") / "flowers"
    rng = np.random.default_rng(0)
    for name in ("daisy", "rose"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            coarse = rng.integers(0, 256, (5, 6, 3), dtype="uint8")
            image = cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / name / f"{number}.png"), image)
    first = cv2.imread(str(folder / "rose" / "0.png"))
    for number in range(4):
        cv2.imwrite(str(folder / "rose" / f"copy{number}.jpg"), first, [cv2.IMWRITE_JPEG_QUALITY, 80 + number])
    return folder


def planned(source: Path, **options: object) -> recipe.Recipe:
    return recipe.plan(str(source), Options(**{"override": SCRATCH, **options}), CPU)  # type: ignore[arg-type]


def test_images_that_look_alike_are_on_one_side(flowers: Path) -> None:
    found = data.find(str(flowers), None, 0)
    alike = [{path in dict(lines) for path in ("rose/0.png", "rose/copy0.jpg")} for lines in found.lines.values()]
    assert alike in ([{True}, {False}], [{False}, {True}])
    held_out = [label for _, label in found.lines["val"]]
    assert set(held_out) == {"0", "1"}
    assert found.class_names == ["daisy", "rose"]
    assert found.num_train + len(held_out) == 24


def test_the_split_of_the_source_is_kept(shapes: Path) -> None:
    found = data.find(str(shapes), None, 0)
    assert {name: len(lines) for name, lines in found.lines.items()} == {"train": 26, "val": 13}
    assert found.lines["val"][0] == ("val/blue/0.png", "0")


def test_the_yaml_says_what_was_chosen_and_loads(flowers: Path, tmp_path: Path) -> None:
    folder = recipe.write(planned(flowers, epochs=3, patience=2, freeze="backbone"), tmp_path)
    assert folder == tmp_path / "flowers"
    config = load_config(str(folder / "config.yaml"))
    assert (config.Global.epochs, config.Global.patience, config.class_num) == (3, 2, 2)
    assert config.Global.image_shape == (3, 64, 64)  # of 48 px
    frozen = config.Optimizer.param_groups[0]
    assert frozen.has("conv1.weight") and not frozen.has("fc.weight")
    assert "from scratch" in (folder / "config.yaml").read_text()
    assert (folder / "labels.txt").read_text() == "0 daisy\n1 rose\n"


def test_less_memory_changes_the_batches_alone(flowers: Path) -> None:
    options = Options(model="ResNet18", size=224, override=SCRATCH)
    texts = [
        recipe.plan(str(flowers), options, Machine("cpu", 2, int(gib * 2**30))).text(Path("run")) for gib in (1.25, 64)
    ]
    scarce, ample = map(yaml.safe_load, texts)
    assert "# 2 images at a time, 2 times per update: 4 would take up to 1.0 GiB of 1.2 GiB" in texts[0].splitlines()
    assert scarce["Global"].pop("update_freq") == 2
    sections = [content["DataLoader"][split]["sampler"] for content in (scarce, ample) for split in ("Train", "Eval")]
    assert [section.pop("batch_size") for section in sections] == [2, 2, 4, 4]
    assert scarce == ample


def test_batches_that_the_user_has_chosen_stay_whatever_the_memory(flowers: Path) -> None:
    options = Options(override=(*SCRATCH, "DataLoader.Train.sampler.batch_size=512"))
    content = yaml.safe_load(recipe.plan(str(flowers), options, Machine("cpu", 2, 1)).text(Path("run")))
    assert content["DataLoader"]["Train"]["sampler"]["batch_size"] == 512
    assert "update_freq" not in content["Global"]


def test_images_are_normalised_as_those_that_the_weights_were_trained_on(flowers: Path) -> None:
    found = planned(flowers, model="ViT_small_patch16_224", override=("Arch.pretrained=/weights.pdparams",))
    content = yaml.safe_load(found.text(Path("run")))
    normalised = [content["DataLoader"][split]["dataset"]["transform_ops"][-1] for split in ("Train", "Eval")]
    assert normalised == 2 * [{"NormalizeImage": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}]


def test_the_classifier_is_not_frozen_whatever_its_name(flowers: Path) -> None:
    content = yaml.safe_load(planned(flowers, model="DeiT_tiny_patch16_224", freeze="backbone").text(Path("run")))
    (group,) = content["Optimizer"]["param_groups"]
    assert re.search(group["pattern"], "blocks.0.mlp.fc1.weight") and not re.search(group["pattern"], "head.weight")


def test_the_same_request_has_the_same_folder_and_other_data_another(flowers: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "flowers"
    shutil.copytree(flowers, other)
    (other / "rose" / "9.png").unlink()
    folders = [recipe.write(planned(source), tmp_path / "output").name for source in (flowers, flowers, other, flowers)]
    assert folders == ["flowers", "flowers", "flowers-2", "flowers"]
    assert recipe.write(planned(flowers, epochs=9), tmp_path / "output").name == "flowers-3"


def test_errors_of_the_doctor_stop_it_before_anything_is_written(flowers: Path, tmp_path: Path) -> None:
    broken = tmp_path / "flowers"
    shutil.copytree(flowers, broken)
    (broken / "rose" / "1.png").write_bytes(b"no image")
    (broken / "daisy" / "copy.png").write_bytes((broken / "rose" / "2.png").read_bytes())
    with pytest.raises(DataError) as caught:
        planned(broken)
    lines = str(caught.value).splitlines()
    assert "rose/1.png: undecodable" in lines[0]
    assert "copies with two labels" in lines[1]
    assert lines[-1].endswith("nothing was trained")


def test_a_zip_is_unpacked_once(flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    archive = shutil.make_archive(str(tmp_path / "roses"), "zip", flowers.parent, "flowers")
    found = data.find(archive, None, 0)
    assert found.name == "roses"
    assert found.num_train == data.find(str(flowers), None, 0).num_train
    assert found.root == data.find(archive, None, 0).root


def test_a_zip_that_leads_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../outside.png", b"x")
    with pytest.raises(DataError, match="leads out of its folder"):
        data.find(str(tmp_path / "bad.zip"), None, 0)
    (tmp_path / "none.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="can't be unpacked"):
        data.find(str(tmp_path / "none.zip"), None, 0)


@pytest.mark.parametrize(
    ("text", "labels", "names", "first"),
    [
        ("image,label\ndaisy/{n}.png,b\nrose/{n}.png,a\n", None, ["a", "b"], "1"),
        ("daisy/{n}.png,10\nrose/{n}.png,2\n", None, ["2", "10"], "1"),
        ("daisy/{n}.png,red|big\nrose/{n}.png,big\n", None, ["big", "red"], "1,1"),
        ("daisy/{n}.png,red\nrose/{n}.png,big\n", "multi", ["big", "red"], "0,1"),
        ("image,big,red\ndaisy/{n}.png,0,1\nrose/{n}.png,1,1\n", None, ["big", "red"], "0,1"),
    ],
)
def test_a_csv_names_one_class_or_several(
    flowers: Path, tmp_path: Path, text: str, labels: str, names: list[str], first: str
) -> None:
    head, *rows = text.splitlines() if text.startswith("image") else ["", *text.splitlines()]
    table = tmp_path / "flowers"
    shutil.copytree(flowers, table)
    lines = [head, *(row.format(n=number) for number in range(10) for row in rows)]
    (table / "labels.csv").write_text("\n".join(lines).lstrip())
    found = data.find(str(table / "labels.csv"), labels, 0)  # type: ignore[arg-type]
    assert found.class_names == names
    label_of = {path: label for lines in found.lines.values() for path, label in lines}
    assert label_of["daisy/3.png"] == first
    assert found.several == ("," in first)


def test_a_csv_with_faults_says_where(flowers: Path) -> None:
    table = flowers.parent / "labels.csv"
    table.write_text("flowers/daisy/0.png,a\nflowers/daisy/1.png\n")
    with pytest.raises(DataError, match=r"labels.csv:2: must be a path and a class"):
        data.find(str(table), None, 0)
    table.write_text("flowers/daisy/0.png,a\nflowers/none.png,b\n")
    with pytest.raises(DataError, match=r"labels.csv:2: flowers/none.png: missing"):
        data.find(str(table), None, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ResNet81"}, "did you mean 'ResNet18'"),
        ({"epochs": 0}, "epochs: must be a whole number from 1"),
        ({"epochs": 3, "minutes": 2.0}, "give one of them"),
        ({"freeze": "head"}, "freeze: must be backbone"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Options(**options)  # type: ignore[arg-type]


def test_a_size_that_a_model_can_not_take_is_refused_or_not_chosen(flowers: Path) -> None:
    found = planned(flowers, model="LeViT_128S", override=SCRATCH)  # 32 pixels for others
    assert found.choice.size_px == 224
    with pytest.raises(ConfigError, match="within 224 x 224 pixels; received 64 x 64; resize the images"):
        planned(flowers, model="LeViT_128S", size=64, override=SCRATCH)
