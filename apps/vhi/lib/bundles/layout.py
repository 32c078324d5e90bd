"""A bundle's configuration of its network, read as plain values: nothing of it is run.

Of ConfigParser's syntax only values and plain references (`@network_def`, `@size::0`) are understood; an expression (`$...`) is
code, and refused where it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ..core.normalise import SPACING_TOLERANCE, TRAINING_PIXEL_SPACING_MM
from ..errors import ModelError
from ..nets.stack import STACK_AXES, turning
from .configs import NETWORK, TRANSFORMS
from .intensity import INTENSITY, check_intensity

# millimetres between the slices of the study's protocol
SLICE_SPACING_MM = 3.3
_PASSING = ("LoadImage", "EnsureChannelFirst", "AddChannel", "EnsureType", "CastToType", "ToTensor")
_INFERERS = ("SliceInferer", "SlidingWindowInferer", "SimpleInferer")
_NOT_ARGUMENTS = ("keys", "allow_missing_keys", "_target_", "_desc_", "_requires_", "_disabled_", "_mode_")
_INFERER_KEPT = ("roi_size", "sw_batch_size", "overlap", "mode", "sigma_scale", "padding_mode", "cval", "spatial_dim")


class Config:
    """A bundle's configuration.

    Parameters
    ----------
    content : mapping
    name : str
        How messages call it.
    allowed : collection of str
        Networks beside MONAI's own that a person allowed, by their full names.
    """

    def __init__(self, content: Mapping[str, Any], name: str, allowed: Collection[str] = ()) -> None:
        self.content, self.name, self.allowed = content, name, allowed

    def value(self, value: Any) -> Any:
        """A value with its references put in.

        Raises
        ------
        ModelError
            It holds an expression, or a reference to nothing.
        """
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, str) and value.startswith("$"):
            raise ModelError(f"{self.name} has the expression {value!r} where a value is needed; code of a bundle is not run.")
        if isinstance(value, str) and value[:1] in ("@", "%"):
            return self.value(self._referred(value))
        return value

    def part(self, name: str) -> dict[str, Any]:
        """One item at the top, which must be there."""
        item = self.value(self.content.get(name))
        if not isinstance(item, dict):
            raise ModelError(f"{self.name} does not define {name}; a bundle of MONAI's model zoo does.")
        return item

    def _referred(self, reference: str) -> Any:
        item: Any = self.content
        for key in re.split("#|::", reference[1:]):
            try:
                item = item[int(key)] if isinstance(item, list) else item[key]
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise ModelError(f"{self.name} refers to {reference}, which is not there; correct the bundle.") from error
        return item

    # what the program understands ------------------------------------------------------------------------------------------

    def network(self) -> tuple[str, dict[str, Any]]:
        """The name of the network and its arguments.

        Raises
        ------
        ModelError
            It is code that is not MONAI's and that nobody allowed.
        """
        definition = self.part("network_def")
        name = str(definition.get("_target_", ""))
        own = name == NETWORK or "." not in name or name.startswith("monai.networks.nets.")
        if not own and name not in self.allowed:
            raise ModelError(
                f"The network of {self.name} is {name}, code that comes with no part of MONAI and is not run; if you "
                "trust it and it "
                f"is installed here as a package, pass --allow {name}."
            )
        return name, _arguments(definition)

    def preprocessing(self) -> list[tuple[str, dict[str, Any]]]:
        """Name without the ending of dictionary transforms, and arguments, of each transform before the network."""
        return [self._transform(step) for step in self._chain("preprocessing")]

    def _chain(self, name: str) -> list[dict[str, Any]]:
        """The transforms of a part that are not disabled, as they stand there: what need not be known of them is not read."""
        part = self._followed(self.content.get(name))
        transforms = self._followed(part.get("transforms")) if isinstance(part, Mapping) else None
        if not isinstance(transforms, list):
            raise ModelError(
                f"{self.name} does not define {name} as a Compose of transforms; a bundle of MONAI's model zoo does."
            )
        followed = [self._followed(step) for step in transforms]
        for step in followed:
            if not isinstance(step, Mapping):
                raise ModelError(
                    f"The {name} of {self.name} has {step!r} where a transform is needed; code of a bundle is not run."
                )
        return [dict(step) for step in followed if not self._disabled(step)]

    def _disabled(self, step: Mapping[str, Any]) -> bool:
        """Whether MONAI leaves a transform out."""
        disabled = self.value(step.get("_disabled_", False))
        return disabled.strip().lower() == "true" if isinstance(disabled, str) else bool(disabled)

    def _followed(self, value: Any) -> Any:
        """The value that a reference refers to; anything else as it is."""
        while isinstance(value, str) and value[:1] in ("@", "%"):
            value = self._referred(value)
        return value

    def _transform(self, transform: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        target = str(transform.get("_target_", ""))
        name = (
            re.sub("(d|D|Dict)$", "", target.removeprefix("monai.transforms.")) if not target.startswith("scripts.") else target
        )
        # how a file is read does not matter here: the program reads by itself
        return name, {} if name in _PASSING else self.value(_arguments(transform))

    def activation(self, channels: int) -> bool:
        """Whether the classes are exclusive (softmax) or each has a probability of its own (sigmoid).

        Raises
        ------
        ModelError
            Nothing in the postprocessing says it, or a voxel is of the class elsewhere than from 0.5 on.
        """
        chain = [(str(step.get("_target_", "")), step) for step in self._chain("postprocessing")]
        rounding = [arguments for name, arguments in chain if "AsDiscrete" in name]
        for name, arguments in chain:
            if "Activations" in name and (arguments.get("softmax") or arguments.get("sigmoid")):
                softmax = bool(arguments.get("softmax"))
                self._check_threshold(rounding, softmax, channels)
                return softmax
        if channels > 1 and any(_switched_on(step.get("argmax")) for step in rounding):
            self._check_threshold(rounding, True, channels)
            return True
        raise ModelError(
            f"The postprocessing of {self.name} does not say how answers become probabilities; add Activationsd with "
            "sigmoid or softmax."
        )

    def _check_threshold(self, rounding: list[dict[str, Any]], softmax: bool, channels: int) -> None:
        for step in rounding:
            # of two exclusive classes the larger has 0.5 and more
            if _switched_on(step.get("argmax")) and not (softmax and channels == 2):
                raise ModelError(
                    f"The postprocessing of {self.name} takes the largest of {channels} classes (argmax), which may be far "
                    "below 0.5; members are averaged and rounded at 0.5, so that the network would mean something else here. "
                    "Use AsDiscreted with threshold 0.5, if the network was made for it."
                )
            threshold = step.get("threshold")
            if threshold not in (None, True, 0.5):
                raise ModelError(
                    f"The postprocessing of {self.name} rounds at {threshold}; members are averaged and rounded at "
                    "0.5, so that the "
                    "network would mean something else here."
                )

    def inferer(self, axcodes: str) -> dict[str, Any]:
        """Name and arguments of the inferer, as `lib.nets.stack.StackMember` takes them.

        Raises
        ------
        ModelError
            Another one than the program knows, or one that cuts other slices than a scan has.
        """
        definition = self.content.get("inferer")
        if not isinstance(definition, Mapping):
            raise ModelError(f"{self.name} does not define inferer; a bundle of MONAI's model zoo does.")
        name = str(definition.get("_target_", "")).removeprefix("monai.inferers.")
        if name not in _INFERERS:
            raise ModelError(f"{self.name} answers by {name}; the program knows {', '.join(_INFERERS)}, and runs no other code.")
        arguments = {key: self.value(argument) for key, argument in definition.items() if key in _INFERER_KEPT}
        across = turning(axcodes)[0].index(0)
        if name == "SliceInferer" and int(arguments.get("spatial_dim", 0)) != across:
            raise ModelError(
                f"{self.name} cuts slices along axis {arguments.get('spatial_dim', 0)} of {axcodes}; the slices of "
                "these scans lie "
                f"along axis {across}. Train the network on oblique coronal slices."
            )
        return {"name": name, "arguments": arguments}


def _switched_on(argument: Any) -> bool:
    """Whether an argument of a transform is true, for one of its keys at least."""
    return any(argument) if isinstance(argument, list) else bool(argument)


def _arguments(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in _NOT_ARGUMENTS}


def before_network(config: Config) -> tuple[str, list[dict[str, Any]]]:
    """How the bundle turns a volume, and what it does to intensities: `axcodes` and a list of name and arguments.

    Raises
    ------
    ModelError
        It does not say how, at another spacing than the program's, or by transforms that the program does not know.
    """
    axcodes, intensity, spacing = "", [], None
    for name, arguments in config.preprocessing():
        if name == "Orientation":
            axcodes = str(arguments.get("axcodes", ""))
        elif name == "Spacing":
            spacing = arguments.get("pixdim")
        elif name in INTENSITY:
            intensity.append({"name": name, "arguments": arguments})
        elif name not in _PASSING:
            raise ModelError(
                f"{config.name} prepares scans by {name}, which this program does not do before a network; it knows "
                "Orientationd, "
                f"Spacingd, {', '.join(f'{name}d' for name in INTENSITY)}. Train the network with those, or take that step out."
            )
    if sorted(_axis_of(code) for code in axcodes) != [0, 1, 2]:
        raise ModelError(
            f"{config.name} does not say how volumes are turned before the network (Orientationd with axcodes such as RAS, found "
            f"{axcodes or 'none'}); networks that see them otherwise find nothing. Add it to the preprocessing."
        )
    _check_spacing(spacing, axcodes, config.name)
    check_intensity(intensity, config.name)
    return axcodes, intensity


def _axis_of(code: str) -> int:
    try:
        return turning(code)[0][0]
    except StopIteration:
        return -1


def _check_spacing(spacing: Any, axcodes: str, name: str) -> None:
    """Refuse pixels that are not those of the training, and slices that are resampled to another distance."""
    numbers = [spacing] * 3 if isinstance(spacing, int | float) else spacing
    if not isinstance(numbers, list) or len(numbers) != 3:
        raise ModelError(
            f"{name} does not say at what spacing its network works (Spacingd with three numbers, found {spacing}); "
            "add it to the "
            f"preprocessing: pixels of {TRAINING_PIXEL_SPACING_MM:.4f} mm, slices as they are (-1) or "
            f"{SLICE_SPACING_MM} mm apart."
        )
    order, _ = turning(axcodes)
    for axis, given in zip(order, numbers, strict=True):
        across = STACK_AXES[axis] == "A"
        wanted = SLICE_SPACING_MM if across else TRAINING_PIXEL_SPACING_MM
        kept = across and (given is None or given <= 0)
        if not kept and not 1 / (1 + SPACING_TOLERANCE) <= given / wanted <= 1 + SPACING_TOLERANCE:
            raise ModelError(
                f"The network of {name} works at a spacing of {' x '.join(f'{n:g}' for n in numbers)} mm "
                f"({axcodes}); this program "
                f"gives networks pixels of {TRAINING_PIXEL_SPACING_MM:.4f} mm in slices {SLICE_SPACING_MM} mm apart, "
                "10% more or less. "
                "Train the network at that spacing."
            )


def own_spacing_mm(config: Config) -> float:
    """The pixel spacing of a bundle that this program exported."""
    for name, arguments in config.preprocessing():
        if name == f"{TRANSFORMS}.HangSlicesd":
            return float(arguments["pixel_spacing_mm"])
    raise ModelError(f"{config.name} does not hang slices by {TRANSFORMS}.HangSlicesd; it was changed after its export.")
