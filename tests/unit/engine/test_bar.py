"""The line that tells on a terminal how far an epoch is."""

import io
import os

from runs import MakeEngine, trained

from ppcls.engine.bar import CLEAR, Bar


def test_a_terminal_has_a_line_that_is_written_over_and_removed() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        bar = Bar("epoch 1/3", 8, terminal)
        bar.note = "loss: 0.5"
        bar.update(4, 35.2, 70)
        bar.update(5, 35.2, 60)  # too soon to be read
        bar.clear()
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    line = "epoch 1/3 [##########..........] 4/8, 35.2 images/s, 0:01:10 left, loss: 0.5"
    assert shown == f"{CLEAR}{line}{CLEAR}"


def test_a_file_has_none() -> None:
    file = io.StringIO()
    bar = Bar("epoch 1/3", 8, file)
    bar.update(4, 35.2, 70)
    bar.clear()
    assert file.getvalue() == ""


def test_a_run_whose_errors_go_to_a_file_has_lines_alone(make: MakeEngine, capfd: object) -> None:
    trained(make("Tiny"))
    assert "\r" not in capfd.readouterr().err  # type: ignore[attr-defined]
