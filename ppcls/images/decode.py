"""From the bytes of a picture file to an HWC uint8 array."""

import io
from typing import Any, Literal, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.errors import DataError

Image = NDArray[np.uint8]
Backend = Literal["cv2", "pil", "PIL"]

# The files that are taken for pictures where a folder is searched.
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class UndecodableError(DataError):
    """The bytes are no picture that the backend can decode, or not all of it."""


class DecodeImage:
    """Decode a picture file to HWC uint8, RGB or with `to_rgb: False` BGR.

    Grey, palette, CMYK, alpha and 16-bit files come out as 3 channels of 8 bits; alpha is dropped, not
    blended. The cv2 backend turns the picture upright by its EXIF orientation, the pil backend does not.

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
        self._decode = _decode_pil if backend != "cv2" else _decode_rgb if to_rgb else _decode_bgr

    def __call__(self, data: bytes) -> Image:
        """Return the picture; raises UndecodableError."""
        image: Optional[Image] = self._decode(data)
        if image is None:
            what = f"{len(data)} bytes starting with {data[:8]!r}" if data else "an empty file"
            raise UndecodableError(f"damaged or no picture; received {what}; replace or remove the file")
        return image


def _decode_bgr(data: bytes) -> Any:
    return _imdecode(data, cv2.IMREAD_COLOR)


def _decode_rgb(data: bytes) -> Any:
    return _imdecode(data, cv2.IMREAD_COLOR_RGB)


def _imdecode(data: bytes, flags: int) -> Any:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # an empty file, or more pixels than OpenCV allows
        return None


def _decode_pil(data: bytes) -> Any:
    from PIL import Image as Pillow

    try:
        image: Pillow.Image = Pillow.open(io.BytesIO(data))
        if image.mode.startswith("I"):  # 16 bits; Pillow would clip them to 255
            return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
        if "transparency" in image.info:
            image = image.convert("RGBA")
        return np.asarray(image.convert("RGB"))
    # Pillow raises SyntaxError and ValueError as well for broken files.
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError):
        return None
