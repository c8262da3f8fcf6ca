"""The metrics: which module has which names."""

from ppcls.registry import Registry

METRICS = Registry(
    "metric",
    {
        "ppcls.metrics.topk": "TopkAcc DistillationTopkAcc",
        "ppcls.metrics.precision_recall": "Precision Recall F1",
        "ppcls.metrics.confusion": "BalancedAccuracy ConfusionMatrix",
        "ppcls.metrics.auc": "AUC",
        "ppcls.metrics.tpr_at_fpr": "TprAtFpr",
        "ppcls.metrics.calibration": "ExpectedCalibrationError",
        "ppcls.metrics.average_precision": "MultiLabelMAP",
        "ppcls.metrics.flags": "HammingDistance AccuracyScore MultilabelMeanAccuracy",
        "ppcls.metrics.attributes": "ATTRMetric",
        "ppcls.metrics.retrieval": "Recallk mAP mINP Precisionk",
    },
)
