"""The packages, with `configs/` inside of `ppcls` once it is installed; all else is in pyproject.toml."""

from setuptools import find_packages, setup

CONFIGS = {"ppcls.configs": "configs", "ppcls.configs._base_": "configs/_base_"}

setup(
    packages=[*find_packages(include=["ppcls", "ppcls.*"]), *CONFIGS],
    package_dir={"ppcls": "ppcls", **CONFIGS},
    package_data={"": ["py.typed", "*.yaml", "*.html", "*.tsv", "assets/*"], "ppcls.ops": ["onednn/*"]},
)
