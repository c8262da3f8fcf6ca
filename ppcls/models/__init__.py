"""The architectures: which module has which names."""

from ppcls.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "ppcls.models.resnet": "ResNet18 ResNet34 ResNet50 ResNet101 ResNet152 "
        "ResNet18_vd ResNet34_vd ResNet50_vd ResNet101_vd ResNet152_vd ResNet50_vc",
    },
)
