"""Training one member: seeded, resumable, on whatever CPU there is.

Every random choice of a step follows from the seed and the step's number alone, so a run that was killed and resumed from its
checkpoint ends with the same weights as one that was not.
"""

from __future__ import annotations

import csv
import io
import math
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame, normalise_t1w
from ..core.volume import Mask, Volume
from ..errors import ModelError
from ..files import write_atomically
from .augment import augment
from .cpu import autocast
from .recipes import Recipe
from .unet import UNet, channels_last, with_answers

TrainedNetwork = nn.Module
CHECKPOINT, CURVE = "checkpoint.pt", "curve.csv"
# in the text of a recipe
_STEPS = re.compile(r"\bsteps=\d+")
# validations in a run, beside the first report's: each costs as much as some steps
VALIDATIONS = 40
# of labels drawn over discs and canal: these as the label map says, ignored, as region
READINGS = 3
_DATA_STREAM, _PSEUDO_STREAM, _AUGMENT_STREAM, _OTHER_STREAM, _WINDOW_STREAM, _OWN_WINDOW_STREAM = range(6)


@dataclass(frozen=True)
class Slices:
    """Training slices: `(N, H, W)` float32 normalised T1W and `(N, H, W)` bool masks.

    `ignored`, alike, is what no loss is counted for, since its labels do not say whether it is disease region; `dark` are
    discs and canal that the labels were drawn over.
    """

    images: np.ndarray
    masks: np.ndarray
    ignored: np.ndarray | None = None
    dark: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(
        cls,
        scans: Sequence[tuple[Volume, Mask]],
        multiple: int = 1,
        ignored: Sequence[np.ndarray] = (),
        pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM,
        dark: Sequence[np.ndarray] = (),
    ) -> Slices:
        """All slices of labelled scans, at one pixel spacing and grown by air to the largest size: no label is cut.

        That size is rounded up to a multiple of `multiple`, the network's. `ignored` and `dark` are `(I, J, K)` bool arrays, one
        a scan or none.
        """
        frames = [NetworkFrame.of(t1w, pixel_spacing_mm) for t1w, _ in scans]
        height, width = _largest([frame.network_size for frame in frames])
        size = height + -height % multiple, width + -width % multiple

        def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
            parts = [frame.slices(array) >= 0.5 for frame, array in zip(frames, arrays, strict=True)]
            return np.concatenate([_sized(part, size) for part in parts])

        images = [_sized(frame.slices(normalise_t1w(t1w)), size) for frame, (t1w, _) in zip(frames, scans, strict=True)]
        return cls(
            np.concatenate(images),
            joined([mask.data for _, mask in scans]),
            joined(ignored) if ignored else None,
            joined(dark) if dark else None,
        )


@dataclass(frozen=True)
class Progress:
    """How far a run is; one row of its learning curve.

    Parameters
    ----------
    epoch : float
        Passes over the labelled slices.
    loss, soft_dice : float
        Means over the steps since the last report, of augmented slices.
    validation_loss, validation_dice, validation_slice_dice : float
        Loss, soft Dice and mean 2-D Dice of the slices that are not learnt, as they are; nan where they were not measured.
    cpu_s : float
        CPU time of the steps alone, of all threads.
    elapsed_s : float
        Wall clock, validation included.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    soft_dice: float
    validation_loss: float
    validation_dice: float
    validation_slice_dice: float
    cpu_s: float
    elapsed_s: float

    @property
    def left_s(self) -> float:
        """Wall clock to the end at the run's pace so far."""
        return self.elapsed_s / self.step * (self.steps - self.step)


def fit(  # noqa: PLR0913 data and course of one training
    recipe: Recipe,
    seed: int,
    labelled: Slices,
    folder: Path,
    *,
    pseudo: Slices | None = None,
    other: Slices | None = None,
    validation: Slices | None = None,
    start: nn.Module | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    every: int = 50,
    stop_after: int | None = None,
    any_length: bool = False,
) -> nn.Module:
    """Train one network, or go on where a killed run stopped.

    Parameters
    ----------
    folder : Path
        Receives `checkpoint.pt` and `curve.csv` every `every` steps; a checkpoint found there is resumed.
    pseudo : Slices, optional
        Slices with the teachers' masks; needed when `recipe.pseudo` > 0.
    other : Slices, optional
        Slices of other scanners; needed when `recipe.other` > 0. Of larger ones a random part of the labelled ones' size is seen.
    validation : Slices, optional
        Slices of held-out subjects, for the learning curve only: nothing is chosen by it.
    start : nn.Module, optional
        The network to go on from, of the recipe's layout; it is not changed. When absent the weights are random.
    stop_after : int, optional
        Stop early, as an interruption would.
    any_length : bool
        Go on from a checkpoint of a run that was to have another number of steps. The learning rate then falls off towards the
        new end from where the run is.

    Raises
    ------
    ModelError
        The checkpoint in `folder` is of another recipe, seed, data or start, or pseudo-labels are missing.
    """
    if recipe.pseudo and not (pseudo is not None and len(pseudo)):
        raise ModelError(f"The recipe {recipe.name} needs pseudo-labelled slices; pass unlabelled scans, or use another recipe.")
    if recipe.other and not (other is not None and len(other)):
        raise ModelError(f"The recipe {recipe.name} needs slices of other scanners; pass such scans, or use another recipe.")
    if recipe.readings and labelled.dark is None:
        raise ModelError(f"The recipe {recipe.name} reads labels in several ways; pass slices that tell discs and canal.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = channels_last(_answering(recipe.network(), recipe, READINGS))
    if start is not None:
        net.load_state_dict(_answering(start, recipe, READINGS).state_dict())
    home = None if start is None else [parameter.detach().clone() for parameter in net.parameters()]
    optimiser = _optimiser(recipe, net)
    identity = _identity(recipe, seed, labelled, pseudo, other) + ("" if start is None else f" start={_crc(start)}")
    step, curve = _resume(folder / CHECKPOINT, identity, net, optimiser, any_length)
    _learning(net, recipe)
    spent_s, cpu_s = (float(curve[-1][name]) if curve else 0.0 for name in ("elapsed_s", "cpu_s"))
    started, cpu_started = time.perf_counter(), time.process_time()
    losses: list[float] = []
    dices: list[float] = []
    last = recipe.steps if stop_after is None else min(stop_after, recipe.steps)
    validate_every = every * math.ceil(recipe.steps / (VALIDATIONS * every))
    while step < last:
        loss, dice = _step(net, optimiser, recipe, step, _batch(recipe, seed, step, labelled, pseudo, other))
        if home is not None and recipe.pull:
            _pull(net, home, recipe.learning_rate * _rate(recipe, step) * recipe.pull)
        losses.append(loss)
        dices.append(dice)
        step += 1
        if home is not None and step == recipe.steps and recipe.blend < 1:
            _pull(net, home, 1 - recipe.blend)
        if step % every == 0 or step == last:
            cpu_s += time.process_time() - cpu_started
            due = step == every or step % validate_every == 0 or step == recipe.steps
            validated = (math.nan,) * 3 if validation is None or not due else validate(net, recipe, validation)
            epoch = step * (recipe.batch - recipe.pseudo - recipe.other) / len(labelled)
            state = Progress(
                step, recipe.steps, epoch, float(np.mean(losses)), float(np.mean(dices)), *validated, cpu_s,
                spent_s + time.perf_counter() - started,
            )  # fmt: skip
            curve.append(asdict(state))
            _write_checkpoint(folder, identity, step, net, optimiser, curve)
            report(state)
            losses, dices = [], []
            cpu_started = time.process_time()
    return _answering(net, recipe, 1).eval()


def _answering(net: nn.Module, recipe: Recipe, answers: int) -> nn.Module:
    """The network with so many answers where the recipe reads labels in several ways, each as its first one; else as it is."""
    return with_answers(cast("UNet", net), answers) if recipe.readings else net


def _learning(net: nn.Module, recipe: Recipe) -> None:
    """Training mode, but for batch normalisations that keep their statistics."""
    net.train()
    for module in net.modules():
        if recipe.frozen_norm and isinstance(module, nn.BatchNorm2d):
            module.eval()


def seconds_per_step(recipe: Recipe, labelled: Slices, pseudo: Slices | None, steps: int = 8) -> float:
    """CPU seconds of one training step on this machine as it is now: the mean of `steps`, after two to warm up."""
    net = channels_last(recipe.network()).train()
    optimiser = _optimiser(recipe, net)
    started = 0.0
    for step in range(2 + steps):
        if step == 2:
            started = time.process_time()
        _step(net, optimiser, recipe, step, _batch(recipe, 0, step, labelled, pseudo))
    return (time.process_time() - started) / steps


def soft_dice(probability: torch.Tensor, masks: torch.Tensor, both_classes: bool = False) -> torch.Tensor:
    """Soft Dice, 2 sum(r p) / (sum(r^2) + sum(p^2)), of probabilities and masks of one shape.

    Parameters
    ----------
    probability, masks : (B, ...) tensors
    both_classes : bool
        Average it over foreground and background and over the B samples, as the paper monitors training; else sum over the
        foreground of the whole batch.

    Notes
    -----
    Hepburn et al. 2023, supplement S1 and figure S2. A class that neither has is matched: 1.
    """
    if not both_classes:
        return 2 * (probability * masks).sum() / (probability.square().sum() + masks.square().sum()).clamp_min(1e-6)
    p, r = (torch.stack([one, 1 - one], dim=1).flatten(start_dim=2) for one in (probability, masks))
    size = p.square().sum(dim=2) + r.square().sum(dim=2)
    return torch.where(size > 0, 2 * (p * r).sum(dim=2) / size.clamp_min(1e-6), 1.0).mean()


@torch.no_grad()
def validate(net: nn.Module, recipe: Recipe, slices: Slices) -> tuple[float, float, float]:
    """Loss, soft Dice and mean 2-D Dice of all given slices, in evaluation mode.

    The 2-D Dice is that of the rounded answers where a slice has bone in either: without mirror images and without dropping
    small pieces, so lower than what the network reaches in use.
    """
    net.eval()
    chunks = []
    with autocast():
        for k in range(0, len(slices), 5):
            chunks.append(net(_images(slices.images[k : k + 5])).float())
    _learning(net, recipe)
    logits, masks = torch.cat(chunks), torch.from_numpy(slices.masks)[:, None].float()
    probability = logits.sigmoid()
    answer = (probability >= 0.5).float()
    whole = torch.cat([masks, torch.zeros_like(masks)], dim=1)
    size = (answer + masks).sum(dim=(1, 2, 3))
    per_slice = 2 * (answer * masks).sum(dim=(1, 2, 3))[size > 0] / size[size > 0]
    return float(_loss(recipe, logits, whole)), float(soft_dice(probability, masks, recipe.both_classes)), float(per_slice.mean())


def _sized(slices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`(..., H, W)` in the middle of `size`, which is as large or larger; round it 0, which is air and no bone."""
    missing = np.array(size) - slices.shape[-2:]
    before = missing // 2
    return np.pad(slices, (*[(0, 0)] * (slices.ndim - 2), *zip(before, missing - before, strict=True)))


def _largest(sizes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """The most rows and the most columns, of one size or of two."""
    height, width = np.max(sizes, axis=0)
    return int(height), int(width)


def _images(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)[:, None].contiguous(memory_format=torch.channels_last)


def _draw(seed: int, stream: int, first: int, count: int, size: int) -> np.ndarray:
    """Positions `first` ... of an endless sequence of shuffled passes over `size` items."""
    positions = np.arange(first, first + count)
    passes = {p: np.random.default_rng([seed, stream, p]).permutation(size) for p in np.unique(positions // size)}
    return np.array([passes[p // size][p % size] for p in positions])


def _batch(
    recipe: Recipe, seed: int, step: int, labelled: Slices, pseudo: Slices | None, other: Slices | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """`(B, 1, H, W)` images, and `(B, 2, H, W)` masks: what is disease region in them, and what is ignored. `(B, 3, H, W)` where
    the labels say discs and canal too.
    """
    own = recipe.batch - recipe.pseudo - recipe.other
    parts = [_picked(labelled, _draw(seed, _DATA_STREAM, step * own, own, len(labelled)))]
    if recipe.pseudo and pseudo is not None:
        parts.append(_picked(pseudo, _draw(seed, _PSEUDO_STREAM, step * recipe.pseudo, recipe.pseudo, len(pseudo))))
    if recipe.window:
        rng = np.random.default_rng([seed, _OWN_WINDOW_STREAM, step])
        parts = [_windows(part, (recipe.window,) * 2, rng) for part in parts]
    size = _largest([part.shape[2:] for part in parts])
    if recipe.other and other is not None:
        strange = _picked(other, _draw(seed, _OTHER_STREAM, step * recipe.other, recipe.other, len(other)))
        parts.append(_windows(strange, size, np.random.default_rng([seed, _WINDOW_STREAM, step])))
    whole = torch.from_numpy(np.concatenate([_sized(part, size) for part in parts]))
    state = np.random.SeedSequence([seed, _AUGMENT_STREAM, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) >> 1)
    images, masks = augment(whole[:, :1], whole[:, 1:], generator, recipe.augmentation)
    return images.contiguous(memory_format=torch.channels_last), masks


def _picked(slices: Slices, at: np.ndarray) -> np.ndarray:
    """`(n, 3, H, W)` float32: image, mask and what is ignored of the slices at these positions; a fourth channel where the
    labels say discs and canal.
    """
    masks = slices.masks[at]
    ignored = np.zeros_like(masks) if slices.ignored is None else slices.ignored[at]
    dark = () if slices.dark is None else (slices.dark[at],)
    return np.stack([slices.images[at], masks, ignored, *dark], axis=1).astype(np.float32)


def _windows(parts: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random part of `(n, C, H, W)` slices, of `size` or of their own where that is smaller."""
    height, width = (min(wanted, have) for wanted, have in zip(size, parts.shape[2:], strict=True))
    cut = []
    for part in parts:
        top, left = rng.integers(part.shape[1] - height + 1), rng.integers(part.shape[2] - width + 1)
        cut.append(part[:, top : top + height, left : left + width])
    return np.stack(cut)


def _step(
    net: nn.Module, optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, batch: tuple[torch.Tensor, torch.Tensor]
) -> tuple[float, float]:
    """Loss and soft Dice before the step."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate * _rate(recipe, step)
    optimiser.zero_grad(set_to_none=True)
    images, masks = batch
    with autocast():
        logits = net(images)
    logits = logits.float()
    loss = _loss_of_readings(recipe, logits, masks) if recipe.readings else _loss(recipe, logits, masks)
    loss.backward()
    if recipe.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
    optimiser.step()
    masks, ignored = masks[:, :1], masks[:, 1:2]
    probability = logits.detach()[:, :1].sigmoid() * (1 - ignored)
    return float(loss.detach()), float(soft_dice(probability, masks * (1 - ignored), recipe.both_classes))


def _loss_of_readings(recipe: Recipe, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The mean over the readings, of `(B, 3, H, W)` logits and masks: disease region, what is ignored, discs and canal."""
    region, ignored, dark = masks.split(1, dim=1)
    readings = ((region, ignored), (region, ignored.maximum(dark)), (region.maximum(dark), ignored * (1 - dark)))
    losses = [_loss(recipe, logits[:, n : n + 1], torch.cat(reading, dim=1)) for n, reading in enumerate(readings)]
    return torch.stack(losses).mean()


def _loss(recipe: Recipe, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Of `(B, 1, H, W)` logits and `(B, 2, H, W)` masks: what is disease region, and what is ignored."""
    counted = 1 - masks[:, 1:2]
    masks = masks[:, :1] * counted
    loss = functional.binary_cross_entropy_with_logits(logits, masks, weight=counted)
    if recipe.soft_dice_weight:
        probability = logits.sigmoid() * counted
        overlap = (probability * masks).sum(dim=(1, 2, 3))
        size = probability.square().sum(dim=(1, 2, 3)) + masks.sum(dim=(1, 2, 3))
        # the 1 lets a slice without bone be perfect, and keeps its gradient finite
        loss = loss + recipe.soft_dice_weight * (1 - (2 * overlap + 1) / (size + 1)).mean()
    return loss


def _optimiser(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


@torch.no_grad()
def _pull(net: nn.Module, home: Sequence[torch.Tensor], share: float) -> None:
    """Move each parameter by a share of its way back; apart from the gradient, as AdamW keeps its weight decay."""
    for parameter, origin in zip(net.parameters(), home, strict=True):
        parameter.lerp_(origin, min(share, 1.0))


def _rate(recipe: Recipe, step: int) -> float:
    if recipe.schedule == "constant":
        return 1.0
    warm = max(1, round(recipe.warm_up * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, recipe.steps - warm))))


def _identity(recipe: Recipe, seed: int, labelled: Slices, pseudo: Slices | None, other: Slices | None) -> str:
    """The facts that a checkpoint must share with the run that resumes it: recipe, seed and data."""
    data = [(len(s), zlib.crc32(s.masks.data)) for s in (labelled, pseudo, other) if s is not None]
    named = "" if recipe.named is None else f" named={recipe.named}"
    named += " frozen_norm" if recipe.frozen_norm else ""
    named += f" blend={recipe.blend}" if recipe.blend < 1 else ""
    named += f" window={recipe.window}" if recipe.window else ""
    if recipe.readings and labelled.dark is not None:
        named += f" readings={zlib.crc32(labelled.dark.data)}"
        named += "" if labelled.ignored is None else f" ignored={zlib.crc32(labelled.ignored.data)}"
    if recipe.other and other is not None and other.ignored is not None:
        named += f" other={recipe.other} ignored={zlib.crc32(other.ignored.data)}"
    return f"{recipe!r} seed={seed} data={data}{named}"


def _crc(net: nn.Module) -> int:
    """Tells one network's weights from another's."""
    crc = 0
    for tensor in net.state_dict().values():
        crc = zlib.crc32(tensor.detach().contiguous().numpy().tobytes(), crc)
    return crc


def _resume(
    path: Path, identity: str, net: nn.Module, optimiser: torch.optim.Optimizer, any_length: bool
) -> tuple[int, list[dict[str, Any]]]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0, []
    saved = torch.load(path, weights_only=True)
    same = [_STEPS.sub("", one, count=1) if any_length else one for one in (saved["identity"], identity)]
    if same[0] != same[1]:
        raise ModelError(f"{path} is a checkpoint of another recipe, seed or data; choose another output folder, or remove it.")
    net.load_state_dict(saved["net"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"]), list(saved["curve"])


def read_trained(folder: Path, recipe: Recipe) -> nn.Module:
    """The network of the run in `folder`, as its last checkpoint has it, in evaluation mode.

    Raises
    ------
    ModelError
        The run has not finished.
    """
    saved = torch.load(folder / CHECKPOINT, weights_only=True)
    if saved["step"] < recipe.steps:
        raise ModelError(f"The run in {folder} stopped at step {saved['step']} of {recipe.steps}; resume it first.")
    net = _answering(recipe.network(), recipe, READINGS)
    net.load_state_dict(saved["net"])
    return _answering(net, recipe, 1).eval()


def read_curve(folder: Path) -> list[Progress]:
    """The learning curve of the run in `folder` so far; empty before its first report."""
    path = folder / CURVE
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [Progress(int(row.pop("step")), int(row.pop("steps")), **row) for row in rows]


def last_progress(folder: Path) -> Progress | None:
    """The newest report of the run in `folder`; None before its first."""
    curve = read_curve(folder)
    return curve[-1] if curve else None


def _write_checkpoint(
    folder: Path, identity: str, step: int, net: nn.Module, optimiser: torch.optim.Optimizer, curve: list[dict[str, Any]]
) -> None:
    state = {"identity": identity, "step": step, "net": net.state_dict(), "optimiser": optimiser.state_dict(), "curve": curve}
    content = io.BytesIO()
    torch.save(state, content)
    write_atomically(folder / CHECKPOINT, content.getvalue())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(curve[0]))
    writer.writeheader()
    writer.writerows(curve)
    write_atomically(folder / CURVE, text.getvalue().encode())
