"""MkDocs's hook for `make site`: pages from outside docs/, and links that lead to them."""

import posixpath
import re
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
# What the site shows from outside docs/, and where.
OUTSIDE = {
    "README.md": "index.md",
    "README_zh.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "run_scripts/README.md": "launcher.md",
    "examples/quickstart.ipynb": "quickstart.ipynb",
}
INSIDE = {page: file for file, page in OUTSIDE.items()}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_config(config: Any) -> None:
    """Give headings GitHub's anchors, in any script."""
    from pymdownx.slugs import slugify

    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")


def on_files(files: Any, config: Any) -> Any:
    """Add the files of OUTSIDE."""
    from mkdocs.structure.files import File

    for file, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(REPO / file)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let each link lead to where the site has the file that it names in the repository."""
    here = page.file.src_uri
    folder = posixpath.dirname(INSIDE.get(here, f"docs/{here}"))

    def moved(link: "re.Match[str]") -> str:
        file = posixpath.normpath(posixpath.join(folder, link[1]))
        place = OUTSIDE.get(file, posixpath.relpath(file, "docs"))
        return posixpath.relpath(place, posixpath.dirname(here) or ".")

    return LINK.sub(moved, markdown)
