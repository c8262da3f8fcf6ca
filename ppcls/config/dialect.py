"""PaddleClas's dialect: what its YAMLs write, put into this project's words.

The only module that knows of it, with dialect_of_models and dialect_of_index. Each rule names the file of PaddleClas
2.6 that it follows; docs/from_paddleclas.md is made from them.
"""

import math
import re

from ppcls.config import dialect_of_index
from ppcls.config.dialect_of_models import MODEL_RULES
from ppcls.config.read import Node, compose
from ppcls.config.rewrite import Notes, Rule, dropped, get, ignored, number, numbers, put, renamed, without
from ppcls.errors import ConfigError

# What Global.epochs is where a config doesn't say it.
DEFAULT_EPOCHS = 120


_TUPLE = re.compile(r"\(\s*([-+.\w]+(?:\s*,\s*[-+.\w]+)*)\s*,?\s*\)")


def _lists_for_tuples(node: Node, notes: Notes) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _lists_for_tuples(c, notes) for key, c in node.value.items()}, node.where)
    if isinstance(node.value, list):
        return Node([_lists_for_tuples(item, notes) for item in node.value], node.where)
    found = _TUPLE.fullmatch(node.value.strip()) if isinstance(node.value, str) else None
    return compose(f"[{found[1]}]", lambda line: node.where) if found else node


def _random_colour(node: Node, notes: Notes) -> Node:
    return Node(None, node.where) if node.value == "none" else node


def _sampler_with_name(node: Node, notes: Notes) -> Node:
    named = not isinstance(node.value, dict) or "name" in node.value
    return node if named else put(node, "name", Node("BatchSampler", node.where))


def _without_clip_grad(node: Node, notes: Notes) -> Node:
    name, clip = get(node, "name"), get(node, "clip_grad")
    if clip is None or name is None or name.value not in ("AdamW", "AdamWDL", "Lamb"):
        return node
    notes.ignore("Optimizer.clip_grad", clip)
    return without(node, "clip_grad")


def _first_optimizer(node: Node, notes: Notes) -> Node:
    if not isinstance(node.value, list) or not node.value:
        return node
    first, *others = node.value
    named = [*first.value.items()] if isinstance(first.value, dict) else []
    arguments = named[0][1].value if len(named) == 1 else None
    if not isinstance(arguments, dict):
        return node
    name = Node(named[0][0], first.where)
    return Node({"name": name, **arguments, "others": Node([*others], node.where)}, first.where)


def _last_value_stays(node: Node, notes: Notes) -> Node:
    epochs, values = get(node, "decay_epochs"), numbers(get(node, "values"))
    if epochs is None or not values or len(numbers(epochs)) != len(values):
        return node
    assert isinstance(epochs.value, list)
    notes.say(epochs, "Optimizer.lr.decay_epochs: as many as values; the last value stays to the end")
    return put(node, "decay_epochs", Node(epochs.value[:-1], epochs.where))


def _scaled_piecewise(root: Node, notes: Notes) -> Node:
    """Scale the values of a Piecewise schedule to the `learning_rate` beside them.

    PaddleClas drops them and `decay_epochs` for a tenth of the rate every 30 epochs, which most of its YAMLs say too.
    """
    lr = get(root, "Optimizer.lr")
    name, rate, old = (get(lr, key) for key in ("name", "learning_rate", "values"))
    first, values, ends = number(rate), numbers(old), numbers(get(lr, "decay_epochs"))
    if not (lr and name and name.value == "Piecewise" and rate and old and first and values and values[0]):
        return root
    scaled = values if first == values[0] else [value * first / values[0] for value in values]
    epochs = range(int(number(get(root, "Global.epochs")) or DEFAULT_EPOCHS))
    ours = [scaled[min(sum(epoch >= end for end in ends), len(scaled) - 1)] for epoch in epochs]
    theirs = [first * 0.1 ** (epoch // 30) for epoch in epochs]
    if not all(map(math.isclose, ours, theirs)):
        notes.say(
            rate,
            "Optimizer.lr.learning_rate: decay_epochs are kept, and values, scaled to it; PaddleClas would drop both "
            "and divide the rate by 10 every 30 epochs",
        )
    new = Node([Node(value, old.where) for value in scaled], old.where)
    return put(root, "Optimizer.lr", put(without(lr, "learning_rate"), "values", new))


def _capped_warmup(root: Node, notes: Notes) -> Node:
    warmup, epochs = get(root, "Optimizer.lr.warmup_epoch"), get(root, "Global.epochs")
    length, total = number(warmup), number(epochs)
    if not (warmup and epochs and length and total and length > total):
        return root
    notes.say(epochs, f"Global.epochs: {total:g}; the warm-up of {length:g} epochs ({warmup.where}) is cut to that")
    return put(root, "Optimizer.lr.warmup_epoch", Node(epochs.value, warmup.where))


def _benchmark(node: Node, notes: Notes) -> Node:
    wanted = get(node, "benchmark")
    if wanted is None:
        return node
    node = without(node, "benchmark")
    return put(node, "enable_benchmark", wanted) if wanted.value is not False else node


def _onnx(node: Node, notes: Notes) -> Node:
    wanted = get(node, "use_onnx")
    if wanted is None or not isinstance(wanted.value, bool):
        return node
    node = without(node, "use_onnx")
    return put(node, "engine", Node("onnxruntime", wanted.where)) if wanted.value else node


def profiler_options(text: str) -> list[str]:
    """Return the `-o` options that `-p "batch_range=[10, 20]; profile_path=FOLDER"` stands for.

    The other options of PaddleClas's profiler choose nothing here. Source: ppcls/utils/profiler.py.
    Raises ConfigError for one that it doesn't have.
    """
    keys = {"batch_range": "profiler_batches", "profile_path": "profiler_path"}
    unused = ("state", "sorted_key", "tracer_option", "exit_on_finished", "timer_only")
    options = ["Global.profiler=True"]
    for pair in filter(None, map(str.strip, text.split(";"))):
        key, _, value = pair.partition("=")
        if key not in (*keys, *unused):
            raise ConfigError(f"-p: unknown option '{key}'; known: {', '.join((*keys, *unused))}")
        options += [f"Global.{keys[key]}={value}"] if key in keys else []
    return options


def _only_postprocess(node: Node, notes: Notes) -> Node:
    """Read the only post-process as the one that is meant, and its names as everyone's."""
    if not isinstance(node.value, dict) or len(node.value) != 1 or "Topk" in node.value:
        return node
    ((name, part),) = node.value.items()
    names = get(part, "label_list")
    if names is None or not isinstance(part.value, dict):
        return put(node, "main_indicator", Node(name, part.where))
    section = {name: without(part, "label_list"), "Topk": Node({"label_list": names}, part.where)}
    return Node({"main_indicator": Node(name, part.where), **section}, node.where)


def _query_and_gallery(root: Node, notes: Notes) -> Node:
    """Read `DataLoader.Eval: {Query, Gallery}`, whose queries are what an evaluation sees, and `eval_mode` by it."""
    eval_ = get(root, "DataLoader.Eval")
    query, gallery, loader = get(eval_, "Query"), get(eval_, "Gallery"), get(root, "DataLoader")
    others = eval_ is not None and isinstance(eval_.value, dict) and len(eval_.value) > 2  # which have no place then
    if query and gallery and loader and not others:
        root = put(root, "DataLoader", put(put(loader, "Eval", query), "Gallery", gallery))
    mode = get(root, "Global.eval_mode")
    if mode and mode.value == "retrieval" and get(root, "DataLoader.Gallery"):
        root = put(root, "Global.eval_mode", Node("classification", mode.where))
    return root


def _turned(node: Node, notes: Notes) -> Node:
    """Read the label that a last RandomRot90 makes as a data set of its own, whose images it turns last, too."""
    name, label, ops = (get(node, key) for key in ("name", "label_key", "transform_ops"))
    if not (name and label and ops and isinstance(ops.value, list) and ops.value):
        return node
    *others, last = ops.value
    is_turned = (name.value, label.value) == ("CustomLabelDataset", "random_rot90_orientation")
    if not is_turned or get(last, "RandomRot90") is None:
        return node
    node = put(without(node, "label_key"), "transform_ops", Node(others, ops.where))
    return put(node, "name", Node("TurnedImages", name.where))


def _no_slim(node: Node, notes: Notes) -> None:
    if node.value is not None:
        raise ConfigError(
            f"{node.where}: Slim: pruning and quantization need PaddleSlim, which does neither under Paddle 3.3; "
            "remove the section, or add -o Slim=None, to train the model as it is"
        )


_TRANSFORMS = {"Pad_paddle_vision": "Pad"}
_DATASETS = {
    "ClsDataset": "ImageNetDataset",
    "ShiTuRecDataset": "ImageNetDataset",
    "MLClsDataset": "MultiLabelDataset",
    "MultiScaleDataset": "ImageNetDataset",
    "ICartoonDataset": "ImageNetDataset",
    "LogoDataset": "ImageNetDataset",
    "AliProduct": "VeriWild",
    "CustomLabelDataset": "ImageNetDataset",
}
_CONFIG, _ENGINE, _DATA = "ppcls/utils/config.py", "ppcls/engine/engine.py", "ppcls/data/__init__.py"
_LR, _PREPROCESS = "ppcls/optimizer/learning_rate.py", "ppcls/data/preprocess/__init__.py"

RUN_RULES = (
    Rule("", "a text such as `(1, 5)` is a list", _CONFIG, _lists_for_tuples),
    Rule("", "`DataLoader.Eval: {Query, Gallery}` is `DataLoader.Eval` and `.Gallery`", _DATA, _query_and_gallery),
    dropped("Global.use_dali", (False,), "as if it were not there", _DATA),
    dropped(
        "Global.use_dali",
        (True,),
        "the images are read by ppcls's own loader, with the same results",
        "ppcls/data/dataloader/dali.py",
        note="the images are read by ppcls's own loader instead of DALI, with the same results",
    ),
    dropped("Global.use_multilabel", (True, False), "the data set says it", "ppcls/engine/train/train.py"),
    dropped(
        "UnLabelLoss.*.*.CELoss.reduction",
        ("none",),
        "each image counts by itself there",
        "ppcls/engine/train/train_fixmatch.py",
    ),
    renamed("UnLabelLoss.*.*", {"CCSSLCELoss": "CELoss"}, "ppcls/loss/ccssl_loss.py"),
    renamed("SSL", {"T": "tempture"}, "ppcls/engine/train/train_fixmatch_ccssl.py"),
    *(
        dropped(f"Arch.Backbone.{key}", (False,), "without another head", "ppcls/arch/backbone/model_zoo/wideresnet.py")
        for key in ("proj", "proj_after")
    ),
    ignored("Arch.Backbone.low_dim", "ppcls/arch/backbone/model_zoo/wideresnet.py"),
    *MODEL_RULES,
    Rule("Optimizer", "a list is the first one with `others`", "ppcls/optimizer/__init__.py", _first_optimizer),
    Rule(
        "Optimizer",
        "`clip_grad` of AdamW, AdamWDL and Lamb is ignored",
        "ppcls/optimizer/optimizer.py",
        _without_clip_grad,
    ),
    Rule("Optimizer.lr", "as many `decay_epochs` as `values`: the last value stays", _LR, _last_value_stays),
    Rule("", "`Optimizer.lr.values` of Piecewise are scaled to a `learning_rate` beside them", _LR, _scaled_piecewise),
    Rule("", "`Optimizer.lr.warmup_epoch` above `Global.epochs` is cut to that", _LR, _capped_warmup),
    Rule("DataLoader.*.sampler", "without a name it is a `BatchSampler`", _DATA, _sampler_with_name),
    renamed("DataLoader.*.sampler.name", {"RASampler": "RepeatedAugSampler"}, "ppcls/data/dataloader/ra_sampler.py"),
    Rule(
        "DataLoader.*.dataset",
        "`CustomLabelDataset` with `label_key: random_rot90_orientation` is `TurnedImages` without the RandomRot90",
        "ppcls/data/dataloader/custom_label_dataset.py",
        _turned,
    ),
    renamed("DataLoader.*.dataset.name", _DATASETS, "PaddleX: paddlex/modules/image_classification/trainer.py"),
    renamed("DataLoader.*.dataset.transform_ops.*", _TRANSFORMS, _PREPROCESS),
    renamed("DataLoader.UnLabelTrain.dataset.transform_ops_weak.*", _TRANSFORMS, _PREPROCESS),
    renamed("DataLoader.UnLabelTrain.dataset.transform_ops_strong.*", _TRANSFORMS, _PREPROCESS),
    renamed("DataLoader.*.dataset.transform_ops_strong2.*", _TRANSFORMS, _PREPROCESS),
    renamed("DataLoader.*.dataset.*.*.RandomApply.transforms.*", {"RawColorJitter": "ColorJitter"}, _PREPROCESS),
    renamed("Infer.transforms.*", _TRANSFORMS, _PREPROCESS),
    Rule(
        "DataLoader.*.dataset.transform_ops.*.Cutout.fill_value",
        "`none` is null: a random colour for each square",
        "ppcls/data/preprocess/ops/cutout.py",
        _random_colour,
    ),
    dropped("Global.export_for_fd", (True,), "an export always has its inference.yml", _ENGINE),
    dropped("Global.export_with_pir", (True,), "an export is always in Paddle's new format", _ENGINE),
    Rule("Slim", "refused: PaddleSlim does not work under Paddle 3.3", "ppcls/arch/slim/__init__.py", _no_slim),
    ignored("DataLoader.*.dataset.backend", "ppcls/data/dataloader/person_dataset.py"),
    ignored("DataLoader.*.loader.shuffle", _DATA),
    ignored("Global.image_channel", _ENGINE),
    ignored("Global.infer_imgs", _ENGINE),
    ignored("Optimizer.lr.step_each_epoch", "ppcls/optimizer/__init__.py"),
    ignored("Optimizer.lr.verbose", _LR),
    ignored("DataLoader.mean", _DATA),
    ignored("DataLoader.std", _DATA),
    ignored("DataLoader.*.mean", _DATA),
    ignored("DataLoader.*.std", _DATA),
    ignored("IndexProcess", _ENGINE),
    # Whether two labels are equal needs no more than the labels.
    ignored("Loss.*.*.SupConLoss.views", "ppcls/loss/supconloss.py"),
    ignored("Loss.*.*.ContrastiveLoss.embedding_size", "ppcls/loss/contrasiveloss.py"),
    ignored("Loss.*.*.DCHLoss.n_class", "ppcls/loss/deephashloss.py"),
    ignored("Loss.*.*.LCDSHLoss.n_class", "ppcls/loss/deephashloss.py"),
    *(
        ignored(f"Loss.*.*.{name}.{key}", f"ppcls/loss/{name.lower()}.py")
        for name in ("TriHardLoss", "MSMLoss", "EmlLoss")
        for key in ("batch_size", "samples_each_class")
    ),
    *(
        dropped(f"Loss.*.*.{name}.reduction", ("mean",), "what it does", "ppcls/loss/tripletangularmarginloss.py")
        for name in ("TripletAngularMarginLoss", "TripletAngularMarginLoss_XBM")
    ),
)
ARTIFACT_RULES = (
    Rule("PostProcess", "its only part is the one that is meant", "ppcls/utils/config.py", _only_postprocess),
)
_PREDICT_REC = "deploy/python/predict_rec.py"
DEPLOY_RULES = (
    RUN_RULES[0],
    *dialect_of_index.RULES,
    Rule("Global", "`benchmark: true` is `enable_benchmark: true`", "deploy/python/predict_cls.py", _benchmark),
    renamed("", {"RecPreProcess": "PreProcess"}, _PREDICT_REC),
    renamed("Global", {"rec_inference_model_dir": "inference_model_dir"}, _PREDICT_REC),
    dropped("RecPostProcess", (None,), "the export binarizes", _PREDICT_REC),
    Rule("Global", "`use_onnx: true` is `engine: onnxruntime`", "deploy/utils/predictor.py", _onnx),
)
SWEEP_RULES = (
    RUN_RULES[0],
    ignored("search_times", "tools/search_strategy.py"),
    ignored("teacher.algorithm", "tools/search_strategy.py"),
)
