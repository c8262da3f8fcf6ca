"""The sections of a deploy YAML: what to predict, and how, with which exported model."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, Optional

from ppcls.config.data_schema import Transforms
from ppcls.config.parts import Named, Root, key
from ppcls.config.schema import Count, Paths
from ppcls.inference import POSTPROCESSES
from ppcls.registry import Part


@dataclass(frozen=True)
class GlobalSection:
    """What to predict, with which model, on what."""

    infer_imgs: Optional[Paths] = key(None, "an image, a folder, or a list of them")
    inference_model_dir: str = key("./models", "the folder that export wrote")
    batch_size: Count = key(1, "images at a time")
    use_gpu: bool = key(False, "run on a GPU")
    use_sdaa: bool = key(False, "run on an SDAA accelerator")
    use_xpu: bool = key(False, "run on an XPU")
    use_npu: bool = key(False, "run on an NPU")
    gpu_mem: Count = key(8000, "initial GPU memory pool, in MiB")
    enable_mkldnn: bool = key(True, "oneDNN kernels on the CPU")
    cpu_num_threads: Optional[Count] = key(None, "threads on the CPU; unset: as many as it has cores")
    ir_optim: bool = key(True, "optimise the graph before running")
    use_tensorrt: bool = key(False, "TensorRT engine on the GPU")
    use_fp16: bool = key(False, "compute in half precision, on a GPU")
    use_bf16: bool = key(False, "compute in bfloat16, on a CPU that has it (else float32, and a warning)")
    engine: Optional[Literal["paddle", "openvino", "onnxruntime"]] = key(
        None, "what runs the model; unset: of those that are installed and fit the exported files, the fastest"
    )
    tta: bool = key(False, "mean scores of each image and its mirror image, which takes twice the time")
    enable_benchmark: bool = key(False, "print times at the end")
    enable_profile: bool = key(False, "print a table of operators at the end")


@dataclass(frozen=True)
class PreProcessSection:
    """Overrides the artifact's own transforms."""

    transform_ops: Transforms = key((), "what happens to a decoded RGB image, in this order")


@dataclass(frozen=True)
class SavePreLabelSection:
    """Also sort the predictions into files."""

    save_dir: str = key("./pre_label/", "folder to write to")


@dataclass(frozen=True)
class Indicated:
    """Which post-process is meant, and all but Topk with their arguments."""

    main_indicator: Literal[
        "Topk",
        "ThreshOutput",
        "MultiLabelThreshOutput",
        "PersonAttribute",
        "VehicleAttribute",
        "TableAttribute",
        "ScoreOutput",
    ] = key("Topk", "the post-process whose answer is given")
    ThreshOutput: Optional[Annotated[Part, POSTPROCESSES, Named("ThreshOutput")]] = key(
        None, "one class, by a threshold"
    )
    MultiLabelThreshOutput: Optional[Annotated[Part, POSTPROCESSES, Named("MultiLabelThreshOutput")]] = key(
        None, "all classes that reach a threshold"
    )
    PersonAttribute: Optional[Annotated[Part, POSTPROCESSES, Named("PersonAttribute")]] = key(None, "of a person")
    VehicleAttribute: Optional[Annotated[Part, POSTPROCESSES, Named("VehicleAttribute")]] = key(None, "of a vehicle")
    TableAttribute: Optional[Annotated[Part, POSTPROCESSES, Named("TableAttribute")]] = key(None, "of a table's image")
    ScoreOutput: Optional[Annotated[Part, POSTPROCESSES, Named("ScoreOutput")]] = key(None, "the scores themselves")


@dataclass(frozen=True)
class PostProcessSection(Indicated):
    """Scores to answers."""

    Topk: Annotated[Part, POSTPROCESSES, Named("Topk")] = key(Part("Topk"), "the best classes")
    SavePreLabel: Optional[SavePreLabelSection] = key(None, "save predicted labels")


@dataclass(frozen=True)
class IndexSection:
    """The images that `ppcls index` searches in."""

    data_file: Optional[str] = key(None, "list of the images to build it of: a path and a label on each line")
    image_root: Optional[str] = key(None, "folder that the paths of the list start from; unset: the list's own")
    delimiter: str = key("\t", "what is between path and label")
    index_dir: Optional[str] = key(None, "folder of the index, unless `--index` names its file: `index.npz` there")
    return_k: Count = key(5, "how many images a search gives")
    score_thres: Optional[float] = key(None, "least score of these")


@dataclass(frozen=True)
class DeployConfig(Root):
    """A prediction: all that deploy/python/predict_cls.py needs to know."""

    Global: GlobalSection = key(GlobalSection(), "what, with which model, on what")
    PreProcess: PreProcessSection = key(PreProcessSection(), "override of the artifact's transforms")
    PostProcess: Optional[PostProcessSection] = key(None, "override of the artifact's post-process")
    IndexProcess: IndexSection = key(IndexSection(), "the index of a model that gives features")
    source: str = field(default="", compare=False)
    # What the user should know of how it was read.
    notes: tuple[str, ...] = field(default=(), compare=False)
