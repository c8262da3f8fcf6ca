"""What is too large to be decoded: known from the header, and the same wherever images are read."""

from ppcls.images.failures import TooLargeError
from ppcls.images.header import Header

# Half a GiB of RGB; the limit of Pillow as well.
MAX_PIXELS = (1 << 29) // 3
# A resize of the shorter side makes the longer one of a narrower image huge.
MAX_ASPECT = 100
# A progressive JPEG is decoded once per scan, and a scan of millions of pixels may be a few bytes long.
MAX_JPEG_SCANS = 100


def check_header(header: Header, max_pixels: int = MAX_PIXELS) -> None:
    """Raise TooLargeError for an image that would take too much memory or time to decode."""
    check_size(header.width, header.height, max_pixels)
    if header.part_pixels > max_pixels:
        raise TooLargeError(f"too large: a part of {header.part_pixels:,} pixels; {_at_most(max_pixels)}")
    if header.scans > MAX_JPEG_SCANS:
        raise TooLargeError(f"too many scans: a JPEG of more than {MAX_JPEG_SCANS}; save it again with fewer")


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raise TooLargeError for an image of too many pixels, or too narrow."""
    if width * height > max_pixels:
        megabytes = 3 * width * height / 1e6
        raise TooLargeError(
            f"too large: {width} x {height} pixels, {megabytes:,.0f} MB of memory; {_at_most(max_pixels)}"
        )
    if max(width, height) > MAX_ASPECT * max(1, min(width, height)):
        raise TooLargeError(
            f"too narrow: {width} x {height} pixels; one side may have {MAX_ASPECT} times the pixels of the other; "
            "crop or remove it"
        )


def _at_most(max_pixels: int) -> str:
    return f"at most {max_pixels:,} pixels are decoded; shrink or remove it"
