"""Whether one model is better than another, by more than chance."""

import pytest

from ppcls.report.comparing import mcnemar
from ppcls.report.difference import between, flat


def test_mcnemar_is_the_two_sided_binomial_test() -> None:
    # 2 * sum of C(n, k) / 2^n for k up to the fewer, by hand.
    assert mcnemar(0, 0) == mcnemar(4, 4) == 1.0
    assert mcnemar(5, 0) == mcnemar(0, 5) == 2 / 32
    assert mcnemar(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert mcnemar(3000, 3400) < 1e-6


def test_configs_differ_by_their_keys() -> None:
    first = flat({"Global": {"seed": 0, "epochs": 2}, "Metric": [{"TopkAcc": {"topk": [1, 5]}}]})
    second = flat({"Global": {"seed": 1, "epochs": 2}, "Metric": [{"TopkAcc": {"topk": [1]}}]})
    assert [tuple(one) for one in between(first, second)] == [
        ("Global.seed", "0", "1"),
        ("Metric.0.TopkAcc.topk.1", "5", "-"),
    ]
