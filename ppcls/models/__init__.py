"""The architectures: which module has which names."""

from ppcls.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "ppcls.models.resnet": "ResNet18 ResNet34 ResNet50 ResNet101 ResNet152 "
        "ResNet18_vd ResNet34_vd ResNet50_vd ResNet101_vd ResNet152_vd ResNet200_vd ResNet50_vc",
        "ppcls.models.resnext": "SE_ResNet18_vd SE_ResNet34_vd SE_ResNet50_vd ResNeXt50_32x4d ResNeXt50_64x4d "
        "ResNeXt101_32x4d ResNeXt101_64x4d ResNeXt152_32x4d ResNeXt152_64x4d ResNeXt50_vd_32x4d ResNeXt50_vd_64x4d "
        "ResNeXt101_vd_32x4d ResNeXt101_vd_64x4d ResNeXt152_vd_32x4d ResNeXt152_vd_64x4d SE_ResNeXt50_vd_32x4d "
        "SENet154_vd SE_ResNeXt50_32x4d SE_ResNeXt101_32x4d SE_ResNeXt152_64x4d",
        "ppcls.models.resnext_wsl": "ResNeXt101_32x8d_wsl ResNeXt101_32x16d_wsl ResNeXt101_32x32d_wsl "
        "ResNeXt101_32x48d_wsl",
        "ppcls.models.pplcnet": "PPLCNetBaseNet PPLCNet_x0_25 PPLCNet_x0_35 PPLCNet_x0_5 PPLCNet_x0_75 PPLCNet_x1_0 "
        "PPLCNet_x1_5 PPLCNet_x2_0 PPLCNet_x2_5",
        "ppcls.models.mobilenetv3": "MobileNetV3_small_x0_35 MobileNetV3_small_x0_5 MobileNetV3_small_x0_75 "
        "MobileNetV3_small_x1_0 MobileNetV3_small_x1_25 MobileNetV3_large_x0_35 MobileNetV3_large_x0_5 "
        "MobileNetV3_large_x0_75 MobileNetV3_large_x1_0 MobileNetV3_large_x1_25",
    },
)
