"""MNIST and Fashion-MNIST from their original files.

Source: LeCun et al. 1998, Gradient-based learning applied to document recognition; Xiao et al. 2017
(arXiv:1708.07747). The MD5 sums are those that both projects publish.
"""

import gzip
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Optional

import numpy as np

from ppcls.data.sources.base import ImagesInMemory
from ppcls.data.sources.checks import check_range
from ppcls.download import fetch
from ppcls.errors import DataError
from ppcls.images.decode import Image
from ppcls.images.pipeline import Pipeline


class MNIST(ImagesInMemory):
    """MNIST: 28x28 grey images of ten digits; 60000 to train, 10000 to test.

    `image_path` and `label_path` are the original files (IDX, also as .gz); those not given are downloaded once.
    """

    site = "https://ossci-datasets.s3.amazonaws.com/mnist"
    md5: Mapping[str, str] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    names: Sequence[str] = "0 1 2 3 4 5 6 7 8 9".split()

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        *,
        image_path: Optional[str] = None,
        label_path: Optional[str] = None,
        mode: Literal["train", "test"] = "train",
        download: bool = True,
    ) -> None:
        if not download and None in (image_path, label_path):
            missing = "image_path" if image_path is None else "label_path"
            raise ValueError(f"{missing}: is needed with download: False; received none; give the original file")
        prefix = "train" if mode == "train" else "t10k"
        image_path = image_path or self._fetch(f"{prefix}-images-idx3-ubyte.gz")
        label_path = label_path or self._fetch(f"{prefix}-labels-idx1-ubyte.gz")
        images, labels = _idx(image_path, 3), _idx(label_path, 1).astype(np.int64)
        if len(images) != len(labels):
            raise DataError(
                f"{label_path}: has a different number of entries than '{image_path}'; received {len(labels)} labels "
                f"for {len(images)} images; give two files of one set"
            )
        check_range(labels, class_num, lambda index: f"{label_path}: image {index}")
        super().__init__(pipeline, source=image_path, images=images, labels=labels, label_names=self.names)

    def _fetch(self, name: str) -> str:
        axes = 3 if "idx3" in name else 1
        url = f"{self.site}/{name}#md5={self.md5[name]}"
        return str(fetch(url, "datasets", lambda path: _idx(str(path), axes), DataError))


class FashionMNIST(MNIST):
    """Fashion-MNIST: ten kinds of clothes in the form of MNIST."""

    site = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    md5 = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    names = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")


def _idx(path: str, axes: int) -> Image:
    """Return the array of bytes in an IDX file. Raises DataError."""
    try:
        data = Path(path).read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: can't be read; {reason}; give the original file") from error
    # Two zeros, the type (8: bytes), the number of axes; then their lengths, 4 bytes each, the highest first.
    shape = np.frombuffer(data[4 : 4 + 4 * axes], ">u4").tolist()
    start = 4 + 4 * axes
    if data[:4] != bytes([0, 0, 8, axes]) or len(shape) != axes or len(data) != start + math.prod(shape):
        raise DataError(
            f"{path}: not an IDX file of bytes with {axes} axes; received {len(data)} bytes starting with "
            f"{data[:8]!r}; give the original file"
        )
    images: Image = np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    return images
