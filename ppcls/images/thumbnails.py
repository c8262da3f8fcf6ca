"""Small images that stand in a page."""

import base64

import cv2
import numpy as np

from ppcls.images.decode import Image


def shrunk(image: Image, side_px: int) -> Image:
    """Return an image uint8 [H, W, 3] with its longer side of `side_px`; small ones are enlarged, pixels as blocks."""
    factor = side_px / max(image.shape[:2])
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST)
    return small


def data_uri(image_RGB: Image) -> str:
    """Return an image as a JPEG file in an address."""
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(image_RGB[..., ::-1]))[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
