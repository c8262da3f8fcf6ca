"""Data sets and samplers: which module has which names."""

from ppcls.registry import Registry

DATASETS = Registry(
    "data set",
    {
        "ppcls.data.sources.lists": "ImageNetDataset",
        "ppcls.data.sources.folders": "ImageFolder",
        "ppcls.data.sources.multi_label": "MultiLabelDataset",
        "ppcls.data.sources.turned": "TurnedImages",
        "ppcls.data.sources.identities": "VeriWild Market1501 MSMT17 DukeMTMC",
        "ppcls.data.sources.packed": "PackedDataset",
        "ppcls.data.sources.cifar": "Cifar10 Cifar100",
        "ppcls.data.sources.mnist": "MNIST FashionMNIST",
    },
)
SAMPLERS = Registry(
    "sampler",
    {
        "ppcls.data.samplers.base": "BatchSampler DistributedBatchSampler RepeatedAugSampler ClassAwareSampler",
        "ppcls.data.samplers.multi_scale": "MultiScaleSampler",
        "ppcls.data.samplers.identity": "PKSampler DistributedRandomIdentitySampler",
    },
)
