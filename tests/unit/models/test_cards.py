"""What the tables say of each architecture and of its official weights, held against what is built."""

import re

import paddle
import pytest

import ppcls
from ppcls.class_names import BUNDLED, read_label_map
from ppcls.config import load_config
from ppcls.engine.macs import count_macs
from ppcls.errors import ConfigError
from ppcls.images import stream
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import card_of, cards_of, resolve_pretrained, size_of, sizes
from ppcls.models.cards.card import WEIGHTS_FILE

OFFICIAL = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/"
CARDS = [card for name in ARCHITECTURES.names() for card in cards_of(name)]
# What a config composes of others; it has no size of its own.
COMPOSED = {"DistillationModel", "AttentionModel", "LinearTransformTeacher", "LinearTransformStudent", "RecModel"}
# Which takes the weights of another.
SHARING = {"ResNet50_last_stage_stride1": "ResNet50", "ResNet50_adaptive_max_pool2d": "ResNet50"}
# Of different kinds: convolutions, squeeze-and-excitation, branches to fuse, attention, auxiliary heads.
BUILT = ["ResNet18", "MobileNetV3_small_x0_35", "RepVGG_A0", "DeiT_tiny_patch16_224", "GoogLeNet", "PVT_V2_B0"]


def test_each_architecture_has_a_size_and_each_row_is_of_an_architecture() -> None:
    assert list(sizes()) == [name for name in ARCHITECTURES.module_of if name not in COMPOSED], "run `make docs`"
    assert set(ARCHITECTURES.module_of) - set(ppcls.list_models()) == COMPOSED
    named = {line.split("\t")[0] for line in WEIGHTS_FILE.read_text(encoding="utf-8").splitlines()[1:]}
    assert named <= set(ARCHITECTURES.names())
    assert len({(card.architecture, card.tag) for card in CARDS}) == len(CARDS) > 350


@pytest.mark.parametrize("name", BUILT)
def test_parameters_and_multiply_adds_are_those_of_the_deployed_model(name: str) -> None:
    model = ppcls.create_model(name)
    model.eval()
    model = model.deployable()
    model.eval()
    size = size_of(name)
    with paddle.no_grad():
        macs, logits = count_macs(model, paddle.zeros([1, 3, size.image_px, size.image_px]))
    assert logits.shape == [1, 1000]
    assert macs == size.multiply_adds
    assert sum(parameter.size for parameter in model.parameters() if parameter.trainable) == size.parameters


def test_sizes_are_those_of_the_papers() -> None:
    assert size_of("ResNet50").parameters == 25_557_032  # torchvision's
    assert size_of("ResNet50").multiply_adds == pytest.approx(4.09e9, rel=1e-3)
    assert size_of("ViT_base_patch16_224").parameters == pytest.approx(86.6e6, rel=1e-3)
    assert size_of("ViT_base_patch16_224").multiply_adds == pytest.approx(17.6e9, rel=0.01)  # with attention's products
    assert size_of("SwinTransformer_tiny_patch4_window7_224").multiply_adds == pytest.approx(4.5e9, rel=0.01)


def test_a_card_says_where_weights_are_and_how_an_image_is_prepared() -> None:
    card = card_of("PPHGNetV2_B0")
    assert card.location == f"{OFFICIAL}legendary_models/PPHGNetV2_B0_ssld_pretrained.pdparams"
    assert (card.tag, card.top1, card.licence, card.source) == ("ssld", 0.7777, "Apache-2.0", "PaddleClas")
    resize, crop, normalise = card.transforms()
    assert resize == {"ResizeImage": {"resize_short": 232, "interpolation": "bicubic", "backend": "pil"}}
    assert crop == {"CropImage": {"size": 224}}
    assert normalise == {"NormalizeImage": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}


@pytest.mark.parametrize("transforms", {str(card.transforms()): card.transforms() for card in CARDS}.values())
def test_the_transforms_of_each_card_are_those_of_a_config(transforms: list[dict[str, object]]) -> None:
    config = load_config(None, ["Arch.name=ResNet18", f"Infer.transforms={transforms}"])
    assert stream.pipeline(config.Infer.transforms) is not None


def test_cards_are_plausible() -> None:
    for card in CARDS:
        assert re.fullmatch(r"https://[\w./-]+/\w+\.pdparams", card.url), card
        assert card.sha256 is None or re.fullmatch("[0-9a-f]{64}", card.sha256), card
        assert card.top1 is None or 0.5 <= card.top1 < 0.88 or card.top1 == 0.499, card
        assert card.crop_px == size_of(card.architecture).image_px <= card.resize_px, card
        assert card.labels is None or (BUNDLED / f"{card.labels}_label_list.txt").is_file(), card
        assert card.licence and card.source, card
    assert len({card.url for card in CARDS}) == len(CARDS) - len(SHARING)
    assert all(card.url == card_of(SHARING[name]).url for name in SHARING for card in cards_of(name))
    assert read_label_map("watermark_label_list.txt") == ["contains_watermark", "no_watermark"]


def test_pretrained_is_a_switch_a_tag_a_path_or_a_url() -> None:
    legendary = f"{OFFICIAL}legendary_models/"
    assert resolve_pretrained("ResNet50", False, False) is None
    assert resolve_pretrained("ResNet50", True, False) == f"{legendary}ResNet50_pretrained.pdparams"
    assert resolve_pretrained("ResNet50_vc", True, False) == f"{OFFICIAL}ResNet50_vc_pretrained.pdparams"
    assert resolve_pretrained("ResNet50_vd", True, True) == f"{legendary}ResNet50_vd_ssld_pretrained.pdparams"
    assert resolve_pretrained("ResNet50_vd", "ssld", False) == f"{legendary}ResNet50_vd_ssld_pretrained.pdparams"
    assert resolve_pretrained("ResNet50", "output/best_model", False) == "output/best_model"


@pytest.mark.parametrize(
    ("name", "pretrained", "use_ssld", "message"),
    [
        ("ResNet18", True, True, "Arch.pretrained: no official 'ssld' weights for ResNet18; it has default; `ppcls"),
        ("VGG19Sigmoid", True, False, "Arch.pretrained: no official weights for VGG19Sigmoid; `ppcls models --pre"),
        ("ResNet50_vd", False, True, "Arch.use_ssld: chooses .*; received pretrained: False; set"),
        ("ResNet50_vd", "path", True, "Arch.use_ssld: chooses .*; received pretrained: path; set"),
    ],
)
def test_pretrained_weights_that_do_not_exist_are_refused(
    name: str, pretrained: object, use_ssld: bool, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_pretrained(name, pretrained, use_ssld)
