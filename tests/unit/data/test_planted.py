"""What training does with each kind of faulty file that the data doctor knows: it fails, or leaves it out, by name."""

from pathlib import Path

import numpy as np
import pytest
from planted import FILES, jpeg, scene

from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.data.sources.folders import ImageFolder
from ppcls.errors import DataError
from ppcls.images.decode import Backend, DecodeImage
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.geometry import ResizeImage

UNUSABLE = {"empty file", "undecodable", "truncated", "too large", "unsupported"}


def images_of(root: Path, backend: Backend, *, skip_corrupt: bool) -> tuple[np.ndarray, list[str]]:
    """Return all images, and what was said of those that were skipped."""
    pipeline = Pipeline([DecodeImage(backend=backend), ResizeImage(32)])
    dataset = ImageFolder(pipeline, 2, image_root=str(root), skip_corrupt=skip_corrupt)
    loader = Loader(dataset, BatchSampler(dataset.labels, 0, 0, 1, False, Batching(batch_size=9)), [], 0, num_workers=0)
    ((images, _),) = [(batch.images, batch.labels) for batch in loader.epoch(0)]
    return images, loader.skipped


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize("kind", FILES)
def test_a_faulty_file_ends_training_by_name_or_is_left_out_by_name_or_is_an_image(
    tmp_path: Path, kind: str, backend: Backend
) -> None:
    name, make = FILES[kind]
    for path, data in {f"cat/{name}": make(), "dog/a.jpg": jpeg(scene(0)), "dog/b.jpg": jpeg(scene(1))}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    if kind not in UNUSABLE:
        assert len(images_of(tmp_path, backend, skip_corrupt=False)[0]) == 3
        return
    with pytest.raises(
        DataError, match=f"cat/{name}: (no image|damaged|too narrow|unsupported): .*; (replace|download|crop|scale)"
    ):
        images_of(tmp_path, backend, skip_corrupt=False)
    images, skipped = images_of(tmp_path, backend, skip_corrupt=True)
    assert len(images) == 2 and len(skipped) == 1 and f"cat/{name}: " in skipped[0]


def test_a_file_that_is_gone_ends_training_even_where_corrupt_ones_may_be_left_out(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "whole.jpg").write_bytes(jpeg(scene(0)))
    (tmp_path / "cat/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    for skip_corrupt in (False, True):
        with pytest.raises(DataError, match="cat/gone.jpg: can't be read; No such file or directory"):
            images_of(tmp_path, "cv2", skip_corrupt=skip_corrupt)
