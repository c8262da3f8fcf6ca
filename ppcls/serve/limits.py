"""What the server refuses to work on, and how it finds out before any pixel is decoded."""

import io
from dataclasses import dataclass

from PIL import Image

from ppcls.errors import DataError

# Of transforms.decode.SUFFIXES, in Pillow's names.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

# A resize of the shorter side makes the longer one of a narrower picture huge.
MAX_ASPECT = 100

# A progressive JPEG is decoded once a scan, and a scan of millions of pixels may be a few bytes long.
MAX_JPEG_SCANS = 100
_JPEG_SCAN = b"\xff\xda"


@dataclass(frozen=True)
class Limits:
    """Of one request, but `queue`: images that are decoded or wait for the model, of all requests together."""

    body_bytes: int = 32 << 20
    pixels: int = 64_000_000
    images: int = 64
    queue: int = 256
    seconds: float = 30.0

    @property
    def parts(self) -> int:
        """Parts of a form, or values of a JSON document, that a request may have: its images, and a margin."""
        return 2 * self.images + 1000

    @property
    def held_bytes(self) -> int:
        """Bytes of all request bodies that may be in memory at a time."""
        return 16 * self.body_bytes


def check_picture(data: bytes, limits: Limits) -> None:
    """Raise DataError, from the header alone, for a picture that would take too much memory or time to decode."""
    kind = ", ".join(FORMATS)
    try:
        width, height = Image.open(io.BytesIO(data), formats=FORMATS).size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"too many pixels; the limit is {limits.pixels:,}; send a smaller picture") from error
    # Pillow raises SyntaxError and ValueError as well for broken files.
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"damaged or no picture; received {len(data)} bytes; send one of {kind}") from error
    if width * height > limits.pixels:
        raise DataError(
            f"too many pixels; received {width} x {height}; the limit is {limits.pixels:,}; send a smaller picture"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError(f"too narrow; received {width} x {height}; one side may be {MAX_ASPECT} times the other")
    if data.startswith(b"\xff\xd8") and data.count(_JPEG_SCAN) > MAX_JPEG_SCANS:
        raise DataError(f"a JPEG of more than {MAX_JPEG_SCANS} scans; save it again with fewer")
