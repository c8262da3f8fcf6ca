"""How much memory a training takes, and what is done where there is less."""

import paddle
import pytest
from paddle import nn

from ppcls.errors import ConfigError
from ppcls.recipes.memory import GIB, Batches, fit, kept_bytes


def test_a_forward_pass_keeps_what_the_backward_pass_reads() -> None:
    with paddle.LazyGuard():
        network = nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 2))
    image, activated = 3 * 8 * 8, 4 * 8 * 8  # the linear layer reads the same numbers as the ReLU's gradient
    assert kept_bytes(network, 8) == 4 * (image + activated)


def test_what_does_not_fit_is_trained_on_in_parts_that_do() -> None:
    batches = fit("ResNet18", 224, 32, int(1.6 * GIB), least=2)
    assert (batches.size, batches.per_update) == (8, 4)
    assert batches.why == "8 images at a time, 4 times per update: 32 would take up to 1.7 GiB of 1.6 GiB"


def test_what_fits_is_left_as_it_is() -> None:
    assert fit("ResNet18", 224, 24, 3 * GIB, least=2) == Batches(24, 1, "up to 1.5 GiB of memory")
    assert fit("ResNet18", 224, 24, 64 * GIB, least=2) == Batches(24)  # of which nothing need be computed


@pytest.mark.parametrize(("model", "gib"), [("ViT_large_patch16_224", 8), ("ResNet18", 1.1)])
def test_a_model_that_does_not_fit_at_all_is_refused(model: str, gib: float) -> None:
    with pytest.raises(ConfigError, match=rf"model: {model} at 224 px takes \d+.\d GiB.*choose a smaller --model"):
        fit(model, 224, 32, int(gib * GIB), least=2)
