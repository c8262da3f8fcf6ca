"""An image with smooth areas, edges and all tones, for tests that look at what transforms change."""

import cv2
import numpy as np


def photo(height: int = 120, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(5)
    image = cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    image[height // 4 : height // 2, width // 4 : width // 2] = (250, 30, 60)
    return image


def rows_and_columns(height: int, width: int) -> np.ndarray:
    """An image whose pixels hold their own row, column and 255."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, 255)], axis=-1).astype(np.uint8)
