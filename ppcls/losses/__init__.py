"""The losses: which module has which names."""

from ppcls.registry import Registry

LOSSES = Registry("loss", {"ppcls.losses.cross_entropy": "CELoss MixCELoss"})
