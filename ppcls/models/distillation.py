"""Models that learn from each other, or from teachers."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Optional

import paddle
from paddle import nn

from ppcls.batch import Outputs, outputs_of
from ppcls.config.schema import ArchPart
from ppcls.errors import CheckpointError
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import resolve_pretrained
from ppcls.models.rec_model import RecModel, load_backbone
from ppcls.models.taps import tap
from ppcls.models.weight_files import is_remote, saved_names
from ppcls.models.weights import load_weights
from ppcls.registry import Facts

logger = logging.getLogger("ppcls")

Models = Sequence[Mapping[str, Annotated[ArchPart, ARCHITECTURES]]]


class Several(nn.Layer):
    """Models by name, some of them frozen: those compute as in an evaluation and without gradients.

    `freeze_params_list` and `pretrained_list` have an item a model; a path of the latter replaces `pretrained`.
    """

    def __init__(
        self,
        class_num: int = 1000,
        *,
        models: Models,
        freeze_params_list: Optional[Sequence[bool]] = None,
        pretrained_list: Optional[Sequence[Optional[str]]] = None,
    ) -> None:
        super().__init__()
        self.parts = _by_name(models)
        frozen = _item_each("freeze_params_list", freeze_params_list, self.parts)
        paths = _item_each("pretrained_list", pretrained_list, self.parts)
        self.frozen = frozenset(name for name, wanted in zip(self.parts, frozen) if wanted)
        # The frozen models, once they are layers of this one no more.
        self.aside: dict[str, nn.Layer] = {}
        for (name, part), path in zip(self.parts.items(), paths):
            model = ARCHITECTURES.build(part, Facts(class_num=part.args.get("class_num", class_num)))
            model.arch_name = part.name
            tap(model, part.return_patterns)
            self.add_sublayer(name, model)
            if path is not None:
                self.parts[name] = dataclasses.replace(part, pretrained=path)

    def model(self, name: str) -> nn.Layer:
        """Return one of the models."""
        return self.aside[name] if name in self.aside else getattr(self, name)

    def frozen_models(self) -> dict[str, nn.Layer]:
        """Return the frozen models by name, also those inside others, such as `Teacher.ResNet34`."""
        found: dict[str, nn.Layer] = {}
        for name in self.parts:
            model = self.model(name)
            if name in self.frozen:
                found[name] = model
            elif isinstance(model, Several):
                found.update({f"{name}.{key}": one for key, one in model.frozen_models().items()})
        return found

    def set_aside(self) -> None:
        """Take the frozen models, also those inside others, out of what is trained and saved."""
        for name in self.parts:
            model = self.model(name)
            if name not in self.frozen:
                if isinstance(model, Several):
                    model.set_aside()
            elif name not in self.aside:
                self.aside[name] = model
                delattr(self, name)

    def teach(self, images_NCHW: paddle.Tensor) -> dict[str, Any]:
        """Return the outputs of the frozen models by name, and for a model that has such inside what it returns."""
        taught: dict[str, Any] = {}
        for name in self.parts:
            model = self.model(name)
            if name in self.frozen:
                model.eval()
                with paddle.no_grad():
                    taught[name] = outputs_of(model(images_NCHW))
            elif isinstance(model, Several):
                taught[name] = model.teach(images_NCHW)
        return taught

    def outputs_of_model(
        self, name: str, inputs: Any, labels: Optional[paddle.Tensor], taught: Mapping[str, Any]
    ) -> Outputs:
        """Return the outputs of one model for its inputs, or what the frozen ones have `taught`."""
        if name in self.frozen:
            found: Outputs = taught[name]
            return found
        model = self.model(name)
        if isinstance(model, Several):
            return outputs_of(model(inputs, labels, taught[name]))
        return outputs_of(model(inputs, labels) if isinstance(model, RecModel) else model(inputs))


class DistillationModel(Several):
    """Models that see the same images; their outputs are `Student.logits`, `Teacher.blocks5` and so on.

    Names such as "logits" alone are those of `infer_model_name`: it is evaluated and deployed.
    """

    def __init__(
        self,
        class_num: int = 1000,
        *,
        models: Models,
        freeze_params_list: Optional[Sequence[bool]] = None,
        pretrained_list: Optional[Sequence[Optional[str]]] = None,
        infer_model_name: str = "Student",
    ) -> None:
        super().__init__(
            class_num, models=models, freeze_params_list=freeze_params_list, pretrained_list=pretrained_list
        )
        if infer_model_name not in self.parts:
            known = ", ".join(self.parts)
            raise ValueError(f"infer_model_name: no such model; received '{infer_model_name}'; choose from {known}")
        self.infer_model_name = infer_model_name

    def forward(
        self,
        images_NCHW: paddle.Tensor,
        labels: Optional[paddle.Tensor] = None,
        taught: Optional[Mapping[str, Any]] = None,
    ) -> Outputs:
        """Return the outputs of all models; `taught` is what `teach` returns, where it is known."""
        taught = self.teach(images_NCHW) if taught is None else taught
        outputs: dict[str, paddle.Tensor] = {}
        deployed: Outputs = {}
        for name in self.parts:
            found = self.outputs_of_model(name, images_NCHW, labels, taught)
            outputs.update({f"{name}.{key}": value for key, value in found.items()})
            deployed = found if name == self.infer_model_name else deployed
        return {**deployed, **outputs}


class AttentionModel(Several):
    """A chain: the first model sees the images, each other one the outputs of the one before; all outputs together."""

    def __init__(
        self,
        class_num: int = 1000,
        *,
        models: Models,
        freeze_params_list: Optional[Sequence[bool]] = None,
        pretrained_list: Optional[Sequence[Optional[str]]] = None,
    ) -> None:
        super().__init__(
            class_num, models=models, freeze_params_list=freeze_params_list, pretrained_list=pretrained_list
        )
        if self.frozen - {next(iter(self.parts))}:
            raise ValueError(
                f"freeze_params_list: only the first model can be frozen, as what the others see changes; received "
                f"{freeze_params_list}; unfreeze them"
            )

    def forward(
        self,
        images_NCHW: paddle.Tensor,
        labels: Optional[paddle.Tensor] = None,
        taught: Optional[Mapping[str, Any]] = None,
    ) -> Outputs:
        """Return the outputs of all models; `taught` is what `teach` returns, where it is known."""
        taught = self.teach(images_NCHW) if taught is None else taught
        outputs: dict[str, paddle.Tensor] = {}
        inputs: Any = images_NCHW
        for name in self.parts:
            inputs = self.outputs_of_model(name, inputs, labels, taught)
            outputs.update(inputs)
        return outputs


def load_frozen(model: Several, class_names: Sequence[str] = ()) -> None:
    """Load the weights of the frozen models, which no checkpoint holds, from where their sections say.

    Raises CheckpointError if they don't fit, or are of other classes than `class_names`.
    """
    for name, part, one in _members(model, frozen=True):
        source = resolve_pretrained(part.name, part.pretrained, part.use_ssld)
        if source is None:
            logger.warning(f"{part.where}: {name} is frozen without weights, and teaches noise; set its `pretrained`")
            continue
        load_weights(one, source, new_head=False)
        names = [] if is_remote(source) else saved_names(source)
        if names and class_names and names != list(class_names):
            raise CheckpointError(
                f"{part.where}: {name}: '{source}' is of other classes, or of another order of them, than the training "
                "set; let both have the same class names"
            )


def load_learners(model: Several, class_names: Sequence[str] = ()) -> None:
    """Load the weights that the other models start from, where their sections name some."""
    for _, part, one in _members(model, frozen=False):
        if isinstance(one, RecModel):
            load_backbone(one, class_names)
        source = resolve_pretrained(part.name, part.pretrained, part.use_ssld)
        if source is not None:
            load_weights(one, source, class_names=class_names)


def _members(model: Several, *, frozen: bool) -> Iterator[tuple[str, ArchPart, nn.Layer]]:
    for name, part in model.parts.items():
        one = model.model(name)
        if isinstance(one, Several) and name not in model.frozen:
            yield from _members(one, frozen=frozen)
        elif (name in model.frozen) == frozen:
            yield name, part, one


def _by_name(models: Models) -> dict[str, ArchPart]:
    parts: dict[str, ArchPart] = {}
    for item in models:
        ((name, part),) = item.items() if len(item) == 1 else [("", None)]
        if part is None or name in parts:
            raise ValueError(
                f"models: each item is one model with a name of its own; received the names {', '.join(item)}; "
                "write '- Teacher: {name: ResNet50}' and so on"
            )
        parts[name] = part
    return parts


def _item_each(name: str, values: Optional[Sequence[Any]], parts: Mapping[str, ArchPart]) -> Sequence[Any]:
    values = [None] * len(parts) if values is None else values
    if len(values) != len(parts):
        raise ValueError(f"{name}: needs an item for each of {', '.join(parts)}; received {list(values)}")
    return values
