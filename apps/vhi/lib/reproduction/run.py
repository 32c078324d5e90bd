"""One run over a clone: every step that its files allow, each kept, and all their results together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..core.volume import Mask
from ..errors import OutputError, VhiError
from ..studies.nifti import read_volume
from ..studies.reader_masks import ReaderMask
from .clone import Clone
from .kept import StepCache
from .network_regions import RegionNetworks, agreement_of, kept_mask, region_of
from .normal_bone import automatic_of, sample_of
from .readers import SEMI, read_scan

ShowStep = Callable[[str], AbstractContextManager[None]]


@dataclass
class RunResults:
    """The findings of a run, by scan.

    `readers`, `bone`, `automatic` are of the scans that have what they need; `regions` by ensemble, then scan; `agreement` is the
    Dice between both ensembles on one scan, `published_region` that of an ensemble and a published automatic region. `shapes`
    are those of T1W and STIR scans, with the spacing [mm]. `failed` names steps that could not be done, with the reason.
    """

    clone: Clone
    ensembles: tuple[RegionNetworks, ...]
    work: Path
    readers: dict[str, dict[str, Any]] = field(default_factory=dict)
    bone: dict[str, dict[str, Any]] = field(default_factory=dict)
    automatic: dict[str, dict[str, Any]] = field(default_factory=dict)
    regions: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)
    published_region: dict[tuple[str, str], float] = field(default_factory=dict)
    shapes: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)


def reproduce_steps(
    clone: Clone,
    cache: StepCache,
    ensembles: Sequence[RegionNetworks],
    staple: Callable[[Sequence[Mask]], Mask],
    show: ShowStep,
) -> RunResults:
    """Every step that the clone's files allow.

    Parameters
    ----------
    clone : Clone
    cache : StepCache
        Where results of steps are kept; those that stand there are not made again.
    ensembles : sequence of RegionNetworks
        Whose disease regions are looked at.
    staple : callable
        See `lib.studies.staple`.
    show : callable
        Shows what is being done for as long as its block runs.

    Raises
    ------
    OutputError
        A result cannot be kept. Input that is no good is named in the result, and the other steps go on.
    """
    run = _Run(RunResults(clone, tuple(ensembles), cache.folder), cache, show)
    run.shapes()
    run.readers(staple)
    run.bone()
    for ensemble in ensembles:
        run.regions(ensemble)
    run.agreements()
    return run.results


class _Run:
    def __init__(self, results: RunResults, cache: StepCache, show: ShowStep) -> None:
        self.results, self.cache, self.show = results, cache, show
        self.clone = results.clone

    def do(self, step: str, name: str, files: Sequence[Path], compute: Callable[[], Any], rests_on: Sequence[str] = ()) -> Any:
        """The result of one step; None, and a line in `failed`, where its input is no good."""
        try:
            with self.show(step[0].upper() + step[1:]):
                return self.cache.step(name, files, rests_on, compute)
        except OutputError:
            raise
        except VhiError as error:
            self.results.failed.append((step, str(error)))
            return None

    def shapes(self) -> None:
        for sequence, scans in (("T1W", self.clone.t1w), ("STIR", self.clone.stir)):
            shapes = self.results.shapes[sequence] = {}
            for case, path in sorted(scans.items()):
                shape = self.do(f"{sequence} {case}", f"shape_{sequence}_{case}", [path], partial(_shape, path, sequence))
                if shape is not None:
                    shapes[case] = shape

    def readers(self, staple: Callable[[Sequence[Mask]], Mask]) -> None:
        by_case: dict[str, list[ReaderMask]] = {}
        for reading in self.clone.readings:
            by_case.setdefault(reading.case, []).append(reading)
        for case, readings in sorted(by_case.items()):
            files = [path for reading in readings for path in (reading.path, reading.two_thresholds) if path is not None]
            methods = [f"{reading.path.name} {reading.method}" for reading in readings]
            compute = partial(read_scan, case, readings, staple)
            result = self.do(f"readings of {case}", f"readers_{case}", files, compute, methods)
            if result is not None:
                self.results.readers[case] = result
                for path, why in result["left_out"]:
                    self.clone.leave(Path(path), why)

    def bone(self) -> None:
        for case, mask in sorted(self.clone.normal_bone.items()):
            step, stir = f"normal bone of {case}", self.clone.stir.get(case)
            if stir is None:
                self.results.failed.append((step, "its STIR scan is not in the clone"))
                continue
            text = self.clone.text("normal bone", case)
            files = [stir, mask, *([] if text is None else [text.path])]
            compute = partial(sample_of, stir, mask, None if text is None else text.rows[:, 0])
            sample = self.do(step, f"bone_{case}", files, compute)
            if sample is not None:
                self.results.bone[case] = sample
            if case in self.clone.t1w and case in self.clone.regions:
                self.automatic(case)

    def automatic(self, case: str) -> None:
        semi = [reading for reading in self.clone.readings if (reading.case, reading.method, reading.reading) == (case, SEMI, 1)]
        places = (self.clone.t1w, self.clone.stir, self.clone.regions, self.clone.normal_bone)
        t1w, stir, region, bone = inputs = tuple(place[case] for place in places)
        files = [*inputs, *(reading.path for reading in semi)]
        grade_file = kept_grade(self.cache.folder, case)
        if not grade_file.exists():
            self.cache.forget(f"automatic_{case}")
        compute = partial(automatic_of, t1w, stir, region, bone, semi, grade_file)
        result = self.do(f"automatic segmentation of {case}", f"automatic_{case}", files, compute)
        if result is not None:
            self.results.automatic[case] = result

    def regions(self, ensemble: RegionNetworks) -> None:
        regions = self.results.regions[ensemble.name] = {}
        for case, t1w in sorted(self.clone.t1w.items()):
            step, name = f"disease region of {case} ({ensemble.name})", f"region_{ensemble.name}_{case}"
            manual, mask_file = self.clone.regions.get(case), kept_mask(self.cache.folder, ensemble.name, case)
            if not mask_file.exists():
                self.cache.forget(name)
            files = [t1w, *([] if manual is None else [manual])]
            compute = partial(region_of, ensemble, t1w, manual, mask_file)
            result = self.do(step, name, files, compute, [ensemble.identity])
            if result is None:
                continue
            if "no_dice" in result:
                self.results.failed.append((step, result["no_dice"]))
            regions[case] = result

    def agreements(self) -> None:
        """Between the ensembles, and with automatic regions that the authors publish."""
        for case in sorted(self.clone.t1w):
            own = {
                ensemble.name: kept_mask(self.cache.folder, ensemble.name, case)
                for ensemble in self.results.ensembles
                if case in self.results.regions[ensemble.name]
            }
            if len(own) == 2:
                between = self._agreement(f"agreement_{case}", *own.values())
                self.results.agreement |= {} if between is None else {case: between}
            published = self.clone.automatic_regions.get(case)
            for name, path in own.items():
                if published is None:
                    continue
                value = self._agreement(f"published_region_{name}_{case}", path, published)
                self.results.published_region |= {} if value is None else {(name, case): value}

    def _agreement(self, name: str, first: Path, second: Path) -> float | None:
        value: float | None = self.do(name.replace("_", " "), name, [first, second], partial(agreement_of, first, second))
        return value


def kept_grade(folder: Path, case: str) -> Path:
    """Where the automatic segmentation of a scan is kept."""
    return folder / f"automatic_{case}.nii.gz"


def _shape(path: Path, sequence: str) -> dict[str, Any]:
    grid = read_volume(path, sequence).grid
    return {"shape": list(grid.shape), "spacing_mm": list(grid.spacing_mm)}


def by_use(results: RunResults, ensemble: str, use: str) -> Mapping[str, dict[str, Any]]:
    """The scans of one use (study, test, additional) on which an ensemble's region was compared with the manual one."""
    return {
        case: result
        for case, result in results.regions.get(ensemble, {}).items()
        if "dice" in result and results.clone.use.get(case) == use
    }
