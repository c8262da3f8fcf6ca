"""Transforms are exported in PaddleX's form where that gives the same images."""

import pytest

from ppcls.config.deploy import PreProcessSection
from ppcls.config.faults import Faults, Where
from ppcls.config.parse import parse
from ppcls.config.read import compose
from ppcls.export.portable import portable
from ppcls.registry import Part


def parts(text: str) -> tuple[Part, ...]:
    faults = Faults()
    node = compose(f"transform_ops: {text}", lambda line: Where("text", line))
    section: PreProcessSection = parse(node, PreProcessSection, "", faults)
    faults.raise_if_any()
    return section.transform_ops


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (
            "[DecodeImage: {to_rgb: True, channel_first: False}, ResizeImage: {resize_short: 64}, "
            "CropImage: {size: 32}, "
            "NormalizeImage: {scale: 1.0/255.0, order: hwc, channel_num: 3, output_fp16: False}]",
            "[ResizeImage: {resize_short: 64}, CropImage: {size: 32}, NormalizeImage: {scale: 1.0/255.0}, ToCHWImage]",
        ),
        (
            "[ResizeImage: {size: 32, interpolation: bilinear, backend: cv2, return_numpy: False}, ToCHWImage, "
            "NormalizeImage: {order: chw}]",
            "[ResizeImage: {size: 32}, NormalizeImage, ToCHWImage]",
        ),
        (
            "[ResizeImage: {size: 32, backend: PIL}, NormalizeImage]",
            "[ResizeImage: {size: 32, backend: pil, interpolation: bilinear}, NormalizeImage, ToCHWImage]",
        ),
        ("[DecodeImage: {backend: pil}, ResizeImage: {size: 32}, NormalizeImage]", None),  # PaddleX decodes by itself
        ("[ResizeImage: {size: 32, interpolation: lanczos}, NormalizeImage]", None),
        ("[ResizeImage: {size: 32}, Pad: {padding: 4}, NormalizeImage]", None),
        ("[ResizeImage: {size: 32}, NormalizeImage: {channel_num: 4}]", None),
    ],
)
def test_a_list_takes_the_form_that_paddlex_reads_where_that_is_the_same(given: str, written: str) -> None:
    assert portable(parts(given)) == parts(written or given)
