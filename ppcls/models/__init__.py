"""The architectures, and the gears of those for retrieval: which module has which names."""

from ppcls.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "ppcls.models.resnet": "ResNet18 ResNet34 ResNet50 ResNet101 ResNet152 ResNet18_vd ResNet34_vd ResNet50_vd "
        "ResNet101_vd ResNet152_vd ResNet200_vd ResNet50_vc",
        "ppcls.models.resnet_variants": "ResNet50_last_stage_stride1 ResNet50_adaptive_max_pool2d ResNet50_metabin",
        "ppcls.models.resnext": "SE_ResNet18_vd SE_ResNet34_vd SE_ResNet50_vd ResNeXt50_32x4d ResNeXt50_64x4d "
        "ResNeXt101_32x4d ResNeXt101_64x4d ResNeXt152_32x4d ResNeXt152_64x4d ResNeXt50_vd_32x4d ResNeXt50_vd_64x4d "
        "ResNeXt101_vd_32x4d ResNeXt101_vd_64x4d ResNeXt152_vd_32x4d ResNeXt152_vd_64x4d SE_ResNeXt50_vd_32x4d "
        "SENet154_vd SE_ResNeXt50_32x4d SE_ResNeXt101_32x4d SE_ResNeXt152_64x4d",
        "ppcls.models.resnext_wsl": "ResNeXt101_32x8d_wsl ResNeXt101_32x16d_wsl ResNeXt101_32x32d_wsl "
        "ResNeXt101_32x48d_wsl",
        "ppcls.models.pplcnet": "PPLCNetBaseNet PPLCNet_x0_25 PPLCNet_x0_35 PPLCNet_x0_5 PPLCNet_x0_75 PPLCNet_x1_0 "
        "PPLCNet_x1_5 PPLCNet_x2_0 PPLCNet_x2_5 PPLCNet_x2_5_Tanh",
        "ppcls.models.mobilenetv3": "MobileNetV3_small_x0_35 MobileNetV3_small_x0_5 MobileNetV3_small_x0_75 "
        "MobileNetV3_small_x1_0 MobileNetV3_small_x1_25 MobileNetV3_large_x0_35 MobileNetV3_large_x0_5 "
        "MobileNetV3_large_x0_75 MobileNetV3_large_x1_0 MobileNetV3_large_x1_25",
        "ppcls.models.pphgnetv2": "PPHGNetV2_B0 PPHGNetV2_B1 PPHGNetV2_B2 PPHGNetV2_B3 PPHGNetV2_B4 PPHGNetV2_B5 "
        "PPHGNetV2_B6",
        "ppcls.models.mobilenetv1": "MobileNetV1_x0_25 MobileNetV1_x0_5 MobileNetV1_x0_75 MobileNetV1",
        "ppcls.models.fasternet": "FasterNet_T0 FasterNet_T1 FasterNet_T2 FasterNet_S FasterNet_M FasterNet_L",
        "ppcls.models.mobilenetv2": "MobileNetV2_x0_25 MobileNetV2_x0_5 MobileNetV2_x0_75 MobileNetV2 "
        "MobileNetV2_x1_5 MobileNetV2_x2_0",
        "ppcls.models.mobilenetv4": "MobileNetV4_conv_small MobileNetV4_conv_medium MobileNetV4_hybrid_medium "
        "MobileNetV4_conv_large MobileNetV4_hybrid_large",
        "ppcls.models.pphgnet": "PPHGNet_tiny PPHGNet_small PPHGNet_base",
        "ppcls.models.starnet": "StarNet_S1 StarNet_S2 StarNet_S3 StarNet_S4",
        "ppcls.models.pplcnetv2": "PPLCNetV2_small PPLCNetV2_base PPLCNetV2_large PPLCNetV2_base_ShiTu",
        "ppcls.models.shufflenetv2": "ShuffleNetV2_x0_25 ShuffleNetV2_x0_33 ShuffleNetV2_x0_5 ShuffleNetV2_x1_0 "
        "ShuffleNetV2_x1_5 ShuffleNetV2_x2_0 ShuffleNetV2_swish",
        "ppcls.models.efficientnet": "EfficientNetB0_small EfficientNetB0 EfficientNetB1 EfficientNetB2 "
        "EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetB3_watermark",
        "ppcls.models.efficientnetv2": "EfficientNetV2_S",
        "ppcls.models.ghostnet": "GhostNet_x0_5 GhostNet_x1_0 GhostNet_x1_3",
        "ppcls.models.esnet": "ESNet_x0_25 ESNet_x0_5 ESNet_x0_75 ESNet_x1_0",
        "ppcls.models.mixnet": "MixNet_S MixNet_M MixNet_L",
        "ppcls.models.rexnet": "ReXNet_1_0 ReXNet_1_3 ReXNet_1_5 ReXNet_2_0 ReXNet_3_0",
        "ppcls.models.tinynet": "TinyNet_E TinyNet_D TinyNet_C TinyNet_B TinyNet_A",
        "ppcls.models.mobilenext": "MobileNeXt_x0_35 MobileNeXt_x0_5 MobileNeXt_x0_75 MobileNeXt_x1_0 MobileNeXt_x1_4",
        "ppcls.models.mobilevit": "MobileViT_XXS MobileViT_XS MobileViT_S",
        "ppcls.models.mobilevitv2": "MobileViTV2_x0_5 MobileViTV2_x0_75 MobileViTV2_x1_0 MobileViTV2_x1_25 "
        "MobileViTV2_x1_5 MobileViTV2_x1_75 MobileViTV2_x2_0",
        "ppcls.models.mobilevitv3": "MobileViTV3_XXS MobileViTV3_XS MobileViTV3_S MobileViTV3_XXS_L2 "
        "MobileViTV3_XS_L2 MobileViTV3_S_L2 MobileViTV3_x0_5 MobileViTV3_x0_75 MobileViTV3_x1_0",
        "ppcls.models.peleenet": "PeleeNet",
        "ppcls.models.squeezenet": "SqueezeNet1_1 SqueezeNet1_0",
        "ppcls.models.repvgg": "RepVGG_A0 RepVGG_A1 RepVGG_A2 RepVGG_B0 RepVGG_B1 RepVGG_B1g2 RepVGG_B1g4 RepVGG_B2 "
        "RepVGG_B2g4 RepVGG_B3 RepVGG_B3g4 RepVGG_D2se",
        "ppcls.models.regnet": "RegNetX_200MF RegNetX_400MF RegNetX_600MF RegNetX_800MF RegNetX_1600MF RegNetX_3200MF "
        "RegNetX_4GF RegNetX_6400MF RegNetX_8GF RegNetX_12GF RegNetX_16GF RegNetX_32GF",
        "ppcls.models.vgg": "VGG11 VGG13 VGG16 VGG19 VGG19Sigmoid",
        "ppcls.models.alexnet": "AlexNet",
        "ppcls.models.densenet": "DenseNet121 DenseNet161 DenseNet169 DenseNet201 DenseNet264",
        "ppcls.models.googlenet": "GoogLeNet",
        "ppcls.models.inceptionv3": "InceptionV3",
        "ppcls.models.swin_transformer": "SwinTransformer_tiny_patch4_window7_224 "
        "SwinTransformer_small_patch4_window7_224 SwinTransformer_base_patch4_window7_224 "
        "SwinTransformer_base_patch4_window12_384 SwinTransformer_large_patch4_window7_224 "
        "SwinTransformer_large_patch4_window12_384",
        "ppcls.models.solider": "SwinTransformer_tiny_patch4_window7_224_SOLIDER "
        "SwinTransformer_small_patch4_window7_224_SOLIDER SwinTransformer_base_patch4_window7_224_SOLIDER",
        "ppcls.models.swin_transformer_v2": "SwinTransformerV2_tiny_patch4_window8_256 "
        "SwinTransformerV2_tiny_patch4_window16_256 SwinTransformerV2_small_patch4_window8_256 "
        "SwinTransformerV2_small_patch4_window16_256 SwinTransformerV2_base_patch4_window8_256 "
        "SwinTransformerV2_base_patch4_window16_256 SwinTransformerV2_base_patch4_window24_384 "
        "SwinTransformerV2_large_patch4_window16_256 SwinTransformerV2_large_patch4_window24_384",
        "ppcls.models.convnext": "ConvNeXt_tiny ConvNeXt_small ConvNeXt_base_224 ConvNeXt_base_384 "
        "ConvNeXt_large_224 ConvNeXt_large_384",
        "ppcls.models.vision_transformer": "ViT_small_patch16_224 ViT_base_patch16_224 ViT_base_patch16_384 "
        "ViT_base_patch32_384 ViT_large_patch16_224 ViT_large_patch16_384 ViT_large_patch32_384",
        "ppcls.models.distilled_vision_transformer": "DeiT_tiny_patch16_224 DeiT_tiny_distilled_patch16_224 "
        "DeiT_small_patch16_224 DeiT_small_distilled_patch16_224 DeiT_base_patch16_224 DeiT_base_distilled_patch16_224 "
        "DeiT_base_patch16_384 DeiT_base_distilled_patch16_384",
        "ppcls.models.foundation_vit": "MOCOV3_vit_small MOCOV3_vit_base CLIP_vit_base_patch16_224 "
        "CLIP_vit_base_patch32_224 CLIP_vit_large_patch14_224 CLIP_vit_large_patch14_336 MAE_vit_base_patch16 "
        "MAE_vit_large_patch16 MAE_vit_huge_patch14 EVA_vit_giant_patch14 BEiTv2_vit_base_patch16_224 "
        "BEiTv2_vit_large_patch16_224 CAE_vit_base_patch16_224",
        "ppcls.models.cae": "cae_base_patch16_224 cae_large_patch16_224",
        "ppcls.models.aesthetic": "CLIP_large_patch14_224_aesthetic",
        "ppcls.models.pvt_v2": "PVT_V2_B0 PVT_V2_B1 PVT_V2_B2 PVT_V2_B2_Linear PVT_V2_B3 PVT_V2_B4 PVT_V2_B5",
        "ppcls.models.twins": "pcpvt_small pcpvt_base pcpvt_large alt_gvt_small alt_gvt_base alt_gvt_large",
        "ppcls.models.cswin_transformer": "CSWinTransformer_tiny_224 CSWinTransformer_small_224 "
        "CSWinTransformer_base_224 CSWinTransformer_base_384 CSWinTransformer_large_224 CSWinTransformer_large_384",
        "ppcls.models.van": "VAN_B0 VAN_B1 VAN_B2 VAN_B3",
        "ppcls.models.tnt": "TNT_small TNT_base",
        "ppcls.models.res2net": "Res2Net50_14w_8s Res2Net50_26w_4s Res2Net50_vd_26w_4s Res2Net101_vd_26w_4s "
        "Res2Net200_vd_26w_4s",
        "ppcls.models.hrnet": "HRNet_W18_C HRNet_W30_C HRNet_W32_C HRNet_W40_C HRNet_W44_C HRNet_W48_C HRNet_W60_C "
        "HRNet_W64_C SE_HRNet_W64_C",
        "ppcls.models.dla": "DLA46x_c DLA46_c DLA60x_c DLA34 DLA60x DLA60 DLA102x DLA102 DLA102x2 DLA169",
        "ppcls.models.darknet": "DarkNet53",
        "ppcls.models.cspnet": "CSPDarkNet53",
        "ppcls.models.dpn": "DPN68 DPN92 DPN98 DPN107 DPN131",
        "ppcls.models.resnest": "ResNeSt50_fast_1s1x64d ResNeSt50 ResNeSt101 ResNeSt200 ResNeSt269",
        "ppcls.models.xception": "Xception41 Xception65 Xception71",
        "ppcls.models.xception_deeplab": "Xception41_deeplab Xception65_deeplab",
        "ppcls.models.inceptionv4": "InceptionV4",
        "ppcls.models.hardnet": "HarDNet39_ds HarDNet68_ds HarDNet68 HarDNet85",
        "ppcls.models.rednet": "RedNet26 RedNet38 RedNet50 RedNet101 RedNet152",
        "ppcls.models.wideresnet": "WideResNet",
        "ppcls.models.adaface_ir": "AdaFace_IR_18 AdaFace_IR_34 AdaFace_IR_50 AdaFace_IR_SE_50 AdaFace_IR_101 "
        "AdaFace_IR_SE_101 AdaFace_IR_152 AdaFace_IR_SE_152 AdaFace_IR_SE_200",
        "ppcls.models.dsnet": "DSNet_tiny DSNet_small DSNet_base",
        "ppcls.models.micronet": "MicroNet_M0 MicroNet_M1 MicroNet_M2 MicroNet_M3",
        "ppcls.models.levit": "LeViT_128S LeViT_128 LeViT_192 LeViT_256 LeViT_384",
        "ppcls.models.svtr": "SVTR_tiny SVTR_base SVTR_large",
        "ppcls.models.cvt": "CvT_13_224 CvT_13_384 CvT_21_224 CvT_21_384 CvT_W24_384",
        "ppcls.models.uniformer": "UniFormer_small UniFormer_small_plus UniFormer_small_plus_dim64 UniFormer_base "
        "UniFormer_base_ls",
        "ppcls.models.nextvit": "NextViT_small_224 NextViT_small_384 NextViT_base_224 NextViT_base_384 "
        "NextViT_large_224 NextViT_large_384",
    },
    composed={
        "ppcls.models.distillation": "DistillationModel AttentionModel",
        "ppcls.models.afd": "LinearTransformTeacher LinearTransformStudent",
        "ppcls.models.rec_model": "RecModel",
    },
)
NECKS = Registry("neck", {"ppcls.models.gears": "FC BNNeck VehicleNeck FRFNNeck Tanh"})
HEADS = Registry("head", {"ppcls.models.gears": "FC ArcMargin CosMargin CircleMargin AdaMargin"})
INITIALIZERS = Registry("initializer", {"ppcls.models.initializers": "Constant Normal KaimingNormal KaimingUniform"})
