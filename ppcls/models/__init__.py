"""The architectures: which module has which names."""

from ppcls.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "ppcls.models.resnet": "ResNet18 ResNet34 ResNet50 ResNet101 ResNet152 "
        "ResNet18_vd ResNet34_vd ResNet50_vd ResNet101_vd ResNet152_vd ResNet200_vd ResNet50_vc",
        "ppcls.models.pplcnet": "PPLCNetBaseNet PPLCNet_x0_25 PPLCNet_x0_35 PPLCNet_x0_5 PPLCNet_x0_75 PPLCNet_x1_0 "
        "PPLCNet_x1_5 PPLCNet_x2_0 PPLCNet_x2_5",
    },
)
