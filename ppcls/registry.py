"""Where each part that a config can name lives; the only such table.

A part is built from `{name: Momentum, momentum: 0.9}`. Its positional-only parameters come from the
builder (`engine/build.py`), all others from the YAML, checked against the constructor's annotations.
Names are known without importing anything; `load` imports the one module that holds the part.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from ppcls.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from ppcls.config.parts import Part


class Registry:
    """The parts of one kind: name -> constructor, imported on demand.

    `modules` maps a module to the names it defines, separated by spaces.
    """

    def __init__(self, kind: str, modules: Mapping[str, str]) -> None:
        self.kind = kind
        self.module_of = {name: module for module, names in modules.items() for name in names.split()}

    def __contains__(self, name: str) -> bool:
        return name in self.module_of

    def names(self) -> list[str]:
        """Return all names, in the order of the table."""
        return list(self.module_of)

    def fault(self, name: str) -> str:
        """Return what is wrong with the unknown `name`, with the nearest known one."""
        known = (
            f"known: {', '.join(self.module_of)}" if len(self.module_of) <= 12 else "docs/configs.md has all of them"
        )
        return f"unknown {self.kind} '{name}'" + (did_you_mean(name, self.module_of) or f"; {known}")

    def load(self, name: str) -> Callable[..., Any]:
        """Import and return the constructor of `name`. Raises ConfigError if it is unknown."""
        if name not in self.module_of:
            raise ConfigError(self.fault(name))
        constructor: Callable[..., Any] = getattr(importlib.import_module(self.module_of[name]), name)
        return constructor

    def build(self, part: "Part", *supplied: Any, **overrides: Any) -> Any:
        """Build a part from what the builder has `supplied` and from its YAML arguments.

        Raises ConfigError, with the part's place, for a value that the constructor refuses.
        """
        try:
            return self.load(part.name)(*supplied, **{**part.args, **overrides})
        except ValueError as error:
            raise ConfigError(f"{part.where}: {part.name}: {error}") from error


ARCHITECTURES = Registry(
    "architecture",
    {
        "ppcls.arch.resnet": "ResNet18 ResNet34 ResNet50 ResNet101 ResNet152 "
        "ResNet18_vd ResNet34_vd ResNet50_vd ResNet101_vd ResNet152_vd ResNet50_vc",
    },
)
LOSSES = Registry("loss", {"ppcls.loss": "CELoss MixCELoss"})
METRICS = Registry("metric", {"ppcls.metric": "TopkAcc"})
OPTIMIZERS = Registry(
    "optimizer",
    {"ppcls.optim.optimizers": "SGD Momentum Adam AdamW RMSProp", "ppcls.optim.large_batch": "LarsMomentum Lamb"},
)
REGULARIZERS = Registry("regularizer", {"ppcls.optim.regularizers": "L1 L2"})
SCHEDULES = Registry(
    "learning-rate schedule",
    {
        "ppcls.optim.schedules": "Constant ConstLR Linear Cosine Step Piecewise MultiStepDecay "
        "Cyclic OneCycleLR ReduceOnPlateau",
    },
)
DATASETS = Registry(
    "data set",
    {
        "ppcls.data.dataset": "ImageNetDataset ImageFolder MultiLabelDataset",
        "ppcls.data.packed": "PackedDataset",
        "ppcls.data.cifar": "Cifar10 Cifar100",
        "ppcls.data.mnist": "MNIST FashionMNIST",
    },
)
SAMPLERS = Registry(
    "sampler", {"ppcls.data.sampler": "BatchSampler DistributedBatchSampler RepeatedAugSampler ClassAwareSampler"}
)
TRANSFORMS = Registry(
    "transform",
    {
        "ppcls.transforms.decode": "DecodeImage",
        "ppcls.transforms.geometry": "ResizeImage CropImage RandCropImage RandFlipImage RandomHorizontalFlip",
        "ppcls.transforms.crops": "CropImageAtRatio RandomCropImage RandCropImageV2 CropWithPadding "
        "CenterCrop Resize RandomCrop RandomResizedCrop RandomResizedCropAndInterpolation",
        "ppcls.transforms.placing": "RandomRot90 RandomRotation Pad Padv2",
        "ppcls.transforms.tone": "ColorJitter RandomGrayscale PCALighting BlurImage RandomInterpolationAugment",
        "ppcls.transforms.policy": "AutoAugment RandAugment RandAugmentV2 RandAugmentV3 RandAugmentV4 AugMix",
        "ppcls.transforms.timm_policy": "TimmAutoAugment RawTimmAutoAugment",
        "ppcls.transforms.erasing": "Cutout HideAndSeek GridMask RandomErasing",
        "ppcls.transforms.chance": "RandomApply",
        "ppcls.transforms.layout": "NormalizeImage ToCHWImage ToTensor Normalize",
    },
)
BATCH_TRANSFORMS = Registry(
    "batch transform",
    {
        "ppcls.data.mixing": "MixupOperator CutmixOperator FmixOperator OpSampler",
        "ppcls.data.hybrid": "MixupCutmixHybrid",
    },
)
POSTPROCESSES = Registry("post-process", {"ppcls.postprocess": "Topk ThreshOutput MultiLabelThreshOutput"})
