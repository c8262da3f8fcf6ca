"""The layers that architectures are made of: the only things that compute."""

from ppcls.models.layers.conv import ConvNormAct, Size, UnderscoreConvNormAct, as_size, same_padding
from ppcls.models.layers.drop import Dropout, DropPath, drop_rates
from ppcls.models.layers.linear import Head, Linear, Mlp, UniformLinear
from ppcls.models.layers.norm import LayerNorm, LayerNorm2D, batch_norm
from ppcls.models.layers.operators import STOCK, Activation, DataFormat, activate, compute_with, computing_layers
from ppcls.models.layers.pools import AvgPool, Branch, GlobalAvgPool, MaxPool
from ppcls.models.layers.sizes import make_divisible
from ppcls.models.layers.squeeze_excite import LinearSqueezeExcite, SqueezeExcite
from ppcls.models.layers.sync_norm import synchronise

__all__ = [
    "STOCK",
    "Activation",
    "AvgPool",
    "Branch",
    "ConvNormAct",
    "DataFormat",
    "DropPath",
    "Dropout",
    "GlobalAvgPool",
    "Head",
    "LayerNorm",
    "LayerNorm2D",
    "Linear",
    "LinearSqueezeExcite",
    "MaxPool",
    "Mlp",
    "Size",
    "SqueezeExcite",
    "UnderscoreConvNormAct",
    "UniformLinear",
    "activate",
    "as_size",
    "batch_norm",
    "compute_with",
    "computing_layers",
    "drop_rates",
    "make_divisible",
    "same_padding",
    "synchronise",
]
