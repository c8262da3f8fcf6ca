import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.errors import ConfigError
from ppcls.losses.cross_entropy import CELoss
from ppcls.losses.googlenet import GoogLeNetLoss
from ppcls.models import ARCHITECTURES

RNG = np.random.default_rng(0)
LABELS = np.array([0, 3, 1])


def batch() -> Batch:
    return Batch(LABELS, paddle.to_tensor(LABELS))


def outputs(*names: str, trained: bool = True) -> dict[str, paddle.Tensor]:
    values = RNG.standard_normal((len(names), 3, 4)).astype("float32")
    return {name: paddle.to_tensor(value, stop_gradient=not trained) for name, value in zip(names, values)}


def entropy(logits: paddle.Tensor) -> float:
    return float(CELoss(np.ones(4, np.int64))(logits, paddle.to_tensor(LABELS)))


def test_auxiliary_heads_count_three_tenths_each() -> None:
    given = outputs("logits", "aux_0", "aux_1")
    expected = entropy(given["logits"]) + 0.3 * entropy(given["aux_0"]) + 0.3 * entropy(given["aux_1"])
    assert float(GoogLeNetLoss(weight=2.0).of(given, batch())) == pytest.approx(2 * expected, rel=1e-6)


def test_in_an_evaluation_the_logits_alone_count() -> None:
    given = outputs("logits", trained=False)
    assert float(GoogLeNetLoss().of(given, batch())) == entropy(given["logits"])


def test_a_model_without_auxiliary_heads_is_refused_in_training() -> None:
    with pytest.raises(ConfigError, match="GoogLeNetLoss: the model has no auxiliary heads; use CELoss"):
        GoogLeNetLoss().of(outputs("logits"), batch())


def test_all_heads_of_googlenet_are_trained() -> None:
    model = ARCHITECTURES.load("GoogLeNet")(class_num=4)
    images = paddle.to_tensor(RNG.standard_normal((3, 3, 224, 224)).astype("float32"))
    GoogLeNetLoss().of(model(images), batch()).backward()
    for name in ("_fc_out", "_out1", "_out2"):
        assert getattr(model, name).weight.grad is not None
