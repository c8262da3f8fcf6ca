"""Where the names of a config become objects; the only place."""

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Any, Callable, Optional, Union

from paddle import nn

from ppcls.config.data_schema import DataSection, DatasetPart, UnlabelledSection
from ppcls.config.schema import OptimizerPart, RunConfig, SSLSection
from ppcls.data import DATASETS, SAMPLERS
from ppcls.data.loader.loader import Loader
from ppcls.data.loader.progressive import Progressive, has_stages, stages_of
from ppcls.data.loader.retrieval import QueryAndGallery
from ppcls.data.loader.semi_supervised import SemiSupervised
from ppcls.data.sources.base import LabelledImages
from ppcls.data.sources.lists import relabelled
from ppcls.engine import ranks
from ppcls.engine.channels import check_channels
from ppcls.errors import ConfigError
from ppcls.images import BATCH_TRANSFORMS, stream
from ppcls.images.mixing.operators import MIXED
from ppcls.inference import POSTPROCESSES
from ppcls.inference.postprocess import PostProcess
from ppcls.losses.base import Loss
from ppcls.metrics.retrieval import Compared
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import resolve_pretrained
from ppcls.models.distillation import DistillationModel, load_frozen, load_learners
from ppcls.models.layers import synchronise
from ppcls.models.ml_decoder import put_ml_decoder
from ppcls.models.rec_model import RecModel, load_backbone
from ppcls.models.taps import tap
from ppcls.models.weight_files import saved_names
from ppcls.models.weights import load_weights
from ppcls.optim import OPTIMIZERS, REGULARIZERS, SCHEDULES
from ppcls.optim.gradients import Gradients
from ppcls.optim.groups import Target
from ppcls.optim.plateau import ReduceOnPlateau
from ppcls.optim.schedule import Schedule, Span
from ppcls.optim.scopes import Schedules, divided
from ppcls.paddle_private import Optimizers
from ppcls.registry import Facts, Part
from ppcls.tasks.classify import Classify
from ppcls.tasks.distill import Distill
from ppcls.tasks.fixmatch import STRONG, STRONG2, WEAK, FixMatch
from ppcls.tasks.retrieve import Retrieve
from ppcls.tasks.task import Task


def eval_transforms(config: RunConfig) -> Sequence[Part]:
    """Return the one list of transforms that evaluation, infer and export share.

    That is `Infer.transforms`, or, where it is not given, the one of `DataLoader.Eval`.
    """
    if config.Infer.transforms:
        return config.Infer.transforms
    data: DataSection = config.require("DataLoader.Eval", "infer and export without Infer.transforms")
    return data.dataset.transform_ops


def model(config: RunConfig) -> nn.Layer:
    """Build the architecture with its initial weights. Raises ConfigError for images that it does not take."""
    check_channels(config)
    built: nn.Layer = ARCHITECTURES.build(config.Arch, Facts(class_num=config.class_num))
    built.arch_name = config.Arch.name
    if config.Arch.use_ml_decoder:
        try:
            put_ml_decoder(built, config.class_num, config.MLDecoder.query_num)
        except ValueError as error:
            raise ConfigError(f"{config.Arch.where}.use_ml_decoder: {error}") from error
    tap(built, config.Arch.return_patterns)
    if config.Arch.use_sync_bn:
        synchronise(built)
    return built


def task(
    config: RunConfig, built: nn.Layer, losses: Mapping[str, Loss], unlabelled: Optional[Mapping[str, Loss]] = None
) -> Task:
    """Return what is done with a model; `unlabelled` are losses of images without labels."""
    if unlabelled is not None:
        settings = config.SSL or SSLSection()
        return FixMatch(built, losses, unlabelled, temperature=settings.tempture, threshold=settings.threshold)
    kinds = {DistillationModel: Distill, RecModel: Retrieve}
    return next((kind for model, kind in kinds.items() if isinstance(built, model)), Classify)(built, losses)


def load_start_weights(config: RunConfig, built: nn.Layer, *, new_head: bool, class_names: Sequence[str] = ()) -> None:
    """Load the weights that the config names, if any; only training may give them a `new_head`, of `class_names`."""
    weights = start_weights(config)
    if isinstance(built, DistillationModel) and new_head:
        load_learners(built, class_names)
    if isinstance(built, RecModel) and new_head:
        load_backbone(built, class_names)
    if weights is not None:
        load_weights(built, weights, new_head=new_head, class_names=class_names, inside=config.Arch.inside)


def load_frozen_weights(built: nn.Layer, class_names: Sequence[str] = ()) -> None:
    """Load the weights of frozen models, which no checkpoint holds."""
    if isinstance(built, DistillationModel):
        load_frozen(built, class_names)


def start_weights(config: RunConfig) -> Optional[str]:
    """Return the path or URL of the weights that the config names; None for no weights."""
    arch = config.Arch
    return config.Global.pretrained_model or resolve_pretrained(arch.name, arch.pretrained, arch.use_ssld)


def train_loader(config: RunConfig) -> Loader:
    """Build what training learns from. Raises ConfigError for images without labels that would not be used."""
    labelled: DataSection = config.require("DataLoader.Train", "train")
    if config.Global.train_mode != "progressive" and has_stages(labelled.dataset):
        raise ConfigError(f"{labelled.dataset.where}: progress_size and the like: need Global.train_mode: progressive")
    if not config.Global.learns_unlabelled:
        for path in ("DataLoader.UnLabelTrain", "UnLabelLoss", "SSL"):
            if reduce(getattr, path.split("."), config) is not None:
                raise ConfigError(f"{config.source}: {path}: is not used; set Global.train_mode to fixmatch")
        return loader(config, labelled, training=True)
    data: UnlabelledSection = config.require("DataLoader.UnLabelTrain", "train_mode: fixmatch")
    lists = {WEAK: data.dataset.transform_ops_weak, STRONG: data.dataset.transform_ops_strong}
    if config.Global.train_mode == "fixmatch_ccssl":
        lists[STRONG2] = data.dataset.transform_ops_strong2
    views = {}
    for number, (view, transforms) in enumerate(lists.items(), start=1):
        part = DatasetPart(data.dataset.name, data.dataset.args, data.dataset.where, transform_ops=transforms)
        section = DataSection(part, data.sampler, data.loader)
        # The same images for all views, as the sampler is the same, but other draws of the transforms.
        views[view] = loader(config, section, training=True, other_draws=number)
    return loader(config, labelled, training=True, views=views)


def loader(
    config: RunConfig,
    data: DataSection,
    *,
    training: bool,
    views: Optional[Mapping[str, Loader]] = None,
    other_draws: int = 0,
    identities: bool = False,
) -> Loader:
    """Build a data set with its transforms, sampler and reading processes; `views` of others come with its batches.

    `identities`: any labels are good.
    """
    dataset = data_set(config, data, identities=identities)
    facts = Facts(
        class_num=config.class_num,
        labels=dataset.labels,
        seed=config.Global.seed,
        rank=ranks.rank(),
        world_size=ranks.world_size(),
        exact=not training,
    )
    sampler = SAMPLERS.build(data.sampler, facts)
    dataset.pipelines = {size: stream.pipeline(resized(data.dataset, size)) for size in sampler.sizes}
    mixing = [BATCH_TRANSFORMS.build(part, facts) for part in data.dataset.batch_transform_ops]
    if mixing and dataset.label_kind not in MIXED:
        kinds = " or ".join(kind.value for kind in MIXED)
        raise ConfigError(
            f"{data.dataset.batch_transform_ops[0].where}: mixing takes {kinds}; {data.dataset.name} gives "
            f"{dataset.label_kind.value}; remove batch_transform_ops"
        )
    kind: Callable[..., Loader] = Loader if views is None else partial(SemiSupervised, views=views)
    if training and config.Global.train_mode == "progressive":
        if sampler.sizes:
            raise ConfigError(f"{data.sampler.where}: {data.sampler.name} has sizes of its own; use another sampler")
        pipelines = [*map(stream.pipeline, stages_of(data.dataset))]
        kind = partial(Progressive, pipelines=pipelines, epochs=config.Global.epochs)
    return kind(
        dataset,
        sampler,
        mixing,
        config.Global.seed + other_draws,
        num_workers=data.loader.num_workers,
        use_shared_memory=data.loader.use_shared_memory,
    )


def data_set(config: RunConfig, data: DataSection, *, identities: bool = False) -> LabelledImages:
    """Build a data set with its transforms; `identities`: any labels are good."""
    sections = [section for section in (config.DataLoader.Train, config.DataLoader.Eval) if section is not None]
    facts = Facts(
        class_num=None if identities else config.class_num,
        pipeline=stream.pipeline(data.dataset.transform_ops),
        relabel_lists=relabelled(section.dataset for section in sections),
        seed=config.Global.seed,
    )
    built: LabelledImages = DATASETS.build(data.dataset, facts)
    return built


def resized(data: DatasetPart, size: tuple[int, int]) -> list[Part]:
    """Return the transforms of a data set for images of another size (height, width).

    Raises ConfigError if none of them states a size.
    """
    stating = [part for part in data.transform_ops if part.name in ("RandCropImage", "ResizeImage", "CropImage")]
    if not any("size" in part.args for part in stating):
        raise ConfigError(
            f"{data.where}: images of several sizes need a RandCropImage, ResizeImage or CropImage with a size; add one"
        )
    return [
        Part(part.name, {**part.args, "size": size[::-1]}, part.where)
        if part in stating and "size" in part.args
        else part
        for part in data.transform_ops
    ]


def eval_loader(config: RunConfig) -> Union[Loader, QueryAndGallery]:
    """Build the images of the first evaluation: one set of them, or queries and their gallery."""
    data, gallery = config.require("DataLoader.Eval", "eval"), config.DataLoader.Gallery
    if gallery is None:
        return loader(config, data, training=False)
    return QueryAndGallery(*(loader(config, one, training=False, identities=True) for one in (data, gallery)))


def schedule(config: RunConfig, steps_per_epoch: int) -> Schedule:
    """Build the learning-rate schedule, of several optimizers that of each."""
    first: OptimizerPart = config.require("Optimizer", "train")
    built = [_schedule(config, part.lr, steps_per_epoch) for part in (first, *first.others)]
    return built[0] if len(built) == 1 else Schedules(built)


def _schedule(config: RunConfig, part: Part, steps_per_epoch: int) -> Schedule:
    built: Schedule = SCHEDULES.build(part, Facts(span=Span(config.Global.epochs, steps_per_epoch)))
    if isinstance(built, ReduceOnPlateau) and not config.Global.eval_during_train:
        raise ConfigError(
            f"{part.where}: ReduceOnPlateau follows the evaluations; received Global.eval_during_train: False; "
            "set it to True or choose another schedule"
        )
    return built


def optimizer(config: RunConfig, trained: nn.Layer, schedule: Schedule) -> Any:
    """Build the optimizer of what is trained, or those of its parts as one."""
    first: OptimizerPart = config.require("Optimizer", "train")
    parts = (first, *first.others)
    try:
        scopes = divided(trained, config.Arch.name, [part.scope for part in parts])
    except ValueError as error:
        raise ConfigError(f"{first.where}: {error}") from error
    schedules = schedule.parts if isinstance(schedule, Schedules) else [schedule]
    built = []
    for part, names, own in zip(parts, scopes, schedules):
        regularizer = None if part.regularizer is None else REGULARIZERS.build(part.regularizer)
        target = Target(trained, own.lr(0), regularizer, first.param_groups, names)
        built.append(OPTIMIZERS.build(part, Facts(target=target)))
    return built[0] if len(built) == 1 else Optimizers(built)


def gradients(config: RunConfig, trained: nn.Layer) -> Gradients:
    """Return the gradients of what the optimizer, which freezes parameters, has left to train."""
    part = config.require("Optimizer", "train")
    if part.others and part.clip_norm is not None:
        raise ConfigError(f"{part.where}: clip_norm: is for a single optimizer; use clip_global_norm, which is of all")
    try:
        return Gradients(trained.parameters(), part.clip_norm, part.clip_global_norm)
    except ValueError as error:
        raise ConfigError(f"{part.where}: {error}") from error


def compared(config: RunConfig) -> Compared:
    """Return what makes of a model's outputs the features that retrieval compares."""
    settings = config.Global
    return Compared(settings.retrieval_feature_from, settings.feature_normalize, settings.feature_binarize)


def gives_features(config: RunConfig) -> bool:
    """Return whether an export answers with features, and not with scores of classes."""
    arch = config.Arch
    return ARCHITECTURES.load(arch.name) is RecModel and arch.args.get("infer_output_key", "features") == "features"


def postprocess(config: RunConfig, names: Optional[Sequence[str]] = None) -> PostProcess:
    """Build what turns scores into predictions; `names` that nobody gives come with the weights.

    A class that had no images has its number for a name.
    """
    if gives_features(config):
        raise ConfigError(
            f"{config.Arch.where}: {config.Arch.name} gives features, not scores of classes; "
            "export it and use `ppcls embed` or `ppcls index`"
        )
    part: Part = config.Infer.PostProcess or Part("Topk")
    names = label_names(config) if names is None else names
    names = [*names, *map(str, range(len(names), config.class_num))] if names else []
    built: PostProcess = POSTPROCESSES.build(part, Facts(label_names=names, class_num=config.class_num))
    return built


def label_names(config: RunConfig) -> Sequence[str]:
    """Return the names of the classes that were saved with the weights; empty where there are none."""
    weights = start_weights(config)
    return saved_names(weights) if weights else ()
