"""An image for the gallery that is drawn, and so belongs to nobody else."""

import cv2
import numpy as np

from ppcls.images.decode import Image


def landscape(seed: int, height: int = 300, width: int = 400) -> Image:
    """Draw an image with soft and hard edges, fine texture, saturated colours and all tones; at night if odd."""
    rng = np.random.default_rng(seed)
    above, below = ((70, 130, 220), (250, 200, 150)), ((40, 110, 50), (120, 150, 60))
    if seed % 2:
        above, below = ((10, 10, 40), (110, 40, 110)), ((30, 20, 50), (10, 40, 60))
    sky = [np.linspace(*ends, height // 2) for ends in zip(*above)]
    ground = [np.linspace(*ends, height - height // 2) for ends in zip(*below)]
    rows = np.concatenate([np.stack(sky, 1), np.stack(ground, 1)])[:, None]
    image = np.repeat(rows, width, 1).astype(np.uint8)
    for level in (0.42, 0.5):
        ridge = np.cumsum(rng.normal(0, 1.6, width))
        crest = height * level + cv2.GaussianBlur(ridge.reshape(1, -1), (0, 0), 6)[0]
        outline = np.stack([np.arange(width), crest], 1)
        color = tuple(int(c) for c in (90 - 60 * level, 150 - 110 * level, 150 - 150 * level) + rng.integers(0, 30, 3))
        area = np.concatenate([outline, [[width, height * 0.62], [0, height * 0.62]]])
        cv2.fillPoly(image, [area.astype(np.int32)], color, cv2.LINE_AA)
    cv2.circle(image, (int(width * rng.uniform(0.1, 0.9)), int(height * 0.17)), 26, (255, 235, 120), -1, cv2.LINE_AA)
    for draw, place in zip((_house, _tree, _boat), rng.permutation([0.2, 0.5, 0.8])):
        draw(image, int(width * place), int(height * 0.72), rng)
    texture = rng.normal(0, 1, (height, width, 1)) * np.linspace(2, 16, height)[:, None, None]
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.6) + texture, 0, 255).astype(np.uint8)


def _house(image: Image, x: int, y: int, rng: np.random.Generator) -> None:
    wall = tuple(int(c) for c in rng.integers(150, 250, 3))
    cv2.rectangle(image, (x - 45, y - 35), (x + 45, y + 40), wall, -1)
    cv2.fillPoly(image, [np.array([[x - 55, y - 33], [x, y - 80], [x + 55, y - 33]])], (190, 50, 40), cv2.LINE_AA)
    for left in (x - 32, x + 12):
        cv2.rectangle(image, (left, y - 20), (left + 20, y + 2), (40, 60, 90), -1)
        cv2.rectangle(image, (left, y - 20), (left + 20, y + 2), (250, 250, 250), 2)
    cv2.rectangle(image, (x - 8, y + 8), (x + 10, y + 40), (90, 50, 30), -1)


def _tree(image: Image, x: int, y: int, rng: np.random.Generator) -> None:
    cv2.rectangle(image, (x - 7, y - 20), (x + 7, y + 45), (90, 60, 35), -1)
    for _ in range(60):
        dx, dy = rng.normal(0, 22, 2)
        leaf = (int(rng.integers(10, 90)), int(rng.integers(90, 190)), int(rng.integers(10, 70)))
        cv2.circle(image, (int(x + dx), int(y - 50 + dy)), int(rng.integers(6, 14)), leaf, -1, cv2.LINE_AA)


def _boat(image: Image, x: int, y: int, rng: np.random.Generator) -> None:
    cv2.ellipse(image, (x, y + 35), (75, 22), 0, 0, 360, (60, 120, 190), -1, cv2.LINE_AA)
    hull = np.array([[x - 38, y + 15], [x + 38, y + 15], [x + 24, y + 36], [x - 24, y + 36]])
    cv2.fillPoly(image, [hull], (200, 30, 60), cv2.LINE_AA)
    cv2.line(image, (x, y + 15), (x, y - 55), (60, 40, 30), 3, cv2.LINE_AA)
    sail = tuple(int(c) for c in rng.integers(200, 256, 3))
    cv2.fillPoly(image, [np.array([[x + 4, y - 52], [x + 4, y + 8], [x + 40, y + 6]])], sail, cv2.LINE_AA)
