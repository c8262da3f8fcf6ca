"""Files of every kind come out as 8-bit RGB."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ppcls.images.decode import DecodeImage, UndecodableError

PICTURE = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8), (90, 60))


def encoded(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


FILES = {
    "jpeg": encoded(".jpg", PICTURE),
    "grey jpeg": encoded(".jpg", PICTURE[..., 0]),
    "CMYK jpeg": saved(Image.fromarray(PICTURE).convert("CMYK"), "JPEG"),
    "alpha png": encoded(".png", np.dstack([PICTURE, PICTURE[..., 0]])),
    "16-bit png": encoded(".png", PICTURE.astype(np.uint16) * 257),
    "16-bit grey png": encoded(".png", PICTURE[..., 0].astype(np.uint16) * 257),
    "palette png": saved(Image.fromarray(PICTURE).convert("P"), "PNG", transparency=bytes(range(256))),
}


@pytest.mark.parametrize("kind", FILES)
def test_both_backends_agree_on_any_kind_of_file(kind: str) -> None:
    by_cv2, by_pil = DecodeImage()(FILES[kind]), DecodeImage(backend="pil")(FILES[kind])
    assert by_cv2.shape == by_pil.shape == PICTURE.shape
    assert by_cv2.dtype == by_pil.dtype == np.uint8
    assert abs(by_cv2.astype(int) - by_pil).max() <= 1


@pytest.mark.parametrize("kind", FILES)
def test_the_cv2_backend_gives_what_imread_color_gives(kind: str) -> None:
    expected = cv2.imdecode(np.frombuffer(FILES[kind], np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(DecodeImage(to_rgb=False)(FILES[kind]), expected)
    np.testing.assert_array_equal(DecodeImage()(FILES[kind]), expected[..., ::-1])


def test_only_the_cv2_backend_turns_a_picture_by_its_exif_orientation() -> None:
    upright = Image.fromarray(PICTURE)
    turned = saved(upright, "JPEG", exif=exif(6), quality=95)
    flat = DecodeImage()(saved(upright, "JPEG", quality=95))
    np.testing.assert_array_equal(DecodeImage()(turned), np.rot90(flat, -1))
    assert DecodeImage(backend="pil")(turned).shape == PICTURE.shape


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize("data", [b"", b"no picture", FILES["jpeg"][:-200], FILES["16-bit png"][:500]])
def test_what_is_no_whole_picture_is_refused(backend: str, data: bytes) -> None:
    with pytest.raises(UndecodableError, match="damaged or no picture; received .*; replace or remove the file"):
        DecodeImage(backend=backend)(data)


def test_options_without_a_meaning_here_are_refused() -> None:
    with pytest.raises(ValueError, match="channel_first: .* received True"):
        DecodeImage(channel_first=True)
    with pytest.raises(ValueError, match="to_rgb: backend 'pil' only makes RGB"):
        DecodeImage(to_rgb=False, backend="pil")
