"""Architectures that are a chain of layers."""

import numpy as np
import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import ConvNormAct, GlobalAvgPool, Head


class Small(Chain):
    head_name = "end.0.1"
    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, 4, 3, stride=2, act="leaky_relu")
        self.pool = GlobalAvgPool()
        self.end = nn.Sequential(nn.Sequential(nn.Flatten(), Head(4, 5)))


def test_a_chain_whose_head_is_inside_its_last_layer_can_be_made_a_graph() -> None:
    model = Small()
    model.eval()
    images = paddle.randn([2, 3, 8, 8])
    assert model.features(images).shape == [2, 4]
    expected = model(images).numpy()
    graph = paddle.jit.to_static(model, full_graph=True)
    np.testing.assert_allclose(graph(images).numpy(), expected, rtol=1e-5, atol=1e-6)
