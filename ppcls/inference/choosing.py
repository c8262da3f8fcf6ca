"""Which post-process answers: that of the deploy YAML, or the model's own, with its calibration."""

from ppcls.config.deploy import DeployConfig
from ppcls.errors import ConfigError
from ppcls.inference import POSTPROCESSES
from ppcls.inference.artifact import Artifact
from ppcls.inference.postprocess import HonestTopk, PostProcess, Topk
from ppcls.registry import Facts, Part


def postprocess(about: Artifact, deploy: DeployConfig, class_num: int) -> PostProcess:
    """Return what the deploy YAML asks for, or else the model. Raises ConfigError for what can't be."""
    section = deploy.PostProcess
    part = about.postprocess
    if section is not None:
        wanted = section.main_indicator
        part = getattr(section, wanted) or (part if part.name == wanted else Part(wanted))
    if part.name == "ThreshOutput" and "threshold" not in part.args:
        raise ConfigError(
            f"{deploy.source}: PostProcess: main_indicator is ThreshOutput, whose threshold is missing; "
            "add ThreshOutput: {threshold: 0.5}"
        )
    built: PostProcess = POSTPROCESSES.build(
        part, Facts(label_names=about.PostProcess.Topk.label_list, class_num=class_num)
    )
    return honest(built, about)


def honest(built: PostProcess, about: Artifact) -> PostProcess:
    """Return what also says how sure the answers are, if the model was calibrated and gives the best classes."""
    return HonestTopk(built, about.calibration) if about.calibration and isinstance(built, Topk) else built
