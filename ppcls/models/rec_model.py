"""Models for retrieval: a backbone, a neck to the features that are compared, and a head for the training."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal, Optional

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.config.parts import key, required
from ppcls.config.schema import ArchPart
from ppcls.models import ARCHITECTURES, HEADS, NECKS
from ppcls.models.cards import resolve_pretrained
from ppcls.models.model import Model
from ppcls.models.weights import load_weights
from ppcls.registry import Facts, Part


@dataclass(frozen=True)
class StopLayer:
    """The last layer of a backbone that counts."""

    name: str = required("such as `flatten`, what the head takes, or `avg_pool`, the same as [N, C, 1, 1]")
    output_dim: Optional[int] = key(None, "as PaddleClas's YAMLs have it; the model knows")


class RecModel(nn.Layer):
    """Images -> "backbone", "neck" and "features", those that are compared, and "logits" where there is a head.

    `Backbone` runs up to `BackboneStopLayer`; without one its logits count. `Neck` and `Head` take what comes before.
    In training a head with a margin needs the labels. With `head_feature_from: backbone` the head takes what the neck
    takes. `infer_output_key`: what an export gives.
    """

    def __init__(
        self,
        *,
        Backbone: Annotated[ArchPart, ARCHITECTURES],  # the keys of PaddleClas
        BackboneStopLayer: Optional[StopLayer] = None,
        Neck: Optional[Annotated[Part, NECKS]] = None,
        Head: Optional[Annotated[Part, HEADS]] = None,
        head_feature_from: Literal["neck", "backbone"] = "neck",
        infer_output_key: Literal["features", "logits"] = "features",
    ) -> None:
        super().__init__()
        if infer_output_key == "logits" and Head is None:
            raise ValueError("infer_output_key: logits come from a head; received none; add Head")
        self.backbone_part = Backbone
        self.backbone: Model = ARCHITECTURES.build(Backbone, Facts(class_num=Backbone.args.get("class_num", 1000)))
        self.backbone.arch_name = Backbone.name
        if BackboneStopLayer is not None:
            stop_after(self.backbone, BackboneStopLayer.name)
        self.neck = None if Neck is None else NECKS.build(Neck)
        self.head = None if Head is None else HEADS.build(Head)
        self.head_source = "backbone" if head_feature_from == "backbone" else "features"
        self.param_groups = tuple(map(_inside, self.backbone.param_groups))

    def forward(
        self, images_NCHW: paddle.Tensor, labels: Optional[paddle.Tensor] = None
    ) -> Mapping[str, paddle.Tensor]:
        outputs = {"backbone": self.backbone(images_NCHW)}
        outputs["features"] = outputs["backbone"]
        if self.neck is not None:
            outputs["neck"] = outputs["features"] = self.neck(outputs["backbone"])
        if self.head is not None:
            outputs["logits"] = self.head(outputs[self.head_source], labels)
        return outputs


def _inside(group: Group) -> Group:
    """Return a parameter group of the backbone as one of the whole model."""
    start = r"^backbone\." if group.pattern.startswith("^") else r"^backbone\..*"
    return dataclasses.replace(group, pattern=f"{start}(?:{group.pattern.removeprefix('^')})")


def load_backbone(model: RecModel, class_names: Sequence[str] = ()) -> None:
    """Load the weights that the backbone starts from, where its section names some."""
    part = model.backbone_part
    source = resolve_pretrained(part.name, part.pretrained, part.use_ssld)
    if source is not None:
        load_weights(model.backbone, source, class_names=class_names)


def stop_after(model: Model, name: str) -> None:
    """Let the forward pass of a model end with one of its outer layers; those after it are gone.

    Raises ValueError for a layer that is not there. `flatten` is what the head takes, also where no layer is called so.
    """
    children = [child for child, _ in model.named_children()]
    if name not in children and name != "flatten":
        raise ValueError(f"BackboneStopLayer: no layer '{name}'; choose from {', '.join(children)}")
    *path, head = model.head_name.split(".")
    after = children[children.index(name) + 1 :] if name in children else []
    after = [child for child in after if child not in model.stays]
    setattr(reduce(getattr, path, model), head, nn.Identity())
    for child in after:
        setattr(model, child, nn.Identity())
    model.only_layers = False  # type: ignore[misc]
    # What weights of the whole model have besides.
    model.gone = tuple(f"{child}." for child in (model.head_name, *after))
