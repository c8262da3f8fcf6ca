"""The sections of a config, as frozen dataclasses whose fields are the YAML keys.

A default is what an absent key means. docs/configs.md is generated from this file.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Optional, Union

from ppcls.config.data_schema import DataLoaderSection, DataSection, Transforms
from ppcls.config.groups import Group
from ppcls.config.parts import AtLeast, BareNumber, NumberList, Only, Root, Within, key, required
from ppcls.errors import ConfigError
from ppcls.inference import POSTPROCESSES
from ppcls.losses import LOSSES
from ppcls.metrics import METRICS
from ppcls.models import ARCHITECTURES
from ppcls.optim import OPTIMIZERS, REGULARIZERS, SCHEDULES
from ppcls.registry import Part

Count = Annotated[int, AtLeast(1)]
Logger = Literal["TensorBoard", "WandB", "MLflow", "Csv"]
Limit = Annotated[int, AtLeast(1, off=-1)]
Paths = Union[str, tuple[str, ...]]

# Every architecture's own default, known here so that nothing has to be imported for it.
DEFAULT_CLASS_NUM = 1000


@dataclass(frozen=True)
class GlobalSection:
    """The run: how long, where, how often."""

    checkpoints: Optional[str] = key(
        None, "resume from: a prefix such as `output/ResNet50/latest`, or `auto`: this run's newest, else start anew"
    )
    pretrained_model: Optional[str] = key(None, "weights to start from: path (with or without suffix) or URL")
    output_dir: str = key("./output", "the run writes to `{output_dir}/{Arch.name}/`")
    overwrite: bool = key(False, "let a new run replace an earlier run's checkpoints there; otherwise it is refused")
    device: str = key("auto", "`cpu`, `gpu`, `gpu:0`, `sdaa` or any plug-in device; `auto`: the best available")
    cpu_ops: Literal["auto", "onednn", "stock"] = key(
        "auto", "operators on the CPU: oneDNN's, Paddle's own (`stock`), or whichever is faster for the whole run"
    )
    epochs: Count = key(120, "passes over the training set")
    iter_per_epoch: Optional[Count] = key(None, "training batches per epoch; unset: the whole set")
    update_freq: Count = key(1, "batches whose gradients add up to one optimizer update")
    freeze_norms: bool = key(False, "batch norms keep the statistics of the weights that the training starts from")
    prof: Limit = key(-1, "stop each epoch after this many optimizer updates; -1: never")
    early_stop: Limit = key(-1, "stop at the end of this epoch, schedules unchanged; -1: never")
    hang_seconds: Limit = key(1800, "end a run in which no batch finishes for this long; -1: never")
    seed: Annotated[int, AtLeast(0)] = key(0, "of weights, shuffling and augmentation")
    save_interval: Limit = key(1, "epochs between the `epoch_N` checkpoints; -1: none")
    keep: Limit = key(3, "how many `epoch_N` checkpoints are kept, the newest ones; -1: all")
    save_steps: Limit = key(-1, "also save `latest` every this many optimizer updates; -1: at the ends of epochs only")
    save_minutes: Annotated[float, AtLeast(0, off=-1)] = key(
        -1.0, "also save `latest` after this many minutes; -1: never"
    )
    eval_during_train: bool = key(True, "evaluate while training, and keep `best_model`")
    tta: bool = key(False, "evaluate each image and its mirror image, and take the mean of their scores")
    eval_interval: Count = key(1, "epochs between evaluations")
    start_eval_epoch: Annotated[int, AtLeast(0)] = key(0, "no evaluation before this epoch")
    max_steps: Limit = key(-1, "end after so many optimizer updates, wherever in an epoch; -1: never")
    minutes: Annotated[float, AtLeast(0, off=-1)] = key(
        -1.0, "end in this time, evaluations included; needs the schedule `Trapezoid`; -1: never"
    )
    patience: Limit = key(-1, "stop after so many evaluations without a better first metric; -1: never")
    print_batch_step: Count = key(10, "batches between lines of the log")
    log_ranks: Annotated[Union[int, str], NumberList()] = key("0", "ranks that log, separated by commas: `0,1`")
    use_visualdl: bool = key(False, "write loss, learning rate and metrics for VisualDL")
    loggers: tuple[Logger, ...] = key((), "where else loss, learning rate and metrics go; see docs/train.md")
    print_mem_info: bool = key(True, "log the device memory used, where the device reports it")
    profiler: bool = key(False, "record a trace and a table of operators")
    profiler_batches: tuple[Count, Count] = key((10, 16), "the first and the last batch that `profiler` records")
    profiler_path: str = key("./profiler_log", "where `profiler` writes")
    image_shape: tuple[Count, Count, Count] = key(
        (3, 224, 224), "channels, height and width of the exported model's input"
    )
    save_inference_dir: str = key("./inference", "where export writes")
    export_with_preprocess: bool = key(False, "the exported model normalizes by itself: its input is uint8, NHWC")
    to_static: bool = key(False, "train the model as a static graph")
    class_num: Optional[Count] = key(None, "old place of `Arch.class_num`")
    eval_mode: Annotated[
        str, Only("classification", "remove eval_mode; DataLoader.Gallery makes it an evaluation of retrieval")
    ] = key("classification", "kind of evaluation")
    retrieval_feature_from: Literal["features", "backbone", "neck"] = key("features", "what retrieval compares")
    feature_normalize: bool = key(True, "retrieval compares by the cosine; False: by the product")
    feature_binarize: Optional[Literal["round", "sign"]] = key(
        None, "retrieval compares bits: signs, or rounded 0 to 1"
    )
    re_ranking: bool = key(False, "retrieval orders the gallery by common neighbours as well")
    train_mode: Literal["default", "fixmatch", "fixmatch_ccssl", "progressive"] = key(
        "default",
        "fixmatch: `DataLoader.UnLabelTrain` is learned from too, with _ccssl by its features as well; progressive: "
        "images grow in stages",
    )
    pdx_model_name: Optional[str] = key(None, "PaddleX's name of the model, for `train_result.json` and the export")
    uniform_output_enabled: bool = key(False, "also write PaddleX's `train_result.json` into `output_dir`")
    train: Annotated[bool, Only(True, "remove train; evaluate with tools/eval.py")] = key(True, "of the old launcher")

    @property
    def learns_unlabelled(self) -> bool:
        return self.train_mode in ("fixmatch", "fixmatch_ccssl")

    @property
    def logging_ranks(self) -> tuple[int, ...]:
        return tuple(int(rank) for rank in str(self.log_ranks).split(","))


@dataclass(frozen=True)
class AMPSection:
    """Mixed precision. A present section turns it on, an absent or empty one leaves it off."""

    use_amp: bool = key(True, "False: the section is ignored")
    level: Literal["O1", "O2"] = key("O1", "O1: chosen operators in low precision; O2: the whole model")
    dtype: Optional[Literal["float16", "bfloat16"]] = key(None, "unset: float16 on accelerators, bfloat16 on the CPU")
    scale_loss: Annotated[float, AtLeast(1)] = key(1.0, "initial factor of the loss, against underflow in float16")
    use_dynamic_loss_scaling: bool = key(False, "let the factor follow the gradients; False: it stays")
    use_promote: bool = key(False, "an operator with mixed inputs computes in the widest of their types")
    use_fp16_test: bool = key(False, "evaluate in mixed precision as well")
    custom_white_list: tuple[str, ...] = key((), "operators to compute in low precision besides Paddle's")
    custom_black_list: tuple[str, ...] = key((), "operators to keep in float32 besides Paddle's")


@dataclass(frozen=True)
class EMASection:
    """Evaluate and save an exponential moving average of the weights. An absent section leaves it off."""

    decay: Annotated[float, Within(0, 1, below=True)] = key(0.9999, "weight of the old average at each update")


@dataclass(frozen=True)
class ArchPart(Part):
    """The architecture and its arguments."""

    pretrained: Union[bool, str] = key(
        False, "official weights (True, or their tag), a path, a URL or hf-hub:OWNER/NAME"
    )
    use_ssld: bool = key(False, "with `pretrained: True`: the SSLD weights")
    use_sync_bn: bool = key(False, "batch norms take the batches of all ranks")
    use_ml_decoder: bool = key(False, "an ML-Decoder in place of the head, see `MLDecoder`")
    infer_add_softmax: bool = key(True, "export scores; False: logits, unless the post-process needs a sigmoid")
    return_patterns: tuple[str, ...] = key((), "inner layers whose outputs losses may take, such as `blocks[7]`")
    # The name of the model in the weights of several that learned together.
    inside: str = field(default="", compare=False)

    @property
    def members(self) -> dict[str, "ArchPart"]:
        """The models that it consists of, by name."""
        return {name: part for item in self.args.get("models", ()) for name, part in item.items()}

    def deployed(self) -> "ArchPart":
        """Return the model that is deployed: of several the one of `infer_model_name`, of a chain the first one."""
        members = self.members
        if not members:
            return self
        name = self.args.get("infer_model_name", "Student" if "Student" in members else next(iter(members)))
        if name not in members:
            raise ConfigError(f"{self.where}: infer_model_name: no model '{name}'; choose from {', '.join(members)}")
        inside = f"{self.inside}.{name}" if self.inside else name
        add_softmax = self.infer_add_softmax and members[name].infer_add_softmax
        return replace(members[name], inside=inside, infer_add_softmax=add_softmax, return_patterns=()).deployed()


@dataclass(frozen=True)
class MLDecoderSection:
    """The head of `Arch.use_ml_decoder`, which looks for each class wherever it is in an image."""

    query_num: Count = key(80, "questions that it asks; of more classes, each is for several")


@dataclass(frozen=True)
class LossSection:
    """Losses; several add up by their weights."""

    Train: tuple[Annotated[Part, LOSSES], ...] = key((), "for training")
    Eval: tuple[Annotated[Part, LOSSES], ...] = key((), "shown by evaluation")


@dataclass(frozen=True)
class ScopedOptimizerPart(Part):
    """One of several optimizers, and its arguments."""

    lr: Annotated[Part, SCHEDULES, BareNumber("Constant", "learning_rate")] = required(
        "learning rate: a schedule, or a plain number that stays"
    )
    regularizer: Optional[Annotated[Part, REGULARIZERS]] = key(None, "weight penalty; or use `weight_decay`")
    scope: str = key("all", "what it trains: `all`, the model or one of its layers by name, or a loss with weights")


@dataclass(frozen=True)
class OptimizerPart(ScopedOptimizerPart):
    """The optimizer and its arguments."""

    clip_norm: Optional[Annotated[float, AtLeast(0)]] = key(
        None, "largest norm of the gradient of each parameter by itself; this is PaddleClas's"
    )
    clip_global_norm: Optional[Annotated[float, AtLeast(0)]] = key(
        None, "largest joint norm of all gradients, which keeps the direction of the update"
    )
    param_groups: tuple[Group, ...] = key((), "parameters with settings of their own; the first that states one wins")
    others: tuple[Annotated[ScopedOptimizerPart, OPTIMIZERS], ...] = key((), "more optimizers, of other scopes")


@dataclass(frozen=True)
class EvaluatorSection:
    """One more evaluation while training, such as of images from elsewhere; `DataLoader.Eval` is the first."""

    name: str = required("stands in the log and in metrics.jsonl")
    DataLoader: DataSection = required("its images")
    Metric: tuple[Annotated[Part, METRICS], ...] = key((), "what is measured")
    Loss: tuple[Annotated[Part, LOSSES], ...] = key((), "shown with it; unset: those of `Loss.Eval`")
    every: Optional[Count] = key(None, "epochs between its evaluations; unset: `Global.eval_interval`")


@dataclass(frozen=True)
class InferSection:
    """What `infer` reads and prints; export writes both lists into the artifact."""

    infer_imgs: Optional[Paths] = key(None, "an image, a folder, or a list of them")
    infer_list: Optional[str] = key(None, "a list of images below the folder `infer_imgs`, one per line")
    save_dir: Optional[str] = key(None, "also write the answers to this JSON file; `.json` is added if it is missing")
    batch_size: Count = key(10, "images at a time")
    transforms: Transforms = key((), "unset: those of `DataLoader.Eval`")
    PostProcess: Optional[Annotated[Part, POSTPROCESSES]] = key(None, "scores to answer")


@dataclass(frozen=True)
class MetricSection:
    """Metrics; the first of Eval decides which model is the best."""

    Train: tuple[Annotated[Part, METRICS], ...] = key((), "for training")
    Eval: tuple[Annotated[Part, METRICS], ...] = key((), "for evaluation")


@dataclass(frozen=True)
class UnLabelLossSection:
    """Losses of images without labels, by what the model finds itself; they add to those of `Loss.Train`."""

    Train: tuple[Annotated[Part, LOSSES], ...] = key((), "for training")


@dataclass(frozen=True)
class SSLSection:
    """When the model is sure enough of an image without a label."""

    tempture: Annotated[float, AtLeast(0)] = key(1.0, "temperature of its probabilities (in PaddleClas's spelling)")
    threshold: Annotated[float, Within(0, 1)] = key(0.95, "the highest one must be at least so high")


@dataclass(frozen=True)
class RunConfig(Root):
    """A run: all that train, eval, infer and export need to know."""

    Global: GlobalSection = key(GlobalSection(), "the run")
    AMP: AMPSection = key(AMPSection(use_amp=False), "mixed precision")
    EMA: Optional[EMASection] = key(None, "moving average of the weights")
    Arch: Annotated[ArchPart, ARCHITECTURES] = required("the architecture")
    MLDecoder: MLDecoderSection = key(MLDecoderSection(), "the head of `Arch.use_ml_decoder`")
    Loss: LossSection = key(LossSection(), "losses")
    UnLabelLoss: Optional[UnLabelLossSection] = key(None, "losses of images without labels")
    SSL: Optional[SSLSection] = key(None, "semi-supervised learning")
    Optimizer: Optional[Annotated[OptimizerPart, OPTIMIZERS]] = key(None, "the optimizer")
    DataLoader: DataLoaderSection = key(DataLoaderSection(), "the data")
    Infer: InferSection = key(InferSection(), "inference")
    Metric: MetricSection = key(MetricSection(), "metrics")
    Evaluators: tuple[EvaluatorSection, ...] = key((), "more evaluations than that of `DataLoader.Eval`")
    source: str = field(default="", compare=False)
    # What the user should know of how it was read.
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def model_name(self) -> str:
        """The name of the model in an export: PaddleX's, else that of the architecture."""
        return self.Global.pdx_model_name or self.Arch.name

    @property
    def class_num(self) -> int:
        """Classes of the model: `Arch.class_num`, else the old `Global.class_num`, else 1000. Raises ConfigError."""
        arch = self.Arch.deployed()
        head = arch.args.get("Head") or arch
        stated = head.args.get("class_num", self.Arch.args.get("class_num"))
        if stated is not None and stated < 1:
            raise ConfigError(f"{head.where}: class_num: must be at least 1; received {stated}; count the classes")
        return int(stated or self.Global.class_num or DEFAULT_CLASS_NUM)

    def deployed(self) -> "RunConfig":
        """Return the config of the model that is deployed, without those that it learned from."""
        if not self.Arch.members:
            return self
        arch = self.Arch.deployed()
        classes = {} if "Backbone" in arch.args else {"class_num": self.class_num}  # whose Head has its own
        return replace(self, Arch=replace(arch, args={**arch.args, **classes}))
