import json
import math
from typing import Any

import paddle
import pytest

from ppcls.errors import CheckpointError, ConfigError
from ppcls.optim import SCHEDULES
from ppcls.optim.schedule import Schedule, Span
from ppcls.registry import Facts, Part

SPAN = Span(10, 5)
EXAMPLES: dict[str, dict[str, Any]] = {
    "Constant": {"learning_rate": 0.1},
    "ConstLR": {"learning_rate": 0.1},
    "Linear": {"learning_rate": 0.1},
    "Cosine": {"learning_rate": 0.1},
    "CosineFixmatch": {"learning_rate": 0.1},
    "Step": {"learning_rate": 0.1, "step_size": 2, "gamma": 0.5},
    "Piecewise": {"decay_epochs": [3, 6], "values": [0.1, 0.01, 0.001]},
    "MultiStepDecay": {"learning_rate": 0.1, "milestones": [3, 6]},
    "Cyclic": {"base_learning_rate": 0.1, "max_learning_rate": 0.4, "step_size_up": 4},
    "OneCycleLR": {"max_learning_rate": 0.1},
    "Trapezoid": {"learning_rate": 0.1},
    "ReduceOnPlateau": {"learning_rate": 0.1},
}
WARMED_UP = [name for name in EXAMPLES if name not in ("Constant", "CosineFixmatch")]


def build(name: str, **more: Any) -> Schedule:
    schedule: Schedule = SCHEDULES.build(Part(name, {**EXAMPLES[name], **more}), Facts(span=SPAN))
    return schedule


def test_every_registered_schedule_is_tested_here() -> None:
    assert sorted(EXAMPLES) == sorted(SCHEDULES.names())


@pytest.mark.parametrize("name", WARMED_UP)
def test_warmup_is_linear_at_every_step_and_leads_to_where_the_schedule_begins(name: str) -> None:
    schedule = build(name, warmup_epoch=2, warmup_start_lr=0.02)
    rates = [schedule.lr(step) for step in range(10)]
    assert rates == pytest.approx([0.02 + 0.008 * step for step in range(10)])
    assert schedule.lr(10) == build(name).lr(0)


def test_a_trapezoid_stays_and_then_falls_to_nothing() -> None:
    rates = [build("Trapezoid", decay_from=20, decay_to=30).lr(step) for step in (0, 20, 25, 30, 40)]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.0, 0.0])
    assert build("Trapezoid").lr(33) == 0.1 > build("Trapezoid").lr(34)  # of 50 updates
    with pytest.raises(ConfigError, match="decay_from: must be before decay_to, 10; received 20"):
        build("Trapezoid", decay_from=20, decay_to=10)
    undecided, restored = build("Trapezoid"), build("Trapezoid")
    undecided.decay = None  # type: ignore[attr-defined]
    restored.load_state_dict(json.loads(json.dumps(undecided.state_dict())))
    assert undecided.lr(49) == restored.lr(49) == 0.1


def test_a_fraction_of_an_epoch_can_be_the_warmup() -> None:
    schedule = build("Cosine", warmup_epoch=0.5)  # 2.5 steps, rounded to 2
    assert [schedule.lr(step) for step in range(3)] == pytest.approx([0.0, 0.05, 0.1])


def test_a_fraction_of_an_epoch_between_two_steps_is_rounded() -> None:
    """0.29 * 100 is a little less than 29 in binary fractions."""
    schedule: Schedule = SCHEDULES.build(
        Part("Step", {**EXAMPLES["Step"], "step_size": 0.29}), Facts(span=Span(1, 100))
    )
    assert [schedule.lr(step) for step in (28, 29, 57, 58)] == pytest.approx([0.1, 0.05, 0.05, 0.025])


@pytest.mark.parametrize("name", WARMED_UP)
def test_a_rate_by_epoch_changes_only_between_epochs(name: str) -> None:
    schedule = build(name, warmup_epoch=3, by_epoch=True)
    rates = [schedule.lr(step) for step in range(50)]
    assert all(rates[step] == rates[step - step % 5] for step in range(50))
    assert [rates[0], rates[5], rates[10]] == pytest.approx([0.0, 0.1 / 3, 0.2 / 3])


@pytest.mark.parametrize("name", ["Linear", "Cosine", "OneCycleLR"])
def test_a_decay_stays_at_its_end_when_asked_beyond_it(name: str) -> None:
    schedule = build(name)
    assert schedule.lr(50) == schedule.lr(1000) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", ["Linear", "Cosine"])
def test_a_warmup_over_the_whole_training_leaves_nothing_to_decay(name: str) -> None:
    schedule = build(name, warmup_epoch=10)
    assert schedule.lr(49) == pytest.approx(0.098)
    assert schedule.lr(50) == 0.1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Cosine", {"warmup_epoch": 11}, "warmup_epoch: longer than the training; received 11 of 10 epochs"),
        ("Cosine", {"learning_rate": -0.1}, "learning_rate: out of range; received -0.1; give a number >= 0"),
        ("Cosine", {"warmup_epoch": -1}, "warmup_epoch: out of range"),
        ("Piecewise", {"values": [0.1, 0.01]}, "values: needs one more entry than decay_epochs"),
        ("Piecewise", {"decay_epochs": [6, 3]}, "decay_epochs: not in increasing order"),
        ("Step", {"step_size": 0.1}, "step_size: shorter than one step"),
        ("Step", {"step_size": 0.5, "by_epoch": True}, "step_size: shorter than one epoch"),
        ("MultiStepDecay", {"gamma": 1.0}, "gamma: out of range"),
        ("Cyclic", {"max_learning_rate": 0.05}, "max_learning_rate: out of range"),
        ("OneCycleLR", {"phase_pct": 1.5}, "phase_pct: "),
        ("OneCycleLR", {"phase_pct": 0.5, "three_phase": True}, "phase_pct: "),
        ("ReduceOnPlateau", {"factor": 1.0}, "factor: out of range"),
    ],
)
def test_a_bad_argument_is_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, **arguments)
    assert message in str(caught.value)


def test_a_whole_number_makes_a_float_rate() -> None:
    assert isinstance(build("Constant", learning_rate=1).lr(0), float)


@pytest.mark.parametrize("by_epoch", [False, True])
def test_a_last_epoch_leaves_out_that_many_changes_of_the_rate_as_in_paddle(by_epoch: bool) -> None:
    whole, rest = (build("Cosine", warmup_epoch=1, by_epoch=by_epoch, last_epoch=last) for last in (-1, 2))
    steps = 3 * 5 if by_epoch else 3
    assert [rest.lr(step) for step in range(20)] == [whole.lr(step + steps) for step in range(20)]
    with pytest.raises(ConfigError, match="last_epoch: out of range"):
        build("Cosine", last_epoch=-2)


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@pytest.mark.parametrize("down", [None, 7])
def test_cyclic_agrees_with_paddle(mode: str, down: Any) -> None:
    arguments = {"step_size_down": down, "mode": mode, "exp_gamma": 0.97}
    schedule = build("Cyclic", **arguments)
    reference = paddle.optimizer.lr.CyclicLR(0.1, 0.4, 4, **arguments)
    for step in range(50):
        assert schedule.lr(step) == pytest.approx(reference.last_lr, abs=1e-12)
        reference.step()


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_agrees_with_paddle(strategy: str, three_phase: bool) -> None:
    schedule = build("OneCycleLR", anneal_strategy=strategy, three_phase=three_phase)
    reference = paddle.optimizer.lr.OneCycleLR(
        0.1, 50, end_learning_rate=1e-10, anneal_strategy=strategy, three_phase=three_phase
    )
    for step in range(50):
        assert schedule.lr(step) == pytest.approx(reference.last_lr, abs=1e-12)
        reference.step()


def test_one_cycle_may_be_shorter_than_the_training() -> None:
    schedule = build("OneCycleLR", epochs=5)
    assert schedule.lr(24) == schedule.lr(49) == pytest.approx(1e-10)


@pytest.mark.parametrize("phase_pct", [0.0, 0.02, 1.0])
def test_one_cycle_may_have_an_empty_phase(phase_pct: float) -> None:
    schedule = build("OneCycleLR", phase_pct=phase_pct)
    assert all(math.isfinite(schedule.lr(step)) for step in range(51))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_reduce_on_plateau_agrees_with_paddle(mode: str, threshold_mode: str) -> None:
    arguments = {
        "mode": mode,
        "threshold_mode": threshold_mode,
        "factor": 0.5,
        "patience": 1,
        "threshold": 0.02,
        "cooldown": 2,
        "min_lr": 0.02,
    }
    schedule = build("ReduceOnPlateau", **arguments)
    reference = paddle.optimizer.lr.ReduceOnPlateau(0.1, **arguments)
    for epoch in range(40):
        value = 0.5 + 0.3 * math.sin(epoch / 3)
        schedule.observe(value)
        reference.step(value)
        assert schedule.lr(5 * epoch) == reference.last_lr


def test_reduce_on_plateau_goes_on_from_its_state() -> None:
    first, second = build("ReduceOnPlateau", patience=1), build("ReduceOnPlateau", patience=1)
    first.observe(1.0)
    first.observe(1.0)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.lr(0) == 0.1
    second.observe(1.0)
    assert second.lr(0) == pytest.approx(0.01)


def test_a_state_of_another_schedule_is_refused() -> None:
    build("Cosine").load_state_dict(build("Linear").state_dict())
    with pytest.raises(CheckpointError, match="Cosine has no state"):
        build("Cosine").load_state_dict(build("ReduceOnPlateau").state_dict())
    with pytest.raises(CheckpointError, match="resume with the schedule that the run began with"):
        build("ReduceOnPlateau").load_state_dict({})


def test_the_cosine_of_fixmatch_ends_at_its_part_of_a_period() -> None:
    schedule = build("CosineFixmatch", num_warmup_steps=10, num_cycles=0.25)
    assert [schedule.lr(step) for step in (0, 5)] == [0.0, pytest.approx(0.05)]
    assert [schedule.lr(step) for step in (10, 50)] == pytest.approx([0.1, 0.1 * math.cos(math.pi / 4)])
    assert build("CosineFixmatch").lr(50) == pytest.approx(0.1 * math.cos(math.pi * 7 / 16))
    assert build("CosineFixmatch", num_cycles=1.0).lr(45) == 0.0
