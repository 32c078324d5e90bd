"""What decides a network, but the data and the seed; and what decides an ensemble."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from lib.nets.augment import PUBLISHED, Augmentation
from lib.nets.unet import UNet


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a network, but the data and the seed.

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
    widths: tuple[int, ...] = (32, 64, 128, 256)
    shuffle: int = 4
    bias: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests and checkpoints."""
        return asdict(self)

    def layout(self) -> dict[str, Any]:
        """The network's parameters, as `UNet` takes them and a manifest keeps them."""
        return {"widths": list(self.widths), "shuffle": self.shuffle, "bias": self.bias}

    @property
    def multiple(self) -> int:
        """Of what the sizes of its slices are made multiples, in training as in use."""
        with torch.device("meta"):
            return self.network().multiple

    def network(self) -> UNet:
        return UNet(self.widths, self.shuffle, self.bias)


@dataclass(frozen=True)
class Plan:
    """An ensemble: teachers that learn the labelled scans, then members that also learn the teachers' masks of unlabelled ones.

    Parameters
    ----------
    members : tuple of Recipe
        One each; their seeds are 0, 1, 2, ...
    teachers : tuple of Recipe
        Trained where there are unlabelled scans; their seeds are 100, 101, ... Not part of the ensemble.
    flip : bool
        Whether a member averages its answers for a slice and for the slice's mirror image, at twice the time.
    """

    name: str
    members: tuple[Recipe, ...]
    teachers: tuple[Recipe, ...] = ()
    flip: bool = True

    def without_unlabelled(self) -> Plan:
        """The same with labelled slices alone, for data that has no unlabelled scans."""
        return replace(self, teachers=(), members=tuple(replace(recipe, pseudo=0) for recipe in self.members))

    def with_steps(self, steps: dict[str, int]) -> Plan:
        """The same with other budgets, by the recipe's name."""
        teachers, members = (
            tuple(replace(recipe, steps=steps[recipe.name]) for recipe in recipes) for recipes in (self.teachers, self.members)
        )
        return replace(self, teachers=teachers, members=members)

    def recipes(self) -> tuple[Recipe, ...]:
        """Each recipe once."""
        return tuple({recipe.name: recipe for recipe in (*self.teachers, *self.members)}.values())


# wide: abnormal marrow, other coils and other fields of view must not look new
_STRONG = Augmentation(scale=(0.75, 1.3), translation=0.15, log_gamma=(-0.6, 0.5), log_gain=0.35, bias_field=0.8, noise=0.08)
_TEACHER = Recipe("vhi-teacher", steps=2000, augmentation=_STRONG)
_MEMBER = Recipe("vhi", steps=2000, pseudo=3, augmentation=_STRONG)
_QUICK = Recipe("quick", steps=1000, augmentation=_STRONG)
# 100 epochs of 350 steps, Adam, BCE alone: hours on a CPU
_PAPER = Recipe(
    "paper", steps=35_000, batch=4, learning_rate=1e-3, schedule="constant", weight_decay=0.0, clip_norm=None,
    soft_dice_weight=0.0, widths=(16, 32, 64, 128), shuffle=1, bias=True, augmentation=PUBLISHED,
)  # fmt: skip

# vhi is the shipped one, paper is Hepburn et al. 2023, section 2.5.3
PLANS = {
    plan.name: plan
    for plan in (
        Plan("vhi", members=(_MEMBER,) * 3, teachers=(_TEACHER,), flip=False),
        Plan("quick", members=(_QUICK,) * 3),
        Plan("paper", members=(_PAPER,) * 3, flip=False),
    )
}
