"""What an exported model needs to predict: which module has which post-processes."""

from ppcls.registry import Registry

POSTPROCESSES = Registry(
    "post-process",
    {
        "ppcls.inference.postprocess": "Topk ThreshOutput MultiLabelThreshOutput ScoreOutput",
        "ppcls.inference.attributes": "PersonAttribute VehicleAttribute TableAttribute",
    },
)
