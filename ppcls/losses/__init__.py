"""The losses: which module has which names."""

from ppcls.registry import Registry

LOSSES = Registry(
    "loss",
    {
        "ppcls.losses.cross_entropy": "CELoss MixCELoss",
        "ppcls.losses.distillation": "DistillationGTCELoss DistillationCELoss DistillationKLDivLoss "
        "DistillationDMLLoss DistillationDistanceLoss",
        "ppcls.losses.distillation_logits": "DistillationDKDLoss DistillationDISTLoss DistillationWSLLoss "
        "DistillationSKDLoss",
        "ppcls.losses.distillation_features": "DistillationRKDLoss MGDLoss PEFDLoss AFDLoss",
    },
)
