"""Run by test_mistakes.py: scripts, one after the other, in one process, as importing Paddle takes seconds.

Standard input: a JSON list of [script, arguments]. Standard output: a JSON list of what each came to: exit status,
output, errors, and the files that it added to the present folder.
"""

import contextlib
import io
import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any


def run(script: str, arguments: list[str]) -> dict[str, Any]:
    output, errors = io.StringIO(), io.StringIO()
    before = set(Path().rglob("*"))
    sys.argv = [script, *arguments]
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as error:
            status = error.code
    added = sorted(set(Path().rglob("*")) - before)
    for path in added:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return {"status": status, "output": output.getvalue(), "errors": errors.getvalue(), "added": list(map(str, added))}


if __name__ == "__main__":
    print(json.dumps([run(script, arguments) for script, arguments in json.load(sys.stdin)]))
