"""Files of every kind come out as 8-bit RGB."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, features

from ppcls.images.decode import Backend, DecodeImage
from ppcls.images.failures import UndecodableError, UnsupportedError

IMAGE = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8), (90, 60))


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
    "jpeg": encoded(".jpg", IMAGE),
    "grey jpeg": encoded(".jpg", IMAGE[..., 0]),
    "CMYK jpeg": saved(Image.fromarray(IMAGE).convert("CMYK"), "JPEG"),
    "alpha png": encoded(".png", np.dstack([IMAGE, IMAGE[..., 0]])),
    "16-bit png": encoded(".png", IMAGE.astype(np.uint16) * 257),
    "16-bit grey png": encoded(".png", IMAGE[..., 0].astype(np.uint16) * 257),
    "palette png": saved(Image.fromarray(IMAGE).convert("P"), "PNG", transparency=bytes(range(256))),
}


@pytest.mark.parametrize("kind", FILES)
def test_both_backends_agree_on_any_kind_of_file(kind: str) -> None:
    by_cv2, by_pil = DecodeImage()(FILES[kind]), DecodeImage(backend="pil")(FILES[kind])
    assert by_cv2.shape == by_pil.shape == IMAGE.shape
    assert by_cv2.dtype == by_pil.dtype == np.uint8
    assert abs(by_cv2.astype(int) - by_pil).max() <= 1


@pytest.mark.parametrize("kind", FILES)
def test_the_cv2_backend_gives_what_imread_color_gives(kind: str) -> None:
    expected = cv2.imdecode(np.frombuffer(FILES[kind], np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(DecodeImage(to_rgb=False)(FILES[kind]), expected)
    np.testing.assert_array_equal(DecodeImage()(FILES[kind]), expected[..., ::-1])


def test_only_the_cv2_backend_turns_an_image_by_its_exif_orientation() -> None:
    upright = Image.fromarray(IMAGE)
    turned = saved(upright, "JPEG", exif=exif(6), quality=95)
    flat = DecodeImage()(saved(upright, "JPEG", quality=95))
    np.testing.assert_array_equal(DecodeImage()(turned), np.rot90(flat, -1))
    assert DecodeImage(backend="pil")(turned).shape == IMAGE.shape


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize("data", [b"", b"no image", FILES["jpeg"][:-200], FILES["16-bit png"][:500]])
def test_what_is_no_whole_image_is_refused(backend: str, data: bytes) -> None:
    with pytest.raises(UndecodableError, match="^(no image|damaged: a (JPEG|PNG) of 90 x 60).*; replace or remove it"):
        DecodeImage(backend=backend)(data)


def test_options_without_a_meaning_here_are_refused() -> None:
    with pytest.raises(ValueError, match="channel_first: .* received True"):
        DecodeImage(channel_first=True)
    with pytest.raises(ValueError, match="to_rgb: backend 'pil' only makes RGB"):
        DecodeImage(to_rgb=False, backend="pil")


def tiff(levels: np.ndarray) -> bytes:
    return saved(Image.fromarray(levels), "TIFF")


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(3000), "unsupported: a HEIC image; save it as JPEG or PNG"),
        (
            tiff(IMAGE[..., 0].astype(np.float32) / 255),
            "unsupported: a TIFF of 32-bit float numbers, .*; scale it to 8",
        ),
        (tiff(IMAGE[..., 0].astype(np.int32)), "unsupported: a TIFF of 32-bit signed integer numbers"),
        (encoded(".tiff", IMAGE[..., 0].astype(np.int16)), "unsupported: a TIFF of 16-bit signed integer numbers"),
        (encoded(".pfm", IMAGE.astype(np.float32)), "unsupported: a PFM of 32-bit float numbers"),
        (
            b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
            "unsupported: an SVG drawing; save it as",
        ),
        (b"\xff\x0a" + bytes(50), "unsupported: a JPEG XL image"),
        (b"%PDF-1.7 ...", "unsupported: a PDF document"),
    ],
)
def test_whole_files_of_other_kinds_are_called_what_they_are(backend: Backend, data: bytes, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        DecodeImage(backend=backend)(data)


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
            "no image: a Git LFS pointer .*; run `git lfs",
        ),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>403", "no image: an HTML page instead of the file; download it again"),
        (bytes(5000), "no image: 5,000 zero bytes; replace or remove it"),
        (b"", "no image: an empty file"),
        (b"\0\5\x16\7" + bytes(80), "no image: metadata of macOS .AppleDouble.; remove it"),
        (b"PK\3\4" + bytes(80), "no image: a ZIP archive; unpack it"),
        (FILES["jpeg"][:15], "damaged: a JPEG whose header is cut or wrong"),
        (FILES["alpha png"][:-40], "damaged: a PNG of 90 x 60 that can't be decoded or is cut"),
    ],
)
def test_files_that_are_no_images_are_called_what_they_are(backend: Backend, data: bytes, message: str) -> None:
    with pytest.raises(UndecodableError, match=message):
        DecodeImage(backend=backend)(data)


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize("bits", [8, 10, 12, 13])
def test_sixteen_bits_of_which_few_are_used_do_not_come_out_black(backend: Backend, bits: int) -> None:
    levels = IMAGE.astype(np.uint16) << bits - 8
    expected = IMAGE if IMAGE.max() > 127 else IMAGE * 2
    for image, suffix in (
        (levels, ".png"),
        (levels[..., 0], ".png"),
        (levels[..., 0], ".tiff"),
        (levels[..., 0], ".pgm"),
    ):
        decoded = DecodeImage(backend=backend)(encoded(suffix, image))
        shown = expected[..., ::-1] if image.ndim == 3 else np.repeat(expected[..., :1], 3, axis=2)
        assert abs(decoded.astype(int) - shown).max() <= 1


def test_a_dark_photograph_of_sixteen_bits_stays_as_it_is() -> None:
    levels = (IMAGE[..., 0].astype(np.uint16) // 4 + 1) * 257
    assert abs(DecodeImage()(encoded(".png", levels))[..., 0].astype(int) - IMAGE[..., 0] // 4 - 1).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_images_of_every_format_stand_upright(kind: str, orientation: int) -> None:
    if kind == "AVIF" and not (features.check("avif") and cv2.haveImageWriter("a.avif")):
        pytest.skip("OpenCV or Pillow was built without AVIF")
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind in ("JPEG", "AVIF") else {}
    data = saved(Image.fromarray(IMAGE), kind, exif=exif(orientation), **options)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert abs(DecodeImage()(data).astype(int) - upright).mean() < 2


def test_what_a_decoder_raises_is_the_fault_of_the_file() -> None:
    # Pillow raises AttributeError, IndexError, RuntimeError and others over bytes like these.
    rng, outcomes = np.random.default_rng(0), set()
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        whole = saved(Image.fromarray(IMAGE), kind)
        for _ in range(100):
            data = bytearray(whole)
            for place in rng.integers(6, len(data), 8):
                data[place] = rng.integers(256)
            try:
                outcomes.add(DecodeImage(backend="pil")(bytes(data)).dtype)
            except UndecodableError:
                outcomes.add(UndecodableError)
    assert outcomes == {np.dtype(np.uint8), UndecodableError}


def test_arrays_of_every_kind_become_rgb_or_bgr() -> None:
    grey, rgba = IMAGE[..., 0], np.dstack([IMAGE, IMAGE[..., 0]])
    for decoder, order in ((DecodeImage(), slice(None)), (DecodeImage(to_rgb=False), slice(None, None, -1))):
        np.testing.assert_array_equal(decoder.take(IMAGE), IMAGE[..., order])
        np.testing.assert_array_equal(decoder.take(rgba), IMAGE[..., order])
        for image in (grey, grey[..., None]):
            np.testing.assert_array_equal(decoder.take(image), np.dstack([grey] * 3))


def test_an_image_of_pillow_of_any_mode_is_taken() -> None:
    image = Image.fromarray(IMAGE)
    for mode in ("RGB", "RGBA", "CMYK", "L", "LA", "P", "1", "HSV", "YCbCr"):
        expected = np.asarray(image.convert(mode).convert("RGB"))
        np.testing.assert_array_equal(DecodeImage().take(image.convert(mode)), expected)
    twelve = Image.fromarray(IMAGE[..., 0].astype(np.uint16) << 4)
    assert DecodeImage().take(twelve).max() > 127
    for image in (Image.new("F", (4, 4)), Image.new("I", (4, 4), 1 << 20)):
        with pytest.raises(UnsupportedError, match="whose range is not known"):
            DecodeImage().take(image)
