"""The metrics: which module has which names."""

from ppcls.registry import Registry

METRICS = Registry("metric", {"ppcls.metrics.topk": "TopkAcc DistillationTopkAcc"})
