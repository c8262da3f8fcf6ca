"""Which of the engines that can run a model does so."""

import time
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.inference.engines import faster


class Sleeping:
    """A runtime that takes its time, most of it for the first call."""

    about = "sleeps"
    description: Optional[str] = None

    def __init__(self, first_seconds: float, seconds: float) -> None:
        self.first_seconds, self.seconds, self.num_calls = first_seconds, seconds, 0

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        self.num_calls += 1
        time.sleep(self.first_seconds if self.num_calls == 1 else self.seconds)
        return np.zeros((len(images), 2), np.float32)

    def clone(self) -> "Sleeping":
        return self


def test_the_faster_one_is_taken_whatever_its_first_call_takes() -> None:
    slow, quick, images = Sleeping(0, 0.05), Sleeping(0.1, 0.001), np.zeros((1, 3, 8, 8), np.float32)
    assert faster(slow, quick, images) is quick
    assert faster(quick, slow, images) is quick


def test_a_model_that_takes_long_is_tried_but_once() -> None:
    first, second = Sleeping(0, 0.3), Sleeping(0, 0.3)
    faster(first, second, np.zeros((1, 3, 8, 8), np.float32))
    assert (first.num_calls, second.num_calls) == (2, 2)
