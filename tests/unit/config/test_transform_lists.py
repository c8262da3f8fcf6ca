"""Lists of transforms in the forms of PaddleClas's configs are read, written back, and built."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from ppcls.config import RunConfig, dump_config, load_config
from ppcls.data import SAMPLERS
from ppcls.errors import ConfigError
from ppcls.images import BATCH_TRANSFORMS, stream
from ppcls.losses import LOSSES
from ppcls.registry import Facts

NORMALIZE = """
- NormalizeImage:
    scale: 1.0/255.0
    mean: [0.485, 0.456, 0.406]
    std: [0.229, 0.224, 0.225]
    order: ''
"""
DECODE = """
- DecodeImage:
    to_rgb: True
    channel_first: False
"""
TRANSFORMER = (
    DECODE
    + """
- RandCropImage:
    size: 224
    interpolation: bicubic
    backend: pil
- RandFlipImage:
    flip_code: 1
- TimmAutoAugment:
    config_str: rand-m9-mstd0.5-inc1
    interpolation: bicubic
    img_size: 224
"""
    + NORMALIZE
    + """
- RandomErasing:
    EPSILON: 0.25
    sl: 0.02
    sh: 1.0/3.0
    r1: 0.3
    attempt: 10
    use_log_aspect: True
    mode: pixel
"""
)
CROPPED = DECODE + "- RandCropImage: {size: 224}\n- RandFlipImage: {flip_code: 1}\n"
LISTS = {
    "DeiT, Swin, PP-HGNet": TRANSFORMER,
    "GridMask": CROPPED + NORMALIZE + "- GridMask: {d1: 96, d2: 224, rotate: 1, ratio: 0.5, mode: 0}\n",
    "HideAndSeek": CROPPED + NORMALIZE + "- HideAndSeek:\n",
    "Cutout": CROPPED + NORMALIZE + "- Cutout: {n_holes: 1, length: 112}\n",
    "RandomErasing": CROPPED
    + NORMALIZE
    + "- RandomErasing: {EPSILON: 0.5, sl: 0.02, sh: 0.4, r1: 0.3, mean: [0., 0., 0.]}\n- ToCHWImage:\n",
    "AutoAugment": CROPPED + "- AutoAugment:\n" + NORMALIZE,
    "RandAugment": CROPPED + "- RandAugment: {num_layers: 2, magnitude: 5}\n" + NORMALIZE,
    "AugMix": CROPPED + "- AugMix:\n" + NORMALIZE,
    "MobileViTv2": """
- DecodeImage: {to_rgb: True, channel_first: False, backend: pil}
- RandCropImage: {size: 256, interpolation: bicubic, backend: pil, use_log_aspect: True}
- RandFlipImage: {flip_code: 1}
- RandAugmentV3: {num_layers: 2, interpolation: bicubic}
- NormalizeImage: {scale: 1.0/255.0, mean: [0.0, 0.0, 0.0], std: [1.0, 1.0, 1.0], order: ''}
- RandomErasing: {EPSILON: 0.25, sl: 0.02, sh: 1.0/3.0, r1: 0.3, attempt: 10, use_log_aspect: True, mode: const}
""",
    "EfficientNetV2": """
- DecodeImage: {to_rgb: True, channel_first: False}
- CropImageAtRatio: {size: 384, pad: 32, interpolation: bilinear}
- RandAugmentV2: {num_layers: 2, magnitude: 5}
- NormalizeImage: {scale: 1.0, mean: [128.0, 128.0, 128.0], std: [128.0, 128.0, 128.0], order: ""}
""",
    "MobileNeXt": """
- DecodeImage: {to_rgb: True, channel_first: False, backend: pil}
- RandCropImage: {size: 224, interpolation: random, backend: pil}
- ColorJitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0}
"""
    + NORMALIZE,
    "BEiT v2": DECODE
    + """
- RandomResizedCropAndInterpolation: {size: 224, interpolation: bicubic}
- RandomHorizontalFlip: {prob: 0.5}
- RawTimmAutoAugment: {config_str: rand-m9-mstd0.5-inc1, interpolation: bicubic, img_size: 224}
"""
    + NORMALIZE
    + "- ToTensor:\n",
    "CIFAR-10 of FixMatch": """
- RandomHorizontalFlip: {prob: 0.5}
- RandomCrop: {size: 32, padding: 4, padding_mode: "reflect"}
- RandomApply: {transforms: [ColorJitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}], p: 0.8}
- RandomGrayscale: {p: 0.2}
- ToTensor:
- Normalize: {mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616]}
""",
    "attributes of persons": """
- DecodeImage: {to_rgb: True, channel_first: False}
- ResizeImage: {size: [192, 256]}
- TimmAutoAugment: {prob: 0.8, config_str: rand-m9-mstd0.5-inc1, interpolation: bicubic, img_size: [192, 256]}
- Padv2: {size: [212, 276], pad_mode: 1, fill_value: 0}
- RandomCropImage: {size: [192, 256]}
- RandFlipImage: {flip_code: 1}
"""
    + NORMALIZE,
}
MIXING = """\
- OpSampler:
    MixupOperator:
      alpha: 0.8
      prob: 0.5
    CutmixOperator:
      alpha: 1.0
      prob: 0.5
"""
HYBRID = "- MixupCutmixHybrid: {mixup_alpha: 0.8, cutmix_alpha: 1.0, switch_prob: 0.5, num_classes: 10}\n"
CONFIG = """\
Arch: {{name: ResNet18, class_num: 10}}
Loss:
  Train:
    - MixCELoss: {{weight: 1.0, epsilon: 0.1}}
DataLoader:
  Train:
    dataset:
      name: ImageNetDataset
      image_root: ./data
      cls_label_path: ./data/list.txt
      transform_ops:
{transforms}
      batch_transform_ops:
{mixing}
    sampler: {sampler}
"""


def load(
    folder: Path,
    transforms: str,
    mixing: str = MIXING,
    sampler: str = "{name: RepeatedAugSampler, batch_size: 64, drop_last: False, shuffle: True}",
) -> RunConfig:
    lists = {"transforms": textwrap.indent(transforms, " " * 8), "mixing": textwrap.indent(mixing, " " * 8)}
    file = folder / "run.yaml"
    file.write_text(CONFIG.format(sampler=sampler, **lists), encoding="utf-8")
    return load_config(str(file))


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_built_and_makes_a_batch(tmp_path: Path, name: str) -> None:
    data = load(tmp_path, LISTS[name]).DataLoader.Train
    assert data is not None
    pipeline = stream.pipeline(data.dataset.transform_ops)
    image = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    images = np.stack([pipeline.sample(image, np.random.default_rng(seed)) for seed in range(2)])
    assert pipeline.finish(images).dtype == np.float32


@pytest.mark.parametrize("mixings", [MIXING, HYBRID])
def test_mixing_samplers_and_losses_are_built_from_their_yaml(tmp_path: Path, mixings: str) -> None:
    config = load(tmp_path, TRANSFORMER, mixings)
    data = config.DataLoader.Train
    assert data is not None
    (mixing,) = (BATCH_TRANSFORMS.build(part, Facts(class_num=10)) for part in data.dataset.batch_transform_ops)
    _, soft = mixing(np.zeros((4, 3, 8, 8), np.float32), np.arange(4), np.random.default_rng(0))
    assert soft.shape == (4, 10)
    facts = Facts(labels=np.zeros(512), seed=0, rank=0, world_size=1, exact=False)
    assert len(SAMPLERS.build(data.sampler, facts)) == 8
    assert LOSSES.build(config.Loss.Train[0], Facts(class_counts=np.ones(10, np.int64))).epsilon == 0.1


@pytest.mark.parametrize("transforms", [TRANSFORMER, LISTS["CIFAR-10 of FixMatch"]])
def test_nested_operators_are_written_back_as_they_were(tmp_path: Path, transforms: str) -> None:
    config = load(tmp_path, transforms)
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config), encoding="utf-8")
    assert load_config(str(again)) == config


@pytest.mark.parametrize(
    ("mixing", "message"),
    [
        (
            "- OpSampler: {MixupOperator: {alpha: 0.8}}",
            "missing key '.*MixupOperator.prob', a number, from 0 to 1; add it",
        ),
        (
            "- OpSampler: {MixupOperator: {prob: 0.5, alfa: 1}}",
            "unknown argument of MixupOperator 'alfa'; did you mean 'alpha'",
        ),
        (
            "- OpSampler: {MixupOperator: {prob: 1.5}}",
            "MixupOperator.prob: expected from 0 to 1; received 1.5",
        ),
        (
            "- OpSampler: {Mixup: {prob: 1.0}}",
            "unknown argument of OpSampler 'Mixup'; known: class_num, MixupOperator, Cutmix",
        ),
    ],
)
def test_a_typo_inside_the_sampler_of_operators_is_found_when_the_config_is_read(
    tmp_path: Path, mixing: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, TRANSFORMER, mixing)


def test_a_transform_that_can_not_follow_normalizeimage_is_refused_with_its_place(tmp_path: Path) -> None:
    data = load(tmp_path, CROPPED + NORMALIZE + "- ColorJitter: {brightness: 0.4}\n").DataLoader.Train
    assert data is not None
    with pytest.raises(ConfigError, match=r"run.yaml:\d+: .*move ColorJitter before it"):
        stream.pipeline(data.dataset.transform_ops)
