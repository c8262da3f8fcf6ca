"""Every schedule of lr.json, step by step, as PaddleClas computed it."""

import json
from pathlib import Path

from ppcls.optim import SCHEDULES
from ppcls.optim.schedule import Span
from ppcls.registry import Facts, Part


def test_schedules_give_the_reference_rate_before_every_step(shared: Path) -> None:
    cases = json.loads((shared / "parity/lr.json").read_text())
    assert cases
    for case in cases:
        arguments = dict(case["config"])
        span = Span(case["epochs"], case["steps_per_epoch"])
        schedule = SCHEDULES.build(Part(arguments.pop("name"), arguments), Facts(span=span))
        rates = [schedule.lr(step) for step in range(len(case["lr"]))]
        worst = max(abs(rate - expected) for rate, expected in zip(rates, case["lr"]))
        assert worst < 1e-12, case["config"]
