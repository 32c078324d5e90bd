"""Training one member: seeded, resumable, on whatever CPU there is.

Every random choice of a step follows from the seed and the step's number alone, so a run that was killed and resumed from its
checkpoint ends with the same weights as one that was not.
"""

from __future__ import annotations

import csv
import io
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from lib.core.normalise import NetworkFrame, normalise_t1w
from lib.core.volume import Mask, Volume
from lib.errors import ModelError
from lib.files import write_atomically
from lib.nets.augment import PUBLISHED, Augmentation, augment
from lib.nets.cpu import autocast
from lib.nets.unet import UNet, channels_last

CHECKPOINT, CURVE = "checkpoint.pt", "curve.csv"
_DATA_STREAM, _PSEUDO_STREAM, _AUGMENT_STREAM = 0, 1, 2


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a member, but the data and the seed.

    `steps` of `batch` slices; of each batch `pseudo` slices come from the unlabelled scans. The learning rate rises linearly
    over `warm_up` of the steps and falls to zero as a cosine, or stays constant (`schedule="constant"`).
    """

    name: str
    steps: int
    batch: int = 8
    pseudo: int = 0
    learning_rate: float = 3e-3
    schedule: str = "cosine"
    warm_up: float = 0.1
    weight_decay: float = 0.02
    clip_norm: float | None = 5.0
    soft_dice_weight: float = 1.0
    widths: tuple[int, ...] = (16, 32, 64, 128)
    shuffle: int = 2
    bias: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests and checkpoints."""
        return asdict(self)

    def network(self) -> UNet:
        return UNet(self.widths, self.shuffle, self.bias)


QUICK = Recipe("quick", steps=1500)
STUDENT = Recipe("quick-student", steps=2000, pseudo=3)
# 100 epochs of 350 steps, Adam, BCE alone: hours on a CPU
PAPER = Recipe(
    "paper", steps=35_000, batch=4, learning_rate=1e-3, schedule="constant", weight_decay=0.0, clip_norm=None,
    soft_dice_weight=0.0, shuffle=1, bias=True, augmentation=PUBLISHED,
)  # fmt: skip


@dataclass(frozen=True)
class Slices:
    """Training slices: `(N, H, W)` float32 normalised T1W and `(N, H, W)` bool masks."""

    images: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(cls, scans: Sequence[tuple[Volume, Mask]]) -> Slices:
        """All slices of labelled scans, at the training pixel spacing and cut or reflected to the commonest size."""
        frames = [NetworkFrame.of(t1w.grid) for t1w, _ in scans]
        size, _ = Counter(frame.network_size for frame in frames).most_common(1)[0]
        images = [frame.slices(normalise_t1w(t1w)) for frame, (t1w, _) in zip(frames, scans, strict=True)]
        masks = [frame.slices(mask.data) >= 0.5 for frame, (_, mask) in zip(frames, scans, strict=True)]
        return cls(np.concatenate([_sized(s, size) for s in images]), np.concatenate([_sized(s, size) for s in masks]))


@dataclass(frozen=True)
class Progress:
    """How far a run is: means over the steps since the last report, and the time left at that pace."""

    step: int
    steps: int
    epoch: float
    loss: float
    soft_dice: float
    validation_dice: float
    elapsed_s: float
    left_s: float


def fit(
    recipe: Recipe,
    seed: int,
    labelled: Slices,
    folder: Path,
    *,
    pseudo: Slices | None = None,
    validation: Slices | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    every: int = 50,
    stop_after: int | None = None,
) -> UNet:
    """Train one network, or go on where a killed run stopped.

    Parameters
    ----------
    folder : Path
        Receives `checkpoint.pt` and `curve.csv` every `every` steps; a checkpoint found there is resumed.
    pseudo : Slices, optional
        Slices with the teachers' masks; needed when `recipe.pseudo` > 0.
    validation : Slices, optional
        Slices of held-out subjects, for the learning curve only: nothing is chosen by it.
    stop_after : int, optional
        Stop early, as an interruption would.

    Raises
    ------
    ModelError
        The checkpoint in `folder` is of another recipe or seed, or pseudo-labels are missing.
    """
    if recipe.pseudo and not (pseudo is not None and len(pseudo)):
        raise ModelError(f"The recipe {recipe.name} needs pseudo-labelled slices; pass unlabelled scans, or use another recipe.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = channels_last(recipe.network())
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    identity = _identity(recipe, seed, labelled, pseudo)
    step, curve = _resume(folder / CHECKPOINT, identity, net, optimiser)
    net.train()
    spent = float(curve[-1]["elapsed_s"]) if curve else 0.0
    started, first = time.perf_counter(), step
    losses: list[float] = []
    dices: list[float] = []
    last = recipe.steps if stop_after is None else min(stop_after, recipe.steps)
    while step < last:
        images, masks = _batch(recipe, seed, step, labelled, pseudo)
        loss, dice = _step(net, optimiser, recipe, step, images, masks)
        losses.append(loss)
        dices.append(dice)
        step += 1
        if step % every == 0 or step == last:
            elapsed = time.perf_counter() - started
            validated = float("nan") if validation is None else validation_dice(net, validation)
            epoch = step * (recipe.batch - recipe.pseudo) / len(labelled)
            state = Progress(
                step, recipe.steps, epoch, float(np.mean(losses)), float(np.mean(dices)), validated,
                spent + elapsed, elapsed / (step - first) * (recipe.steps - step),
            )  # fmt: skip
            curve.append({k: v for k, v in asdict(state).items() if k not in ("steps", "left_s")})
            _write_checkpoint(folder, identity, step, net, optimiser, curve)
            report(state)
            losses, dices = [], []
    return net.eval()


def soft_dice(probability: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """2 sum(r p) / (sum(r^2) + sum(p^2)) of a whole batch, as the paper monitors it."""
    return 2 * (probability * masks).sum() / (probability.square().sum() + masks.square().sum()).clamp_min(1e-6)


@torch.no_grad()
def validation_dice(net: UNet, slices: Slices) -> float:
    """Soft Dice over all given slices, in evaluation mode."""
    net.eval()
    chunks = []
    with autocast():
        for k in range(0, len(slices), 5):
            chunks.append(net(_images(slices.images[k : k + 5])).float().sigmoid())
    net.train()
    return float(soft_dice(torch.cat(chunks), torch.from_numpy(slices.masks)[:, None].float()))


def _sized(slices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`(K, H, W)` cut or reflected about its centre to `size`."""
    missing = np.array(size) - slices.shape[1:]
    before = np.maximum(missing, 0) // 2
    after = np.maximum(missing, 0) - before
    padded = np.pad(slices, ((0, 0), *zip(before, after, strict=True)), mode="reflect")
    top, left = np.maximum(-missing, 0) // 2
    return padded[:, top : top + size[0], left : left + size[1]]


def _images(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)[:, None].contiguous(memory_format=torch.channels_last)


def _draw(seed: int, stream: int, first: int, count: int, size: int) -> np.ndarray:
    """Positions `first` ... of an endless sequence of shuffled passes over `size` items."""
    positions = np.arange(first, first + count)
    passes = {p: np.random.default_rng([seed, stream, p]).permutation(size) for p in np.unique(positions // size)}
    return np.array([passes[p // size][p % size] for p in positions])


def _batch(recipe: Recipe, seed: int, step: int, labelled: Slices, pseudo: Slices | None) -> tuple[torch.Tensor, torch.Tensor]:
    own = recipe.batch - recipe.pseudo
    parts = [(labelled, _draw(seed, _DATA_STREAM, step * own, own, len(labelled)))]
    if recipe.pseudo and pseudo is not None:
        parts.append((pseudo, _draw(seed, _PSEUDO_STREAM, step * recipe.pseudo, recipe.pseudo, len(pseudo))))
    images = torch.from_numpy(np.concatenate([s.images[n] for s, n in parts]))[:, None]
    masks = torch.from_numpy(np.concatenate([s.masks[n] for s, n in parts]))[:, None].float()
    state = np.random.SeedSequence([seed, _AUGMENT_STREAM, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) >> 1)
    images, masks = augment(images, masks, generator, recipe.augmentation)
    return images.contiguous(memory_format=torch.channels_last), masks


def _step(
    net: UNet, optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, images: torch.Tensor, masks: torch.Tensor
) -> tuple[float, float]:
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate * _rate(recipe, step)
    with autocast():
        logits = net(images)
    logits = logits.float()
    loss = functional.binary_cross_entropy_with_logits(logits, masks)
    probability = logits.sigmoid()
    if recipe.soft_dice_weight:
        overlap = (probability * masks).sum(dim=(1, 2, 3))
        size = probability.square().sum(dim=(1, 2, 3)) + masks.sum(dim=(1, 2, 3))
        # the 1 lets a slice without bone be perfect, and keeps its gradient finite
        loss = loss + recipe.soft_dice_weight * (1 - (2 * overlap + 1) / (size + 1)).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if recipe.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
    optimiser.step()
    return float(loss.detach()), float(soft_dice(probability.detach(), masks))


def _rate(recipe: Recipe, step: int) -> float:
    if recipe.schedule == "constant":
        return 1.0
    warm = max(1, round(recipe.warm_up * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, recipe.steps - warm))))


def _identity(recipe: Recipe, seed: int, labelled: Slices, pseudo: Slices | None) -> str:
    """What a checkpoint must share with the run that resumes it: recipe, seed and data."""
    data = [(len(s), zlib.crc32(s.masks.tobytes())) for s in (labelled, pseudo) if s is not None]
    return f"{recipe!r} seed={seed} data={data}"


def _resume(path: Path, identity: str, net: UNet, optimiser: torch.optim.Optimizer) -> tuple[int, list[dict[str, Any]]]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0, []
    saved = torch.load(path, weights_only=True)
    if saved["identity"] != identity:
        raise ModelError(f"{path} is a checkpoint of another recipe, seed or data; choose another output folder, or remove it.")
    net.load_state_dict(saved["net"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"]), list(saved["curve"])


def read_trained(folder: Path, recipe: Recipe) -> UNet:
    """The network of the run in `folder`, as its last checkpoint has it, in evaluation mode.

    Raises
    ------
    ModelError
        The run has not finished.
    """
    saved = torch.load(folder / CHECKPOINT, weights_only=True)
    if saved["step"] < recipe.steps:
        raise ModelError(f"The run in {folder} stopped at step {saved['step']} of {recipe.steps}; resume it first.")
    net = recipe.network()
    net.load_state_dict(saved["net"])
    return net.eval()


def _write_checkpoint(
    folder: Path, identity: str, step: int, net: UNet, optimiser: torch.optim.Optimizer, curve: list[dict[str, Any]]
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
