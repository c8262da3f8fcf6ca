"""What `ppcls export --calibrate` fits to the images that a run holds out."""

import logging
from pathlib import Path
from typing import Optional

from ppcls.config.schema import RunConfig
from ppcls.errors import ConfigError
from ppcls.inference import honesty
from ppcls.inference.honesty import Honesty
from ppcls.registry import Part
from ppcls.report.evaluation import Evaluation
from ppcls.report.sources import of_config
from ppcls.report.thresholds import Goal, fit_all
from ppcls.text import printable

logger = logging.getLogger("ppcls")

# Where a post-process of several classes an image has a threshold for each.
_THRESHOLDS = {
    "MultiLabelThreshOutput": "threshold",
    "PersonAttribute": "thresholds",
    "VehicleAttribute": "thresholds",
    "TableAttribute": "thresholds",
}


def fitted(config: RunConfig, goal: Goal) -> tuple[Optional[Honesty], Part]:
    """Return what makes the scores of the config's weights honest, and the post-process.

    That has the thresholds of `goal` where an image has several classes. Raises ConfigError, DataError.
    """
    part = config.Infer.PostProcess or Part("Topk")
    source = of_config(config, Path(config.Global.output_dir))
    data_set = source.data(None)
    several = data_set.labels.ndim > 1
    one = part.name == "Topk" and config.Arch.infer_add_softmax and goal.measure == "f1"
    if not (part.name in _THRESHOLDS if several else one):
        raise ConfigError(
            "--calibrate: needs one class an image, Infer.PostProcess: Topk and Arch.infer_add_softmax: True; or "
            f"several, and {', '.join(_THRESHOLDS)}; received {part.name} for {data_set.label_kind.value}"
            f"{'' if goal.measure == 'f1' else f' and a {goal.measure}, which is of several'}; correct the options"
        )
    measured = source.evaluate(data_set)
    if several:
        honesty.require_images(len(measured.labels))
        return None, _with_thresholds(part, measured, goal)
    found = honesty.fit(measured.scores, measured.labels)
    logger.info(
        f"calibrated on {found.images} images: temperature {found.temperature:.4f}, none of these below "
        f"{found.reject_below:.4f}, 90 % sets from {found.set_above:.4f}"
    )
    return found, part


def _with_thresholds(part: Part, measured: Evaluation, goal: Goal) -> Part:
    found, kept = fit_all(measured, goal)
    wanted = "the best F1" if goal.measure == "f1" else f"a {goal.measure} of {goal.least:g}"
    before, after = measured.metrics["f1"], found.metrics["f1"]
    logger.info(f"thresholds for {wanted}, fitted to {len(found.labels)} images: mean F1 {before:.4f} -> {after:.4f}")
    if kept:
        logger.warning(
            f"--calibrate: the threshold stays where no image has the class, or none reaches {wanted}: "
            f"{', '.join(map(printable, kept))}"
        )
    thresholds = [row.threshold for row in found.per_class]
    return Part(part.name, {**part.args, _THRESHOLDS[part.name]: thresholds}, part.where)
