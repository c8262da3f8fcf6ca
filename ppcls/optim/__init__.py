"""Optimizers, regularizers and learning-rate schedules: which module has which names."""

from ppcls.registry import Registry

OPTIMIZERS = Registry(
    "optimizer",
    {
        "ppcls.optim.optimizers": "SGD Momentum Adam AdamW AdamWDL RMSProp",
        "ppcls.optim.large_batch": "LarsMomentum Lamb",
    },
)
REGULARIZERS = Registry("regularizer", {"ppcls.optim.regularizers": "L1 L2"})
SCHEDULES = Registry(
    "learning-rate schedule",
    {
        "ppcls.optim.schedules": "Constant ConstLR Linear Cosine CosineFixmatch Step Piecewise MultiStepDecay "
        "Trapezoid",
        "ppcls.optim.cycles": "Cyclic OneCycleLR",
        "ppcls.optim.plateau": "ReduceOnPlateau",
    },
)
