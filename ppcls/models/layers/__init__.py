"""The layers that architectures are made of: the only things that compute."""

from ppcls.models.layers.act import Act
from ppcls.models.layers.affine import LayerScale2D, LearnableAffine
from ppcls.models.layers.aggregation import OneShotAggregation
from ppcls.models.layers.attention import Attention, ReducedAttention, attend, keyless_bias, split_heads
from ppcls.models.layers.conv import (
    Conv2D,
    ConvNormAct,
    NormActConv,
    NormConvNormAct,
    Size,
    UnderscoreConvBN,
    UnderscoreConvNormAct,
    as_size,
    same_padding,
)
from ppcls.models.layers.conv_mlp import ConvMlp
from ppcls.models.layers.diverse_branch import DiverseBranchBlock
from ppcls.models.layers.drop import Dropout, DropPath, at_stage, drop_rates
from ppcls.models.layers.initial import draw_by_fan_out, draw_linears, truncated_normal
from ppcls.models.layers.inverted_residual import InvertedResidual
from ppcls.models.layers.joins import (
    Add,
    Branch,
    ChannelsLast,
    Concat,
    Flatten,
    Gate,
    Halves,
    Interleave,
    ModelLayout,
    Scale,
)
from ppcls.models.layers.linear import ConvHead, Head, Linear, Mlp, UniformLinear
from ppcls.models.layers.norm import BatchNorm, ImageNorm, LayerNorm, LayerNorm2D, batch_norms
from ppcls.models.layers.operators import STOCK, Activation, DataFormat, activate, compute_with, computing_layers
from ppcls.models.layers.patch_pixels import fold_patches, unfold_patches
from ppcls.models.layers.patches import PatchEmbed, for_each_image, positions_for
from ppcls.models.layers.pools import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ppcls.models.layers.relative_position import (
    RelativeAttention,
    relative_positions,
    relative_positions_with_class_token,
)
from ppcls.models.layers.residual import Residual
from ppcls.models.layers.shuffle import channel_shuffle
from ppcls.models.layers.sizes import make_divisible
from ppcls.models.layers.squeeze_excite import LinearSqueezeExcite, SqueezeExcite
from ppcls.models.layers.sync_norm import synchronise
from ppcls.models.layers.transformer import TransformerBlock
from ppcls.models.layers.windows import Windows, attend_in_windows, join_windows, pad_to_multiples, split_windows

__all__ = [
    "Windows",
    "Scale",
    "ModelLayout",
    "ChannelsLast",
    "Conv2D",
    "Interleave",
    "Halves",
    "Gate",
    "Flatten",
    "Concat",
    "Add",
    "Act",
    "Activation",
    "Attention",
    "AvgPool",
    "Branch",
    "ConvHead",
    "ConvMlp",
    "ConvNormAct",
    "DataFormat",
    "DiverseBranchBlock",
    "DropPath",
    "Dropout",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Head",
    "ImageNorm",
    "InvertedResidual",
    "LayerNorm",
    "LayerNorm2D",
    "LayerScale2D",
    "LearnableAffine",
    "Linear",
    "LinearSqueezeExcite",
    "MaxPool",
    "Mlp",
    "NormActConv",
    "NormConvNormAct",
    "OneShotAggregation",
    "PatchEmbed",
    "ReducedAttention",
    "RelativeAttention",
    "Residual",
    "STOCK",
    "Size",
    "SqueezeExcite",
    "TransformerBlock",
    "UnderscoreConvBN",
    "UnderscoreConvNormAct",
    "UniformLinear",
    "activate",
    "at_stage",
    "as_size",
    "attend",
    "attend_in_windows",
    "BatchNorm",
    "batch_norms",
    "for_each_image",
    "channel_shuffle",
    "compute_with",
    "computing_layers",
    "draw_by_fan_out",
    "draw_linears",
    "drop_rates",
    "fold_patches",
    "join_windows",
    "keyless_bias",
    "make_divisible",
    "pad_to_multiples",
    "positions_for",
    "relative_positions",
    "relative_positions_with_class_token",
    "same_padding",
    "split_heads",
    "split_windows",
    "synchronise",
    "truncated_normal",
    "unfold_patches",
]
