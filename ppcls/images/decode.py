"""From the bytes of an image file to an HWC uint8 array: the one decoder."""

import io
from functools import partial
from typing import Any, Callable, Literal, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.errors import DataError
from ppcls.images.diagnosis import failure, require_supported
from ppcls.images.failures import OneImage, UndecodableError, UnsupportedError
from ppcls.images.header import Header, read_header
from ppcls.images.limits import check_header, check_size

Image = NDArray[np.uint8]
Backend = Literal["cv2", "pil", "PIL"]

# The files that are taken for images where a folder is searched.
SUFFIXES = (
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pam", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
)  # fmt: skip

# EXIF orientation -> quarter turns to the left, and the axis that is mirrored then.
_TURNS = {2: (0, 1), 3: (2, None), 4: (0, 0), 5: (1, 0), 6: (3, None), 7: (1, 1), 8: (1, None)}
# Files of 16 bits whose brightest level of 8 would be below this hold 10 or 12 bits, and would come out black.
_DARK = 32


class DecodeImage:
    """Decode an image file to HWC uint8, RGB or with `to_rgb: False` BGR.

    Grey, palette, CMYK, alpha and 16-bit files come out as 3 channels of 8 bits; alpha is dropped, not blended. Of
    several images in a file the first one is used. The cv2 backend turns the image upright by its EXIF orientation,
    the pil backend does not.

    `to_np` chooses nothing here, as images are always arrays between transforms.
    """

    def __init__(
        self,
        *,
        to_rgb: bool = True,
        to_np: bool = False,
        channel_first: bool = False,
        backend: Backend = "cv2",
    ) -> None:
        if channel_first:
            raise ValueError(
                "channel_first: images have their channels last until they are normalized; received True; "
                "leave it out, a finished batch always has its channels first"
            )
        if not to_rgb and backend != "cv2":
            raise ValueError(f"to_rgb: backend '{backend}' only makes RGB; received False; use backend: cv2")
        self._to_rgb = to_rgb
        self._by_pillow = backend != "cv2"

    def __call__(self, data: bytes) -> Image:
        """Return the image; raises UndecodableError, or whatever a decoder raises."""
        if self._by_pillow:
            return _decoded(data, _pillow)
        return decode(data, cv2.IMREAD_COLOR_RGB if self._to_rgb else cv2.IMREAD_COLOR)

    def take(self, image: Any) -> Image:
        """Return what is decoded already, as if it came from a file: an image of Pillow, or an array uint8.

        An array is RGB [H, W, 3], RGBA [H, W, 4] or grey [H, W] or [H, W, 1]. Raises DataError.
        """
        if not isinstance(image, np.ndarray):
            image = from_pillow(image, upright=not self._by_pillow)
        elif image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3, 4))):
            raise DataError(
                f"not a decoded image; received an array of {image.dtype} {image.shape}; "
                "give uint8 with the axes height, width, and 1, 3 or 4 channels"
            )
        if not image.size:
            raise UndecodableError(f"no image: an array without pixels, {image.shape}; remove it")
        check_size(image.shape[1], image.shape[0])
        if image.ndim == 2 or image.shape[2] == 1:
            image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
        return np.ascontiguousarray(image[..., :3] if self._to_rgb else image[..., 2::-1])


def decode(data: bytes, flags: int) -> Image:
    """Return the image that OpenCV makes by its `flags`, upright. Raises UndecodableError."""
    return _decoded(data, partial(_opencv, flags))


def from_pillow(image: Any, *, upright: bool) -> Image:
    """Return an image of Pillow as RGB, `upright`: by its EXIF orientation. Raises UnsupportedError."""
    if image.mode == "F":
        raise UnsupportedError("unsupported: float numbers, whose range is not known; scale the image to 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them to 255
        pixels = np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=2)
    else:
        plain = image.convert("RGBA") if "transparency" in image.info else image
        pixels = np.asarray(plain.convert("RGB"))
    return _turned(pixels, *_TURNS.get(image.getexif().get(0x0112), (0, None))) if upright else pixels


def _decoded(data: bytes, decoder: Callable[[bytes, Header], Optional[Image]]) -> Image:
    header = read_header(data)
    if header is None:
        raise failure(data, header)
    require_supported(header)
    if not header.width or not header.height:
        raise failure(data, header)
    check_header(header)
    if header.is_cut:
        raise failure(data, header)
    with OneImage(lambda _: failure(data, header)):
        image = decoder(data, header)
    if image is None or not image.size:
        raise failure(data, header)
    return image


def _opencv(flags: int, data: bytes, header: Header) -> Optional[Image]:
    file = np.frombuffer(data, np.uint8)
    image: Optional[Image] = cv2.imdecode(file, flags)
    if image is None:
        return None
    if header.bits == 16 and image.max(initial=0) < _DARK:
        levels: Any = cv2.imdecode(file, flags | cv2.IMREAD_ANYDEPTH)
        image = _eight_bits(levels)
    return _turned(image, header.turns, header.mirrored)


def _pillow(data: bytes, header: Header) -> Optional[Image]:
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(data)) as opened:
        image = from_pillow(opened, upright=False)
    if header.bits == 16 and image.max(initial=0) < _DARK:  # Pillow makes 8 bits of colours itself
        return _opencv(cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION, data, header)
    return image


def _eight_bits(levels: NDArray[Any]) -> Image:
    """Return 16 bits as 8: the upper ones, but of a dark image those that are used."""
    top = int(levels.max(initial=0))
    if top > 0xFFFF or levels.min(initial=0) < 0:
        raise UnsupportedError("unsupported: 32-bit numbers, whose range is not known; scale the image to 16 bits")
    return (levels >> (8 if top >> 8 >= _DARK else max(0, top.bit_length() - 8))).astype(np.uint8)


def _turned(image: Image, turns: int, mirrored: Optional[int]) -> Image:
    """Turn an image by quarters to the left, then mirror it top to bottom (0), left to right (1) or not (None)."""
    if turns:
        image = np.rot90(image, turns)
    if mirrored is not None:
        image = np.flip(image, mirrored)
    return np.ascontiguousarray(image)
