"""The config: a YAML file and `-o` options become one checked, frozen object."""

from ppcls.config.data_schema import DataSection, DatasetPart
from ppcls.config.deploy import DeployConfig
from ppcls.config.load import (
    as_overrides,
    dump,
    dump_config,
    listed,
    load_config,
    load_deploy_config,
    load_sweep_config,
    overridden,
)
from ppcls.config.schema import (
    ArchPart,
    GlobalSection,
    OptimizerPart,
    RunConfig,
)
from ppcls.config.sweep import SearchStage, SweepConfig
from ppcls.registry import Part

__all__ = [
    "ArchPart",
    "DataSection",
    "DatasetPart",
    "DeployConfig",
    "GlobalSection",
    "OptimizerPart",
    "Part",
    "RunConfig",
    "SearchStage",
    "SweepConfig",
    "as_overrides",
    "dump",
    "dump_config",
    "listed",
    "load_config",
    "load_deploy_config",
    "load_sweep_config",
    "overridden",
]
