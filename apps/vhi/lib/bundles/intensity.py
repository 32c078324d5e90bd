"""Which intensity transforms of a bundle mean the same here: the program hands networks T1W over three standard deviations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ModelError

# of monai.transforms, without the ending of dictionary transforms
INTENSITY = ("NormalizeIntensity", "ScaleIntensity", "ScaleIntensityRangePercentiles", "ClipIntensityPercentiles")


def check_intensity(steps: list[dict[str, Any]], name: str) -> None:
    """Refuse networks that were shown scanner units, which they never see here.

    Parameters
    ----------
    steps : list of dict
        `name` (without the ending of dictionary transforms) and `arguments` of the intensity transforms, in their order.
    name : str
        How the message calls the bundle.

    Raises
    ------
    ModelError
        No step normalises each scan by itself, or fixed numbers come before it.
    """
    normalised = False
    for step in steps:
        if _by_its_own_numbers(step["name"], step["arguments"]):
            normalised = True
        elif not normalised and not _keeps_proportions(step["name"], step["arguments"]):
            break
    if not normalised:
        raise ModelError(
            f"{name} leaves intensities in the scanner's units, or shifts or divides them by fixed numbers; this program hands "
            "networks T1W over three standard deviations. Train the network on scans that are each normalised by themselves "
            "(NormalizeIntensityd without subtrahend and divisor, for instance)."
        )


def _by_its_own_numbers(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether an intensity transform gives the same for a scan and for that scan times a constant."""
    if name == "NormalizeIntensity":
        return arguments.get("subtrahend") in (None, 0, [0]) and arguments.get("divisor") is None
    if name == "ScaleIntensity":
        return arguments.get("minv", 0.0) is not None or arguments.get("maxv", 1.0) is not None
    return name == "ScaleIntensityRangePercentiles"


def _keeps_proportions(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a scan times a constant comes out times that constant: clipped at percentiles, or times a factor."""
    return name == "ScaleIntensity" or (name == "ClipIntensityPercentiles" and arguments.get("sharpness_factor") is None)
