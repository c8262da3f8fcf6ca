"""The one way from image files to a batch, for training, evaluation, inference and deployment."""

from collections.abc import Iterable, Sequence
from typing import Any, Optional, Protocol, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.images.decode import DecodeImage, Image
from ppcls.images.failures import OneImage, UndecodableError, in_words
from ppcls.images.transforms.erasing import Erasing
from ppcls.images.transforms.layout import Normalize, NormalizeImage, ToCHWImage, ToTensor


class Transform(Protocol):
    """One step on an HWC uint8 image; one that draws nothing leaves `rng` alone."""

    def __call__(self, image: Image, rng: np.random.Generator) -> Image: ...


Op = Union[DecodeImage, Transform, NormalizeImage, ToCHWImage]


class Pipeline:
    """The list `transform_ops`: `sample` runs its steps for one image, `finish` its end for a batch.

    DecodeImage may only start the list. NormalizeImage and ToCHWImage, in either order, may only end it, but for
    transforms that paint over parts of the image: these mean at each place what they say. Before NormalizeImage
    they paint levels 0 to 255, after it normalized numbers, among which 0 is the mean colour.
    ToTensor and Normalize, in this order, are the two by Paddle's names.
    Without DecodeImage, files are decoded to RGB; without NormalizeImage, values stay 0 to 255.
    Raises ValueError for a list in another order.
    """

    def __init__(self, ops: Sequence[Op]) -> None:
        names = [type(op).__name__ for op in ops]
        self._decode = DecodeImage()
        self._steps: list[Transform] = []
        self._erasings: list[Erasing] = []
        end: list[Union[NormalizeImage, ToCHWImage]] = []
        for place, op in enumerate(ops):
            if isinstance(op, (NormalizeImage, ToCHWImage)):
                end.append(op)
            elif isinstance(op, Erasing) and any(isinstance(other, NormalizeImage) for other in end):
                self._erasings.append(op)
            elif end:
                raise ValueError(
                    f"{names[place - 1]}: only ToCHWImage, NormalizeImage and what paints over parts end the list; "
                    f"received {', '.join(names)}; move {names[place]} before it"
                )
            elif isinstance(op, Erasing) and op.normalized_only:
                raise ValueError(
                    f"{names[place]}: this mode paints normalized numbers; received {', '.join(names)}; "
                    "move it behind NormalizeImage"
                )
            elif not isinstance(op, DecodeImage):
                self._steps.append(op)
            elif place == 0:
                self._decode = op
            else:
                raise ValueError(f"DecodeImage: must come first; received {', '.join(names)}; move it there")
        self._normalize = _normalization(end)

    def sample(self, source: Union[bytes, Image], rng: np.random.Generator) -> Image:
        """Return the HWC uint8 image made of a file's bytes, or of what `decode` takes else.

        Raises DataError, whatever fails; the caller adds the file's name.
        """
        return self.transform(self.decode(source), rng)

    def decode(self, source: Any) -> Image:
        """Return the image of a file's bytes, of an array or of an image of Pillow. Raises UndecodableError."""
        with OneImage():
            return self._decode(source) if isinstance(source, bytes) else self._decode.take(source)

    def transform(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a decoded image after all steps. Raises DataError."""
        step: Optional[Transform] = None
        with OneImage(lambda error: _failed(step, error)):
            for step in self._steps:
                image = step(image, rng)
        return image

    def finish(
        self,
        images_NHWC: Image,
        *,
        rngs: Optional[Iterable[np.random.Generator]] = None,
        out: Optional[NDArray[np.floating[Any]]] = None,
    ) -> NDArray[np.floating[Any]]:
        """Return the uint8 images of `sample` as contiguous, normalized float32 NCHW, in `out` if it is given.

        float16 if NormalizeImage has `output_fp16`. `rngs` are for what follows NormalizeImage, one per image; without
        them it draws the same each time.
        """
        finished = self._normalize.batch(images_NHWC, out)
        if self._erasings:
            rngs = rngs or map(np.random.default_rng, range(len(finished)))
            for image_CHW, rng in zip(finished, rngs):
                for erasing in self._erasings:
                    erasing.erase(image_CHW[:3].transpose(1, 2, 0), rng)
        return finished

    def restore(self, images_NCHW: NDArray[np.floating[Any]]) -> Image:
        """Return finished images as uint8 NHWC, as they were before NormalizeImage."""
        return self._normalize.restore(images_NCHW)


def _failed(step: Optional[Transform], error: Exception) -> UndecodableError:
    return UndecodableError(
        f"{type(step).__name__}: fails on this image; {in_words(error)}; correct transform_ops or remove the image"
    )


def _normalization(end: Sequence[Union[NormalizeImage, ToCHWImage]]) -> NormalizeImage:
    """Return the one NormalizeImage of `end`, after checking that what it says fits its place."""
    normalizations = [op for op in end if isinstance(op, NormalizeImage)]
    if len(normalizations) > 1 or len(end) - len(normalizations) > 1:
        names = ", ".join(type(op).__name__ for op in end)
        raise ValueError(f"{type(end[-1]).__name__}: stands twice; received {names}; remove one")
    scaled = bool(end) and isinstance(end[0], ToTensor)
    if not normalizations:
        return NormalizeImage(scale=1 / 255 if scaled else 1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    if scaled != isinstance(normalizations[0], Normalize):
        raise ValueError(
            f"{type(normalizations[0]).__name__}: after ToTensor stands Normalize, and nowhere else; "
            f"received {', '.join(type(op).__name__ for op in end)}; write ToTensor, Normalize"
        )
    layout = "chw" if isinstance(end[0], ToCHWImage) else "hwc"
    order = normalizations[0].order
    if order is not None and (order or "hwc") != layout:
        place = "after ToCHWImage" if layout == "chw" else "without a ToCHWImage before it"
        raise ValueError(
            f"NormalizeImage: order doesn't fit its place {place}; received order: '{order}'; "
            f"write order: '{layout}', or move ToCHWImage"
        )
    return normalizations[0]
