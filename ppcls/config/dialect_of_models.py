"""PaddleClas's dialect where it is about models, and about models that learn from each other."""

from ppcls.config.read import Node
from ppcls.config.rewrite import Notes, Rule, dropped, get, ignored, put, without


def _without_ssld(node: Node, notes: Notes) -> Node:
    ssld, pretrained = get(node, "use_ssld"), get(node, "pretrained")
    if ssld is None or ssld.value is not True or (pretrained and pretrained.value is True):
        return node
    notes.ignore("Arch.use_ssld", ssld)
    return without(node, "use_ssld")


def _class_num(node: Node, notes: Notes) -> Node:
    number = get(node, "num_classes")
    if number is None or get(node, "class_num"):
        return node
    return put(without(node, "num_classes"), "class_num", number)


def _of_student(node: Node, notes: Notes) -> Node:
    """Read the post-process of one of several models as that of the model that is deployed, which it is."""
    name, func = get(node, "name"), get(node, "func")
    if name is None or name.value != "DistillationPostProcess" or func is None:
        return node
    for key in ("func", "model_name", "key"):
        node = without(node, key)
    return put(node, "name", func)


def _between_models(node: Node, notes: Notes) -> Node:
    """Read a DistillationPairLoss as its base; the `name` of losses between models is one for the log."""
    if not isinstance(node.value, dict) or len(node.value) != 1:
        return node
    ((name, part),) = node.value.items()
    if not isinstance(part.value, dict) or not name.startswith(("Distillation", "AFDLoss")):
        return node
    base = get(part, "base_loss_name")
    if name == "DistillationPairLoss" and base and isinstance(base.value, str):
        name, part = base.value, without(part, "base_loss_name")
    return Node({name: without(part, "name")}, node.where)


def _classes_of_models(node: Node, notes: Notes) -> Node:
    """Drop the number of classes beside models that state theirs."""
    outer, models = get(node, "class_num"), get(node, "models")
    items = models.value if models and isinstance(models.value, list) else []
    named = [part for item in items if isinstance(item.value, dict) for part in item.value.values()]
    inner = [found for found in (get(part, "class_num") for part in named) if found]
    if outer is None or not inner or len(inner) < len(named):
        return node
    if any(found.value != outer.value for found in inner):
        notes.ignore("Arch.class_num", outer)
    return without(node, "class_num")


def _stages_by_name(node: Node, notes: Notes) -> Node:
    stages = get(node, "return_stages")
    if stages is None or stages.value is not True or get(node, "return_patterns") is None:
        return node
    return without(node, "return_stages")


def _unquoted(node: Node, notes: Notes) -> Node:
    if node.value not in ("true", "false"):
        return node
    notes.say(
        node, f"Arch.infer_add_softmax: '{node.value}' is read as if unquoted; PaddleClas takes any text for true"
    )
    return Node(node.value == "true", node.where)


_REC = "ppcls/arch/__init__.py"
_WIDE = "ppcls/arch/backbone/model_zoo/wideresnet.py"
_CAE = "ppcls/arch/backbone/model_zoo/cae.py"
_CAE_FORM = {
    "use_mean_pooling": True,
    "use_rel_pos_bias": True,
    "use_abs_pos_emb": False,
    "sin_pos_emb": True,
    "lin_probe": False,
    "enable_linear_eval": False,
}

MODEL_RULES = (
    Rule("Arch.infer_add_softmax", "`'false'` is false, as it says", "ppcls/engine/engine.py", _unquoted),
    *(Rule(arch, "`num_classes` is `class_num`", _WIDE, _class_num) for arch in ("Arch", "Arch.Backbone")),
    Rule(
        "Arch",
        "`use_ssld` is ignored unless `pretrained` is `True`",
        "ppcls/arch/backbone/legendary_models/resnet.py",
        _without_ssld,
    ),
    *(
        Rule(arch, "the same", "ppcls/arch/backbone/legendary_models/resnet.py", _without_ssld)
        for arch in ("Arch.models.*.*", "Arch.Backbone", "Arch.models.*.*.Backbone")
    ),
    Rule(
        "Arch",
        "`class_num` beside `models` that state theirs is ignored",
        "ppcls/arch/distill/__init__.py",
        _classes_of_models,
    ),
    Rule(
        "Arch.models.*.*",
        "`return_stages: True` beside `return_patterns`: those say which",
        "ppcls/arch/backbone/base/theseus_layer.py",
        _stages_by_name,
    ),
    Rule(
        "Infer.PostProcess",
        "`DistillationPostProcess` is its `func`, of the model that is deployed",
        "ppcls/data/postprocess/__init__.py",
        _of_student,
    ),
    Rule(
        "Loss.*.*",
        "`DistillationPairLoss` is its `base_loss_name`; the `name` of losses between models is ignored",
        "ppcls/loss/distillationloss.py",
        _between_models,
    ),
    *(
        ignored(f"MLDecoder.{key}", "ppcls/arch/gears/ml_decoder.py")  # the model knows
        for key in ("in_channels", "class_num", "remove_layers", "replace_layer")
    ),
    ignored("Arch.is_rec", _REC),
    *(
        dropped(f"{arch}.infer_output_key", ("features",), "an export gives the features", _REC)
        for arch in ("Arch", "Arch.models.*.*")
    ),
    ignored("Arch.Backbone.use_fused_attn", "ppcls/arch/backbone/model_zoo/foundation_vit.py"),
    ignored("Arch.Backbone.use_fused_linear", "ppcls/arch/backbone/model_zoo/foundation_vit.py"),
    ignored("Arch.use_fused_attn", "ppcls/arch/backbone/model_zoo/foundation_vit.py"),  # another kernel, equal numbers
    ignored("Arch.use_fused_linear", "ppcls/arch/backbone/model_zoo/foundation_vit.py"),
    ignored("Arch.model_ema", _CAE),
    dropped("Arch.model_key", ("model|module|state_dict",), "a file of weights has nothing else", _CAE),
    *(dropped(f"Arch.{key}", (value,), "CAE's only form", _CAE) for key, value in _CAE_FORM.items()),
)
