"""What `tools/train.py --check` prints: the run's numbers, after one batch went through the model."""

from math import prod
from typing import Any

import paddle
from prettytable import PrettyTable

from ppcls import environment
from ppcls.engine.engine import Engine
from ppcls.engine.macs import count_macs
from ppcls.losses.base import total_of
from ppcls.models.layers import STOCK, compute_with


def report(engine: Engine) -> str:
    """Build everything, draw the first training batch, run one forward pass, and return a table of facts."""
    engine.prepare()
    config, state = engine.config, engine.state
    batch = next(engine.train_batches())
    compute_with(engine.model, STOCK)  # whose layers count_macs watches
    with paddle.no_grad():
        macs, _ = count_macs(engine.model, batch.images)
        outputs = engine.task.forward(engine.task.trained, batch)
        loss = float(total_of(engine.task.losses(outputs, batch)))
    shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in outputs.items())
    steps = -(-engine.batches_per_epoch // config.Global.update_freq)
    last, warm = config.Global.epochs * steps - 1, state.schedule.warmup_steps
    learning_rates = {"start": 0, **({"after warm-up": warm} if warm else {}), "end": last}
    parameters = sum(prod(parameter.shape) for parameter in engine.model.parameters() if parameter.trainable)
    rows: dict[str, Any] = {
        "model": f"{config.Arch.name}, {config.class_num} classes",
        "parameters": f"{parameters:,}",
        "FLOPs of one image": f"{2 * macs / len(batch) / 1e9:.3f} G (forward; a multiply-add is two)",
        "device, numbers": f"{engine.device}, {engine.precision}",
        **({"instruction set": environment.instruction_set()} if engine.device == "cpu" else {}),
        "training images": len(engine.train_loader.dataset),
        "batch": f"images {list(batch.images.shape)}, labels {list(batch.labels.shape)}, outputs {shapes}",
        "steps per epoch": f"{steps} of {config.Global.update_freq} batch(es)",
        "learning rate": ", ".join(f"{name} {state.schedule.lr(step):.6g}" for name, step in learning_rates.items()),
        "loss of the first batch": f"{loss:.4f}",
    }
    if config.Global.eval_during_train:
        rows["evaluation images"] = engine.eval_loader.num_images
    table = PrettyTable(["checked", "value"], align="l")
    table.add_rows([[name, value] for name, value in rows.items()])
    return str(table)
