"""The losses: which module has which names."""

from ppcls.registry import Registry

LOSSES = Registry(
    "loss",
    {
        "ppcls.losses.cross_entropy": "CELoss MixCELoss SoftTargetCrossEntropy",
        "ppcls.losses.googlenet": "GoogLeNetLoss",
        "ppcls.losses.multi_label": "MultiLabelLoss",
        "ppcls.losses.asymmetric": "MultiLabelAsymmetricLoss",
        "ppcls.losses.bce": "BCELoss",
        "ppcls.losses.focal": "FocalLoss",
        "ppcls.losses.triplet": "TripletLoss TripletLossV2 TripletAngularMarginLoss TriHardLoss MSMLoss",
        "ppcls.losses.contrastive": "ContrastiveLoss SupConLoss SoftSupConLoss",
        "ppcls.losses.circle": "PairwiseCosface",
        "ppcls.losses.npairs": "NpairsLoss EmlLoss",
        "ppcls.losses.center": "CenterLoss",
        "ppcls.losses.memory": "ContrastiveLoss_XBM TripletAngularMarginLoss_XBM",
        "ppcls.losses.hashing": "DSHSDLoss LCDSHLoss DCHLoss",
        "ppcls.losses.distillation": "DistillationGTCELoss DistillationMultiLabelLoss DistillationCELoss "
        "DistillationKLDivLoss DistillationDMLLoss DistillationDistanceLoss",
        "ppcls.losses.distillation_logits": "DistillationDKDLoss DistillationDISTLoss DistillationWSLLoss "
        "DistillationSKDLoss",
        "ppcls.losses.distillation_features": "DistillationRKDLoss MGDLoss PEFDLoss AFDLoss",
    },
)
