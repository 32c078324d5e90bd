"""Recipes: all that decides a network, but the data and the seed; and all that decides an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch
from torch import nn

from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..errors import ModelError
from .augment import PUBLISHED, AnyAugmentation, Augmentation, ScannerAugmentation, augmentation_of
from .averaging import network_of
from .unet import UNet


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a network, but the data and the seed.

    `steps` of `batch` slices; of each batch `pseudo` slices come from the unlabelled scans and `other` from labelled scans of
    other scanners. The learning rate rises linearly
    over `warm_up` of the steps and falls to zero as a cosine, or stays constant (`schedule="constant"`). Of a network that
    goes on from another one, each step moves the parameters back towards that one's by `learning_rate * pull` of the way.
    `both_classes` says what the learning curve shows, and decides no weight: the soft Dice of foreground and background of each
    slice, averaged, as the paper's figure S2; else that of the foreground of the whole batch.

    With `frozen_norm` a network that goes on from another one keeps its batch normalisations' statistics. Else they become those
    of a mixture of scanners that no single scan has: measured, that alone costs 0.02 of Dice on the scanner that was known.

    The final weights of a network that goes on from another one are start + `blend` x (learnt - start):
    half way much of what is new is there, and less of what was known is lost (Wortsman et al. 2022, WiSE-FT).

    With a `window` each slice is seen through a random window of so many rows and columns, where it is larger: what a
    step costs then does not grow with the frame of a scanner.

    A network whose batches are of scans of other scanners alone (`other` of `batch`) is one for those, see `other_only`.
    `pixel_spacing_mm` is that of the slices it learns; the coarser they are, the more of a large frame it sees at once.

    With `readings` it learns labels of other scanners in three ways at once, each by an answer of its own: as the label map
    says, with the discs and canal of the labels ignored, and with them as region, as they are drawn. The first answer alone is
    kept. Only for batches of such scans alone.

    `named` is the layout of a network of MONAI (`lib.nets.named`); when absent it is the method's U-Net by `widths`, `shuffle`,
    `bias` and `kernel`.
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
    kernel: int = 3
    pull: float = 0.0
    augmentation: AnyAugmentation = field(default_factory=Augmentation)
    # not part of how a recipe is written out, so that checkpoints of before them are still those of their recipe
    both_classes: bool = field(default=False, repr=False)
    other: int = field(default=0, repr=False)
    frozen_norm: bool = field(default=False, repr=False)
    blend: float = field(default=1.0, repr=False)
    window: int = field(default=0, repr=False)
    pixel_spacing_mm: float = field(default=TRAINING_PIXEL_SPACING_MM, repr=False)
    readings: bool = field(default=False, repr=False)
    named: dict[str, Any] | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests; of a network of MONAI its layout is told by the manifest."""
        unsaid = {"named"} if self.named is None else {"named", "widths", "shuffle", "bias", "kernel"}
        # left out where it is not so, so that equal recipes have equal manifests, those of versions before it included
        unsaid |= {name for name in ("both_classes", "other", "frozen_norm", "window", "readings") if not getattr(self, name)}
        unsaid |= {"blend"} if self.blend == 1 else set()
        unsaid |= {"pixel_spacing_mm"} if self.pixel_spacing_mm == TRAINING_PIXEL_SPACING_MM else set()
        return {name: value for name, value in asdict(self).items() if name not in unsaid}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], layout: Mapping[str, Any]) -> Recipe:
        """The recipe that a manifest tells of a member with this layout; what it does not tell is as by default.

        Notes
        -----
        Of imported networks a manifest tells no recipe: theirs is the default one, with augmentation as for the shipped ones.

        Raises
        ------
        ModelError
            The network came in another project's bundle and sees whole stacks: only single slices are learnt here.
        """
        if "inferer" in layout:
            raise ModelError(
                f"A member of the live version, {layout['name']}, came in a bundle and sees whole stacks; it cannot be trained "
                "on here. Use a version without it, or train it where it was made and import it again."
            )
        known = {name: content[name] for name in (field.name for field in fields(cls)) if name in content}
        shape: dict[str, Any] = {"named": dict(layout)}
        if "name" not in layout:
            shape = {"kernel": 3} | dict(layout) | {"widths": tuple(layout["widths"])}
        augmentation = known.get("augmentation", {})
        ranges = augmentation_of(augmentation) if augmentation else _WIDE
        values: dict[str, Any] = {"name": "default", "steps": 1500} | known | shape | {"augmentation": ranges}
        return cls(**values)

    def layout(self) -> dict[str, Any]:
        """The network's layout, as `network_of` takes it and a manifest keeps it."""
        if self.named is not None:
            return self.named
        plain = {"widths": list(self.widths), "shuffle": self.shuffle, "bias": self.bias}
        # left out where it is 3, so that equal networks have equal manifests, those of versions before it included
        return plain if self.kernel == 3 else plain | {"kernel": self.kernel}

    @property
    def multiple(self) -> int:
        """Of what the sizes of its slices are made multiples, in training as in use."""
        if self.named is not None:
            return int(self.named["multiple"])
        with torch.device("meta"):
            return UNet(self.widths, self.shuffle, self.bias, self.kernel).multiple

    @property
    def other_only(self) -> bool:
        """Whether it learns scans of other scanners and no others."""
        return 0 < self.other == self.batch

    def network(self) -> nn.Module:
        return network_of(self.layout())


@dataclass(frozen=True)
class Plan:
    """An ensemble: members that learn labelled scans alone, then members that also learn the first ones' masks of others.

    Parameters
    ----------
    members : tuple of Recipe
        One each; their seeds are 0, 1, 2, ... Those without pseudo-labels are the teachers of those with.
    flip : bool
        Whether a member averages its answers for a slice and for the slice's mirror image, at twice the time.
    kind : bool
        Whether its networks answer for scans of the other scanner alone, and those of the version that they start from for all
        others. They are those of all folds: what was measured on a held-out scan then holds for a network that is used.
    """

    name: str
    members: tuple[Recipe, ...]
    flip: bool = True
    kind: bool = False

    @property
    def pixel_spacing_mm(self) -> float:
        """Of the slices that its members learn, all alike."""
        return self.members[0].pixel_spacing_mm

    def first(self, n: int) -> Plan:
        """Its first `n` members alone."""
        return replace(self, members=self.members[:n])

    def without_unlabelled(self) -> Plan:
        """The same with labelled slices alone, for data that has no unlabelled scans."""
        return replace(self, members=tuple(replace(recipe, pseudo=0) for recipe in self.members))

    def without_other(self) -> Plan:
        """The same without slices of other scanners, for data that has none."""
        return replace(self, members=tuple(replace(recipe, other=0) for recipe in self.members))

    def with_steps(self, steps: dict[str, int]) -> Plan:
        """The same with other budgets, by the recipe's name."""
        return replace(self, members=tuple(replace(recipe, steps=steps[recipe.name]) for recipe in self.members))

    def with_network(self, layout: Mapping[str, Any]) -> Plan:
        """The same with members that are networks of MONAI, under the network's name."""
        name = str(layout["name"])
        members = tuple(replace(recipe, name=f"{recipe.name}-{name}", named=dict(layout)) for recipe in self.members)
        return replace(self, name=f"{self.name}-{name}", members=members)

    def recipes(self) -> tuple[Recipe, ...]:
        """Each recipe once."""
        return tuple({recipe.name: recipe for recipe in self.members}.values())


# wide: abnormal marrow, other coils and other fields of view must not look new
_WIDE = Augmentation(scale=(0.8, 1.25), translation=0.12, log_gamma=(-0.55, 0.45), log_gain=0.3, bias_field=0.6, noise=0.07)
_TEACHER = Recipe("vhi-teacher", steps=1500, augmentation=_WIDE)
_STUDENT = Recipe("vhi-student", steps=1500, pseudo=3, augmentation=_WIDE)
_QUARTER = Recipe("vhi-student-quarter", steps=2000, pseudo=3, widths=(32, 64, 128, 256), shuffle=4, augmentation=_WIDE)
# to go on from trained networks, with scans of other scanners; the gentle ranges of a trial: stronger ones cost the known scanner
_SCANNER = ScannerAugmentation(
    scale=(0.8, 1.3), translation=0.12, log_gamma=(-0.6, 0.5), log_gain=0.3, bias_field=0.75, noise=0.09
)
_SCANNERS = Recipe("scanners", steps=600, other=2, frozen_norm=True, blend=0.4, learning_rate=1e-3, augmentation=_SCANNER)
_SCANNERS_QUARTER = replace(_SCANNERS, name="scanners-quarter", widths=(32, 64, 128, 256), shuffle=4)
# networks for scans of another scanner alone, whose frames are large: whole slices of coarse pixels. They go on from a network
# that sees as much of the body at once
_BONES = Augmentation(
    rotation_deg=12.0, scale=(0.8, 1.25), shear=0.08, translation=0.1, elastic=0.025, log_gamma=(-0.45, 0.45), log_gain=0.3,
    bias_field=0.4,
)  # fmt: skip
_KIND = Recipe(
    "kind", steps=1500, batch=4, other=4, readings=True, pixel_spacing_mm=2 * TRAINING_PIXEL_SPACING_MM,
    widths=(32, 64, 128, 256), learning_rate=2e-3, augmentation=_BONES,
)  # fmt: skip
_QUICK = Recipe("quick", steps=1000, widths=(32, 64, 128, 256), shuffle=4, augmentation=_WIDE)
# 100 epochs of 350 steps, Adam, BCE alone: hours on a CPU
_PAPER = Recipe(
    "paper", steps=35_000, batch=4, learning_rate=1e-3, schedule="constant", weight_decay=0.0, clip_norm=None,
    soft_dice_weight=0.0, shuffle=1, bias=True, augmentation=PUBLISHED, both_classes=True,
)  # fmt: skip
PAPER_LEVELS, PAPER_KERNELS, PAPER_EPOCHS, PAPER_STEPS_PER_EPOCH = (2, 4, 6), (3, 5), (60, 100), 350


def paper_recipe(levels: int, kernel: int) -> Recipe:
    """The published recipe with one of the networks that its authors chose from: `paper` is 4 levels and kernel 3.

    The filters double from level to level, from 16 on. Hepburn et al. 2023, section 2.5.3.
    """
    chosen = (levels, kernel) == (len(_PAPER.widths), _PAPER.kernel)
    name = _PAPER.name if chosen else f"{_PAPER.name}-{levels}-{kernel}"
    return replace(_PAPER, name=name, widths=tuple(16 * 2**n for n in range(levels)), kernel=kernel)


# vhi is the shipped one, paper is Hepburn et al. 2023, section 2.5.3
PLANS = {
    plan.name: plan
    for plan in (
        Plan("vhi", members=(_TEACHER, _STUDENT, _QUARTER), flip=False),
        Plan("scanners", members=(_SCANNERS, _SCANNERS, _SCANNERS_QUARTER), flip=False),
        Plan("kind", members=(_KIND,), kind=True),
        Plan("quick", members=(_QUICK,) * 3, flip=False),
        *(
            Plan(recipe.name, members=(recipe,) * 3, flip=False)
            for recipe in sorted(
                (paper_recipe(levels, kernel) for levels in PAPER_LEVELS for kernel in PAPER_KERNELS), key=lambda one: one.name
            )
        ),
    )
}
