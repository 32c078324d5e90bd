"""What VHI owes to the reader's hand: normal bone drawn again, the paper's rule of the thresholds against others.

On each published scan the manual normal bone is drawn again as another reader might have (`lib.cohort.redrawn`), and raw and
cleaned VHI are measured with every drawing. Every rule but the paper's has one constant, found on the other seven scans: there,
the median of its raw VHI over the paper rule's is 1.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/thresholds.py [drawings of each kind] [seed]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from threshold_scans import Scan, read_scans, typical_factor

from lib.core.normal_bone import NormalBoneSample
from lib.core.normal_bone_proposal import bright_limit
from lib.core.thresholds import GAP_IQR, ThresholdRule, thresholds_from

EACH, SEED = 12, 1
Parts = tuple[float, float]


@dataclass(frozen=True)
class Rule:
    """A family of thresholds: `parts` of a sample are scaled with the intensities, `at` puts them together by a constant."""

    name: str
    parts: Callable[[NormalBoneSample, float], Parts]
    at: Callable[[Parts, float], float]
    constants: np.ndarray


def _times(parts: Parts, constant: float) -> float:
    return parts[0] * constant


def _plus(parts: Parts, constant: float) -> float:
    return parts[0] + constant * parts[1]


def _robust(sample: NormalBoneSample, reference: float) -> Parts:
    thresholds = thresholds_from(sample.values, ThresholdRule(rule="robust"), sample.slice_index)
    return thresholds.conservative, -thresholds.iqr


def _quartiles(sample: NormalBoneSample, reference: float) -> Parts:
    q1, q3 = np.percentile(sample.values, [25, 75])
    return float(q3), float(q3 - q1)


def _deviation(sample: NormalBoneSample, reference: float) -> Parts:
    median = float(np.median(sample.values))
    return median, 1.4826 * float(np.median(np.abs(sample.values - median)))


def _trimmed(sample: NormalBoneSample, reference: float) -> Parts:
    values = sample.values[sample.values <= bright_limit(sample.values)]
    return thresholds_from(values).sensitive, 0.0


def _slices(sample: NormalBoneSample, reference: float) -> Parts:
    return float(np.mean([sample.values[sample.slice_index == k].max() for k in sample.slices])), 0.0


def _percentile(sample: NormalBoneSample, reference: float) -> Parts:
    return float(np.percentile(sample.values, 98)), 0.0


def _shrunk(sample: NormalBoneSample, reference: float) -> Parts:
    q3, iqr = _quartiles(sample, reference)
    return float(np.sqrt((q3 + 2.5 * iqr) * reference)), 0.0


_FACTORS, _MULTIPLES = np.linspace(0.7, 1.8, 1101), np.linspace(0, 6, 1201)
PAPER = Rule("paper", lambda sample, _: (thresholds_from(sample.values).sensitive, 0.0), _times, np.array([1.0]))
ROBUST = Rule("robust: limit - c IQR", _robust, _plus, np.linspace(-0.5, 1.5, 401))
RULES = (
    PAPER,
    ROBUST,
    Rule("c x 98th percentile", _percentile, _times, _FACTORS),
    Rule("median + c MAD", _deviation, _plus, _MULTIPLES),
    Rule("Q3 + c IQR", _quartiles, _plus, _MULTIPLES),
    Rule("c x paper's after trimming at 4 MAD", _trimmed, _times, _FACTORS),
    Rule("c x mean of the slices' maxima", _slices, _times, _FACTORS),
    Rule("c x sqrt((Q3 + 2.5 IQR) x median STIR of the region)", _shrunk, _times, _FACTORS),
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One rule on all scans: its constants (each found without that scan), thresholds as drawn and as drawn again."""

    rule: Rule
    constants: np.ndarray
    as_drawn: np.ndarray
    again: np.ndarray

    def ratios(self, scans: list[Scan], cleaned: bool) -> np.ndarray:
        """VHI over the paper rule's, per scan."""
        pairs = zip(scans, self.as_drawn, strict=True)
        return np.array(
            [s.vhi(at, cleaned) / s.vhi(s.paper.sensitive, cleaned) for s, at in pairs if not cleaned or s.has_readings]
        )

    def variation(self, scans: list[Scan], cleaned: bool) -> np.ndarray:
        """Coefficient of variation of VHI over the drawings, per scan."""
        vhi = [s.vhi(at, cleaned) for s, at in zip(scans, self.again, strict=True) if not cleaned or s.has_readings]
        return np.array([one.std() / one.mean() for one in vhi])

    def spread(self, scans: list[Scan], cleaned: bool) -> np.ndarray:
        """Logarithm of VHI drawn again over VHI as drawn: `(scans, drawings)`."""
        both = zip(scans, self.as_drawn, self.again, strict=True)
        return np.array([np.log(s.vhi(n, cleaned) / s.vhi(a, cleaned)) for s, a, n in both if not cleaned or s.has_readings])


def measure(rule: Rule, scans: list[Scan], drawn: list[list[NormalBoneSample]]) -> Measured:
    """`drawn` holds for each scan the region as it is, then the drawings."""
    references = [float(np.median(scan.stir.data[scan.region.data])) for scan in scans]
    parts = [[rule.parts(one, reference) for one in samples] for samples, reference in zip(drawn, references, strict=True)]
    log_ratio = np.array(
        [
            [np.log(s.vhi(rule.at(p[0], c)) / s.vhi(s.paper.sensitive)) for c in rule.constants]
            for s, p in zip(scans, parts, strict=True)
        ]
    )
    others = [np.median(np.delete(log_ratio, n, axis=0), axis=0) for n in range(len(scans))]
    constants = np.array([rule.constants[np.argmin(np.abs(one))] for one in others])
    thresholds = np.array([[rule.at(one, c) for one in p] for p, c in zip(parts, constants, strict=True)])
    return Measured(rule, constants, thresholds[:, 0], thresholds[:, 1:])


def _summary(measured: list[Measured], scans: list[Scan]) -> Table:
    table = Table("rule", "constant", "threshold\n[%]", title="CoV over the drawings; ratio: VHI over the paper rule's")
    for kind in ("raw", "cleaned"):
        for column in (f"CoV {kind}", f"median ratio\n{kind}", f"typical factor\n{kind}"):
            table.add_column(column, justify="right")
    for one in measured:
        covered = one.again.std(axis=1) / one.again.mean(axis=1)
        row = [one.rule.name, f"{one.constants.min():.3f} to {one.constants.max():.3f}", f"{100 * covered.mean():.1f}"]
        for cleaned in (False, True):
            ratios = one.ratios(scans, cleaned)
            row += [f"{one.variation(scans, cleaned).mean():.3f}", f"{np.median(ratios):.2f}", f"{typical_factor(ratios):.2f}"]
        table.add_row(*row)
    return table


def _per_scan(paper: Measured, robust: Measured, scans: list[Scan]) -> Table:
    table = Table("scan", "sensitive\npaper", "sensitive\nrobust", "c", title="Per scan; CoV paper / robust")
    for column in ("raw CoV", "raw ratio", "cleaned CoV", "cleaned ratio"):
        table.add_column(column, justify="right")
    columns = {kind: [(one.variation(scans, kind), one.ratios(scans, kind)) for one in (paper, robust)] for kind in (False, True)}
    read = [n for n, scan in enumerate(scans) if scan.has_readings]
    for n, scan in enumerate(scans):
        row = [scan.name, f"{paper.as_drawn[n]:.1f}", f"{robust.as_drawn[n]:.1f}", f"{robust.constants[n]:.3f}"]
        for kind, at in ((False, n), (True, read.index(n) if n in read else None)):
            ours = columns[kind]
            row += ["-", "-"] if at is None else [f"{ours[0][0][at]:.2f} / {ours[1][0][at]:.2f}", f"{ours[1][1][at]:.2f}"]
        table.add_row(*row)
    return table


def _per_kind(paper: Measured, robust: Measured, scans: list[Scan], kinds: list[str]) -> Table:
    table = Table("drawn again", title="Typical factor between VHI drawn again and as drawn")
    spreads = [(cleaned, one.spread(scans, cleaned)) for cleaned in (False, True) for one in (paper, robust)]
    for column in ("raw paper", "raw robust", "cleaned paper", "cleaned robust"):
        table.add_column(column, justify="right")
    for kind in dict.fromkeys(kinds):
        chosen = np.array([one == kind for one in kinds])
        table.add_row(kind, *(f"{np.exp(np.abs(spread[:, chosen]).mean()):.2f}" for _, spread in spreads))
    table.add_row("all", *(f"{np.exp(np.abs(spread).mean()):.2f}" for _, spread in spreads))
    return table


def main() -> None:
    each, seed = (int(given) for given in (*sys.argv[1:], *(str(n) for n in (EACH, SEED)[len(sys.argv) - 1 :])))
    scans = read_scans()
    drawn = [list(scan.samples(each, seed)) for scan in scans]
    kinds = [kind for kind, _ in drawn[0]]
    as_drawn = [NormalBoneSample(s.stir.data[s.bone.data], np.nonzero(s.bone.data)[2]) for s in scans]
    samples = [[first, *(sample for _, sample in rest)] for first, rest in zip(as_drawn, drawn, strict=True)]
    measured = [measure(rule, scans, samples) for rule in RULES]
    console = Console()
    console.print(f"{len(scans)} scans, {len(kinds)} drawings each (seed {seed}); the product's constant is {GAP_IQR:g}")
    console.print(_summary(measured, scans))
    console.print(_per_scan(measured[0], measured[1], scans))
    console.print(_per_kind(measured[0], measured[1], scans, kinds))


if __name__ == "__main__":
    main()
