"""ML-Decoder: a head that looks for each class wherever it is in an image. Source: https://arxiv.org/abs/2111.12933.

Names in the state dict: PaddleClas (Apache-2.0).
"""

import math
from collections.abc import Iterable

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers import for_each_image
from ppcls.models.model import Model


class CrossLayer(nn.TransformerDecoderLayer):
    """A decoder layer whose queries do not see each other."""

    def __init__(self, width: int, *, num_heads: int, hidden: int, dropout: float) -> None:
        super().__init__(width, num_heads, hidden, dropout, activation="relu")
        del self.self_attn

    def forward(self, queries: paddle.Tensor, places: paddle.Tensor) -> paddle.Tensor:
        """Return new queries [N, queries, width] that have seen the places [N, H * W, width]."""
        x = self.norm1(queries + self.dropout1(queries))
        x = self.norm2(x + self.dropout2(self.cross_attn(x, places, places)))
        return self.norm3(x + self.dropout3(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class MLDecoder(nn.Layer):
    """Feature maps [N, in_channels, H, W], or features of one place [N, in_channels] -> logits [N, class_num].

    Each of `query_num` fixed random queries is answered for its share of the classes.
    """

    def __init__(self, in_channels: int, class_num: int, *, query_num: int, width: int = 768) -> None:
        super().__init__()
        query_num = min(query_num, class_num)
        self.class_num = class_num
        self.input_proj = nn.Conv2D(in_channels, width, 1)
        self.query_pos_embed = nn.Embedding(query_num, width)
        nn.initializer.Normal()(self.query_pos_embed.weight)
        self.query_pos_embed.weight.stop_gradient = True
        self.decoder = nn.Layer()
        self.decoder.layers = nn.LayerList([CrossLayer(width, num_heads=8, hidden=2048, dropout=0.1)])
        group = math.ceil(class_num / query_num)
        self.group_conv = nn.Conv2D(
            query_num * width,
            query_num * group,
            1,
            groups=query_num,
            weight_attr=paddle.ParamAttr(initializer=nn.initializer.XavierNormal()),
            bias_attr=paddle.ParamAttr(initializer=nn.initializer.Constant(0.0)),
        )

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        maps_NCHW = features.unsqueeze([2, 3]) if features.ndim == 2 else features
        places = F.relu(self.input_proj(maps_NCHW)).flatten(2).transpose([0, 2, 1])
        queries = for_each_image(self.query_pos_embed.weight.unsqueeze(0), maps_NCHW)
        for layer in self.decoder.layers:
            queries = layer(queries, places)
        grouped = self.group_conv(queries.flatten(1).unsqueeze([2, 3]))
        return grouped.flatten(1)[:, : self.class_num]


def put_ml_decoder(model: Model, class_num: int, query_num: int) -> None:
    """Put an ML-Decoder in place of a model's head and of the average pool before it.

    A model without such a pool, as of transformers, shows it one place. Raises ValueError for one without one head.
    """
    name = model.head_name.split(".")[0]
    if not hasattr(model, name) or type(model).forward is not Model.forward:
        raise ValueError(f"{type(model).__name__} has more than one head, or none; choose another architecture")
    model.keep_places()
    model.head_name = name
    setattr(model, name, MLDecoder(model.num_features, class_num, query_num=query_num))


def replaced_heads(model: nn.Layer, names: Iterable[str]) -> set[str]:
    """Return the names in a state dict that are of an ML-Decoder, or of the other head where `names` has that."""
    state = set(model.state_dict())
    prefixes = [f"{name}." for name, layer in model.named_sublayers() if isinstance(layer, MLDecoder)]
    replaced = [prefix for prefix in prefixes if not any(n.startswith(prefix) and n in state for n in names)]
    return {name for name in (*state, *names) if name.startswith(tuple(replaced))}
