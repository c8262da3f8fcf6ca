"""The sections of a config that say what the data are, as frozen dataclasses whose fields are the YAML keys."""

from dataclasses import dataclass
from typing import Annotated, Optional

from ppcls.config.parts import AtLeast, key, required
from ppcls.data import DATASETS, SAMPLERS
from ppcls.images import BATCH_TRANSFORMS, TRANSFORMS
from ppcls.registry import Part

Transforms = tuple[Annotated[Part, TRANSFORMS], ...]


@dataclass(frozen=True)
class DatasetPart(Part):
    """The data set and its arguments."""

    transform_ops: Transforms = key((), "what happens to an image, in this order")
    batch_transform_ops: tuple[Annotated[Part, BATCH_TRANSFORMS], ...] = key((), "what happens to a whole batch")


@dataclass(frozen=True)
class LoaderSection:
    """The processes that read."""

    num_workers: Annotated[int, AtLeast(0)] = key(4, "reading processes per rank; 0: the training process reads")
    use_shared_memory: bool = key(True, "workers pass batches through shared memory")


@dataclass(frozen=True)
class DataSection:
    """Where one of training and evaluation gets its batches."""

    dataset: Annotated[DatasetPart, DATASETS] = required("data set and transforms")
    sampler: Annotated[Part, SAMPLERS] = required("how samples become batches; `batch_size` is per rank")
    loader: LoaderSection = key(LoaderSection(), "the processes that read")


@dataclass(frozen=True)
class UnlabelledPart(Part):
    """The data set of images whose labels are not looked at, and its arguments."""

    transform_ops_weak: Transforms = key((), "makes the view that the model is asked about")
    transform_ops_strong: Transforms = key((), "makes the view that the model learns the answer for")
    transform_ops_strong2: Transforms = key((), "of `fixmatch_ccssl`: makes one more view, for the features")


@dataclass(frozen=True)
class UnlabelledSection:
    """Images without labels, which come with the batches of `Train`."""

    dataset: Annotated[UnlabelledPart, DATASETS] = required("data set and the transforms of both views")
    sampler: Annotated[Part, SAMPLERS] = required("how many come with each batch, and in which order")
    loader: LoaderSection = key(LoaderSection(), "the processes that read, for each view")


@dataclass(frozen=True)
class DataLoaderSection:
    """The data."""

    Train: Optional[DataSection] = key(None, "for training")
    UnLabelTrain: Optional[UnlabelledSection] = key(
        None, "for training with `Global.train_mode: fixmatch`, or `fixmatch_ccssl`"
    )
    Eval: Optional[DataSection] = key(None, "for evaluation; in one of retrieval, the queries")
    Gallery: Optional[DataSection] = key(None, "what the queries of an evaluation of retrieval search")
