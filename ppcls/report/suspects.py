"""Labels that may be wrong, with boxes to tick: the page writes what was found as a list for `ppcls data relabel`."""

from collections.abc import Iterator
from html import escape

from ppcls.report.content import Content
from ppcls.report.evaluation import Answer
from ppcls.report.figures import Figures, name

NUM_SHOWN = 60

SCRIPT = """\
"use strict";
const save = document.getElementById("save");
if (save) {
  const boxes = [...document.querySelectorAll("#suspects input[type=checkbox]")];
  const count = () => { save.textContent = `Save ${boxes.filter(box => box.checked).length} corrections`; };
  const quoted = text => `"${text.replaceAll('"', '""')}"`;
  boxes.forEach(box => { box.onchange = count; });
  save.onclick = () => {
    const rows = boxes.filter(box => box.checked).map(box => {
      const {path, label} = box.dataset;
      const chosen = box.closest("figure").querySelector("select").value;
      return [path, label, chosen].map(quoted).join(",");
    });
    const file = new Blob([["path,label,new_label", ...rows, ""].join("\\n")], {type: "text/csv"});
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "corrections.csv";
    link.click();
  };
  count();
}
"""


def suspects(content: Content) -> Iterator[str]:
    """Yield the section: of the images that the run was trained on, or else of those that were measured."""
    data, evaluation = content.trained or (content.data, content.measured)
    if evaluation.several:
        return
    found = evaluation.suspects(NUM_SHOWN)
    if not found:
        yield '<p class="good">No label is doubted.</p>'
        return
    by = "a classifier that was fitted to the other images" if evaluation.features is not None else "the model"
    which = "images that it was trained on" if content.trained else "images above"
    yield f"<p>Of the {len(evaluation.labels):,} {which}, those first that {by} doubts most. Tick those whose label is "
    yield "wrong; <code>ppcls data relabel DATA corrections.csv --out FOLDER</code> writes the corrected lists.</p>"
    yield '<p><button id="save" type="button">Save corrections</button></p>'
    names, figures = list(evaluation.class_names), Figures(data)
    shown = [_figure(one, figures.thumbnail(one.path), names) for one in found]
    yield f'<div class="thumbs">{"".join(shown)}</div>'


def _figure(one: Answer, image: str, names: list[str]) -> str:
    chosen = [*dict.fromkeys([one.predicted, *(other for other in names if other != one.label)]), ""]
    options = "".join(f'<option value="{escape(right)}">{escape(right or "remove it")}</option>' for right in chosen)
    about = f'data-path="{escape(one.path)}" data-label="{escape(one.label)}"'
    return (
        f"<figure>{image}<figcaption>labelled {escape(one.label)}<br>{name(one.path)}"
        f'</figcaption><label><input type="checkbox" {about}> wrong, it is</label>'
        f'<select aria-label="the right class">{options}</select></figure>'
    )
