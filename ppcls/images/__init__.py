"""What happens to images, one by one and in batches: which module has which names."""

from ppcls.registry import Registry

TRANSFORMS = Registry(
    "transform",
    {
        "ppcls.images.decode": "DecodeImage",
        "ppcls.images.transforms.geometry": "ResizeImage CropImage RandCropImage RandFlipImage RandomHorizontalFlip",
        "ppcls.images.transforms.crops": "CropImageAtRatio RandomCropImage RandCropImageV2 CropWithPadding "
        "CenterCrop Resize RandomCrop RandomResizedCrop RandomResizedCropAndInterpolation",
        "ppcls.images.transforms.placing": "RandomRot90 RandomRotation Pad Padv2",
        "ppcls.images.transforms.tone": "ColorJitter RandomGrayscale PCALighting BlurImage RandomInterpolationAugment",
        "ppcls.images.transforms.policy": "AutoAugment RandAugment RandAugmentV2 RandAugmentV3 RandAugmentV4 AugMix",
        "ppcls.images.transforms.timm_policy": "TimmAutoAugment RawTimmAutoAugment",
        "ppcls.images.transforms.erasing": "Cutout HideAndSeek GridMask RandomErasing",
        "ppcls.images.transforms.chance": "RandomApply",
        "ppcls.images.transforms.layout": "NormalizeImage ToCHWImage ToTensor Normalize",
    },
)
BATCH_TRANSFORMS = Registry(
    "batch transform",
    {
        "ppcls.images.mixing.operators": "MixupOperator CutmixOperator FmixOperator OpSampler",
        "ppcls.images.mixing.hybrid": "MixupCutmixHybrid",
    },
)
