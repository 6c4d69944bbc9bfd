"""One training loop for every objective: SGD with Nesterov momentum, a one-cycle schedule, crash-safe resume.

All randomness of an epoch (order, augmentation, attacks) follows from (seed, epoch) alone, so a checkpoint after every
epoch is all that a resumed run needs to end where the unbroken one would have: bit for bit on a CPU in float32.
"""

from __future__ import annotations

import copy
import hashlib
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from tulip_lite.checks import check_labels
from tulip_lite.data import Split
from tulip_lite.data.augmentation import Augmentation
from tulip_lite.models import evaluating, placed
from tulip_lite.objectives import Objective
from tulip_lite.storage.unfinished import Checkpoint
from tulip_lite.training.precision import choose_precision, default_device
from tulip_lite.training.schedule import Schedule

NAN_CHECK_EVERY = 20  # steps; reading the loss more often would make a GPU wait


@dataclass
class Run:
    """What `fit` returns: the trained model (in eval mode), a row of history per epoch, the precision it ran in."""

    model: nn.Module
    history: list[dict[str, float]] = field(default_factory=list)
    precision: str = "float32"

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the finished epochs, tests between them not counted."""
        return sum(row["seconds"] for row in self.history)


def clean_error(model: nn.Module, data: Split, batch_size: int = 500) -> float:
    """Share of misclassified images, in [0, 1], in eval mode and float32."""
    device = next(model.parameters()).device
    wrong = 0
    with evaluating(model), torch.inference_mode():
        for x, y in data.to(device).batches(batch_size):
            wrong += int((model(x.contiguous(memory_format=torch.channels_last)).argmax(1) != y).sum())
    return wrong / len(data)


def fit(
    model: nn.Module,
    data: Split,
    objective: Objective,
    schedule: Schedule,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    precision: str = "auto",
    device: torch.device | str | None = None,
    test: Split | None = None,
    run_folder: Path | str | None = None,
    progress: bool = True,
) -> Run:
    """Trains `model` in place on `data` and returns a `Run`.

    Args:
        data: Images (N, C, H, W) uint8 and labels; moved to `device` (a GPU if there is one) as a whole. The last,
            incomplete batch of an epoch is left out, as the order is new each time.
        test: If given, its clean error is measured after every epoch and stored in the history.
        run_folder: If given, a checkpoint is written there after every epoch, and training goes on from the one that lies
            there. A killed run loses at most the epoch it was in.

    Raises:
        ValueError: For labels out of range, fewer images than one batch, or a checkpoint of another run or model (it is
            left alone).
        FloatingPointError: Where the loss is no longer finite: the model goes back to the last finished epoch, and so does
            the checkpoint.
    """
    device = torch.device(device) if device else default_device()
    precision = choose_precision(precision, objective, device)
    steps = len(data) // schedule.batch_size
    if not steps:
        raise ValueError(
            f"{len(data)} images do not fill one batch of {schedule.batch_size}: choose a smaller batch_size"
        )
    placed(model, device)
    data = data.to(device)
    _check_fits(model, data)

    run = Run(model, precision=precision)
    optimizer = schedule.optimizer(model.parameters())
    rate = schedule.rate(optimizer, steps)
    store = None
    if run_folder is not None:
        identity = _identity(data, objective, schedule, augmentation, seed, precision)
        store = Checkpoint(Path(run_folder), identity)
        run.history = store.restore(model, optimizer, rate)
    total, done = schedule.epochs * steps, len(run.history) * steps
    with tqdm(total=total, initial=done, disable=not progress, unit="step") as bar:
        for epoch in range(len(run.history), schedule.epochs):
            row = _finite_epoch(run, epoch, seed, store, data, objective, schedule, augmentation, optimizer, rate, bar)
            if test is not None:
                row["clean_error"] = clean_error(model, test)
            run.history.append(row)
            if store:
                store.save(model, optimizer, rate, run.history)
    model.eval()
    return run


def _finite_epoch(run, epoch, seed, store, data, objective, schedule, augmentation, optimizer, rate, bar):
    """An epoch, drawn from its own seed; where its loss is no longer finite the model goes back to its beginning."""
    start, device = copy.deepcopy(run.model.state_dict()), data.labels.device
    # the caller's random numbers are left as they were
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed * 1_000_003 + epoch)
        try:
            return _epoch(run, data, objective, schedule, augmentation, optimizer, rate, bar)
        except FloatingPointError as error:
            run.model.load_state_dict(start)
            raise FloatingPointError(
                f"{error} of epoch {epoch + 1}: lower the learning rate ({schedule.learning_rate:g}) or the penalty. "
                f"The model is back at the end of epoch {epoch}"
                + (f", and so is {store.path}" if store and epoch else "")
            ) from None


def _epoch(run, data, objective, schedule, augmentation, optimizer, rate, bar) -> dict[str, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    device = data.labels.device
    order = torch.randperm(len(data)).to(device)
    batches = order.split(schedule.batch_size)[: len(data) // schedule.batch_size]
    losses = torch.zeros(len(batches), device=device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bfloat16")
    run.model.train()
    for i, index in enumerate(batches):
        x = data.images[index]
        if augmentation:
            x = augmentation(x)
        x = (x.float() / 255).contiguous(memory_format=torch.channels_last)
        with autocast:
            loss = objective(run.model, x, data.labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        losses[i] = loss.detach()
        if (i + 1) % NAN_CHECK_EVERY == 0 or i + 1 == len(batches):
            _check_finite(losses[: i + 1])
            bar.set_postfix(loss=f"{losses[i]:.3f}", refresh=False)
        bar.update()
    return {
        "loss": float(losses.mean()),
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu_began,
    }


def _check_finite(losses: Tensor) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        raise FloatingPointError(f"the loss became {losses[bad[0, 0]]:g} at step {int(bad[0, 0]) + 1}")


def _check_fits(model: nn.Module, data: Split) -> None:
    with evaluating(model), torch.inference_mode():
        logits = model(data.images[:2].float() / 255)
    check_labels(data.labels, logits.shape[1], len(data.images))


def _identity(data, objective, schedule, augmentation, seed, precision) -> dict:
    """What must be the same for a checkpoint to be continued."""
    digest = hashlib.sha256(data.labels.cpu().numpy().tobytes() + data.images[::97].cpu().numpy().tobytes()).hexdigest()
    return {
        "objective": repr(objective),
        "schedule": asdict(schedule),
        "augmentation": repr(augmentation),
        "seed": seed,
        "precision": precision,
        "data": f"{len(data)} images, {digest[:16]}",
    }
