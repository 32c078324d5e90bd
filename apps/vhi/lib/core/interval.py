"""An interval around a VHI: what is known to vary, each as it was measured, put together by simulation.

Components, as natural logarithms of a ratio: the *threshold*, as drawing normal bone again (clicking or proposing it) moves it,
in units of what leaving out one of its own slices does, carried to VHI by what this scan does at other thresholds; the
*cleaning*, as readers differ on one result, more on small volumes than on large ones; the *disease region*, where the networks
found it. The numbers were fitted by `benchmarks/interval.py` and lie in `interval_components.json`; docs/claims.md says what
they rest on. What was not measured has no interval, and says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

LEVEL = 0.95
DRAWS = 4000
SEED = 1
FLOOR = 0.045  # a threshold that no slice moves can still move: what does so lies beyond the region that was drawn
COMPONENTS = Path(__file__).with_name("interval_components.json")
METHOD = (
    "simulation from measured components: normal bone drawn again, clicked or proposed, readers' cleanings, regions found by "
    "networks; docs/claims.md"
)


@dataclass(frozen=True)
class Component:
    """One cause of variation: where it was measured on, and the factor that it alone would give."""

    name: str
    source: str
    factor: float
    scans: int


@dataclass(frozen=True)
class Interval:
    """`low_mm3` to `high_mm3` is the number divided and multiplied by `factor`; another reading lies inside at `level`."""

    low_mm3: float
    high_mm3: float
    factor: float
    level: float
    components: tuple[Component, ...]
    method: str = METHOD

    @property
    def text(self) -> str:
        """The interval for a line of text."""
        return f"{self.low_mm3:,.0f} to {self.high_mm3:,.0f} mm3 (x / ÷ {self.factor:.2g}, {self.level:.0%} interval)"


@dataclass(frozen=True)
class NoInterval:
    """Why a number has none."""

    reason: str


@dataclass(frozen=True)
class NumberBasis:
    """The basis of a number: its stage, sources of normal bone and disease region, and the rule of the thresholds."""

    stage: str
    normal_bone: str
    rule: str
    region: str


def interval_of(
    vhi_mm3: float,
    changes: Sequence[tuple[float, float]],
    left_out: Sequence[float],
    basis: NumberBasis,
    voxel_mm3: float,
) -> Interval | NoInterval:
    """The interval around a VHI.

    Parameters
    ----------
    vhi_mm3 : float
    changes : sequence of (share, mm3)
        VHI with the thresholds changed by a share, as `Stability.threshold_changes` has it.
    left_out : sequence of float
        Logarithms of the sensitive threshold with one slice of normal bone left out over that with all; may be empty.
    basis : NumberBasis
    voxel_mm3 : float
        Volume of a voxel [mm3]: one is added where a logarithm is taken.
    """
    if vhi_mm3 <= 0:
        return NoInterval("Nothing was measured, and a factor says nothing about zero.")
    known = components()
    threshold = known["threshold"].get(f"{basis.normal_bone}, {basis.rule}")
    if threshold is None:
        return NoInterval(f"How far the {basis.rule} rule moves with normal bone that was {basis.normal_bone} was not measured.")
    # the slices of a region that the program drew say little of how far it is off
    unit = spread_of(left_out, known["typical_spread"]) if basis.normal_bone == "given" else known["typical_spread"]
    causes = {
        "threshold": (
            f"{basis.normal_bone}, {basis.rule} rule",
            carried(threshold["quantiles"], unit, vhi_mm3, changes, voxel_mm3),
            threshold,
        )
    }
    if basis.stage != "raw":
        cleaning = known["cleaning"][basis.stage]
        if vhi_mm3 < cleaning.get("least_mm3", 0.0):
            return NoInterval(
                f"How far readers differ was measured on volumes from {cleaning['least_mm3']:,.0f} mm³; below "
                f"{cleaning['least_mm3']:,.0f} mm³ it is not known."
            )
        spread = cleaning["log_sd_at_1_mm3"] / np.sqrt(vhi_mm3) if "log_sd_at_1_mm3" in cleaning else cleaning["log_sd"]
        causes["cleaning"] = (basis.stage, normal(spread, 1), cleaning)
    if basis.region != "given":
        networks = known["region"]["networks"]
        causes["region"] = ("networks", normal(networks["log_sd"], 2), networks)
    scale = known["scale"]
    total = scale * np.sum([draws for _, draws, _ in causes.values()], axis=0)
    factor = factor_of(total)
    parts = tuple(
        Component(name, source, factor_of(scale * draws), int(about["scans"])) for name, (source, draws, about) in causes.items()
    )
    return Interval(vhi_mm3 / factor, vhi_mm3 * factor, factor, LEVEL, parts)


@lru_cache(maxsize=1)
def components() -> Mapping[str, Any]:
    """The measured components of error (`interval_components.json`)."""
    measured: Mapping[str, Any] = json.loads(COMPONENTS.read_text(encoding="utf-8"))
    return measured


def factor_of(logs: np.ndarray) -> float:
    """The factor, up or down, that holds `LEVEL` of `(draws,)` natural logarithms of factors."""
    return float(np.exp(np.quantile(np.abs(logs), LEVEL)))


def normal(log_sd: float, stream: int) -> np.ndarray:
    """`(DRAWS,)` natural logarithms of factors, normal around 0; the same for the same `stream`."""
    return np.asarray(log_sd * np.random.default_rng([SEED, stream]).standard_normal(DRAWS))


def spread_of(left_out: Sequence[float], typical: float) -> float:
    """How far a scan's threshold moves with normal bone: root mean square over its slices; `typical` with fewer than three."""
    return float(np.hypot(FLOOR, np.sqrt(np.mean(np.square(left_out))))) if len(left_out) >= 3 else typical


def carried(
    quantiles: Sequence[float], spread: float, vhi_mm3: float, changes: Sequence[tuple[float, float]], voxel_mm3: float
) -> np.ndarray:
    """`(DRAWS,)` logarithms of VHI at drawn thresholds over VHI.

    Parameters
    ----------
    quantiles : sequence of float
        Of the logarithm of a threshold over this one in units of `spread`, evenly spaced from 0 to 1.
    spread : float
        As `spread_of` gives it.
    vhi_mm3, changes, voxel_mm3
        As for `interval_of`.
    """
    share = np.random.default_rng([SEED, 0]).random(DRAWS)
    moved = np.interp(share, np.linspace(0, 1, len(quantiles)), np.multiply(quantiles, spread))
    return log_ratio_at(moved, vhi_mm3, changes, voxel_mm3)


def log_ratio_at(moved: np.ndarray, vhi_mm3: float, changes: Sequence[tuple[float, float]], voxel_mm3: float) -> np.ndarray:
    """`(n,)` logarithms of VHI over the measured one at thresholds that are moved.

    Parameters
    ----------
    moved : (n,) float array
        Logarithm of each threshold over this one; beyond the ends of `changes` the last slope goes on.
    vhi_mm3, changes, voxel_mm3
        As for `interval_of`.
    """
    points = sorted([(float(np.log1p(share)), mm3) for share, mm3 in changes] + [(0.0, vhi_mm3)])
    x = np.array([at for at, _ in points])
    y = np.log(np.array([mm3 for _, mm3 in points]) + voxel_mm3) - np.log(vhi_mm3 + voxel_mm3)
    inside = np.interp(moved, x, y)
    below, above = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    return np.asarray(inside + np.minimum(moved - x[0], 0) * below + np.maximum(moved - x[-1], 0) * above)
