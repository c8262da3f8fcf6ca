"""The evaluation and the exported model make the same arrays of the same images, bit for bit."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import TRANSFORMS, Journey

from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.images import stream
from ppcls.inference.predictor import Predictor

ORIENTATION = 0x0112
TURNED_LEFT = 8


def variants(photo: Image.Image) -> dict[str, bytes]:
    """Return files of the photo that decoders are known to differ on."""
    turned = Image.Exif()
    turned[ORIENTATION] = TURNED_LEFT
    forms = {
        "odd.jpg": (photo.crop((0, 0, photo.width // 2 * 2 - 1, photo.height // 2 * 2 - 1)), {"subsampling": 2}),
        "tiny.jpg": (photo.resize((7, 5)), {}),
        "wide.jpg": (photo.resize((301, 37)), {}),
        "grey.jpg": (photo.convert("L"), {}),
        "cmyk.jpg": (photo.convert("CMYK"), {}),
        "turned.jpg": (photo, {"exif": turned}),
        "progressive.jpg": (photo, {"progressive": True, "subsampling": 1}),
        "palette.png": (photo.convert("P"), {}),
        "alpha.png": (photo.convert("RGBA"), {}),
    }
    files = {}
    for name, (image, options) in forms.items():
        buffer = io.BytesIO()
        image.save(buffer, "JPEG" if name.endswith("jpg") else "PNG", **options)
        files[name] = buffer.getvalue()
    return files


def compare(journey: Journey, photos: list[Image.Image], folder: Path) -> None:
    lines = []
    for number, photo in enumerate(photos):
        for name, data in variants(photo).items():
            (folder / f"{number}_{name}").write_bytes(data)
            lines.append(f"{number}_{name} 0\n")
    (folder / "list.txt").write_text("".join(lines))
    dataset = f"{{name: ImageNetDataset, image_root: {folder}, cls_label_path: {folder}/list.txt}}"
    overrides = [f"DataLoader.Eval.dataset={dataset}", TRANSFORMS]
    engine = Engine(load_config(str(journey.folder / Journey.config), overrides))
    evaluated = np.concatenate([batch.images for batch in engine.eval_loader.epoch(0)])
    pipeline = Predictor(journey.folder / "exported").pipeline
    found = [one for batch in stream.batches(stream.find(f"{folder}/list.txt"), pipeline, 5) for one in batch]
    assert not any(one.problem for one in found)
    predicted = pipeline.finish(np.stack([one.image for one in found]))
    assert evaluated.dtype == predicted.dtype == np.float32
    assert np.array_equal(evaluated, predicted)
    # The variants differ: nothing was skipped or mistaken for another.
    assert len({image.tobytes() for image in predicted}) == len(lines)


def test_of_small_drawn_photos(journey: Journey, photos: list[bytes], tmp_path: Path) -> None:
    compare(journey, [Image.open(io.BytesIO(photo)) for photo in photos[:3]], tmp_path)


def test_of_real_photos(journey: Journey, shared: Path, tmp_path: Path) -> None:
    files = sorted((shared / "data/imagenet-sample").glob("*.JPEG"))[::20]
    compare(journey, [Image.open(file).convert("RGB") for file in files], tmp_path)


@pytest.mark.parametrize("turned_by", [1, TURNED_LEFT])
def test_an_image_is_turned_upright_by_its_exif_orientation(
    journey: Journey, photos: list[bytes], tmp_path: Path, turned_by: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = turned_by
    photo = Image.open(io.BytesIO(photos[0]))
    upright = photo.transpose(Image.Transpose.ROTATE_90) if turned_by == TURNED_LEFT else photo
    pipeline = Predictor(journey.folder / "exported").pipeline
    images = []
    for image, options in ((photo, {"exif": exif}), (upright, {})):
        image.save(tmp_path / "x.png", **options)
        images.append(pipeline.sample((tmp_path / "x.png").read_bytes(), np.random.default_rng(0)))
    assert np.array_equal(images[0], images[1])
