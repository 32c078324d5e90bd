"""Two versions beside each other, case by case: Dice with the label that readers gave, and the slice on which they differ most.

Measured on labels that neither version learnt: the hold-out of a site, and the phantoms of every site; 24 cases at most.

```
retraining/comparisons/<a>--<b>/
  comparison.json     `a`, `b`, `created`, `cases`: by set and case, Dice of both
  <n>.png             of the n-th case, the slice on which the Dice of the two differs most
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..core.disease_region import DiseaseRegionError, dice, slice_dice
from ..core.orientation import DisplayOrientation
from ..core.volume import Mask, Volume
from ..files import result_folder, write_atomically
from ..provenance import now
from ..records import read_remakable, write_json
from .challenger import Measured
from .retraining_folder import RetrainingFolder

FOLDER, FILE = "comparisons", "comparison.json"
# cases, so that a comparison takes minutes
MOST = 24
Segment = Callable[[Volume], Mask]
_DPI = 110


@dataclass(frozen=True)
class Compared:
    """One case: Dice with its label (3-D) by both versions."""

    what: str
    case: str
    dice_a: float
    dice_b: float

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "case": self.case, "a": self.dice_a, "b": self.dice_b}


def compare_versions(
    folder: RetrainingFolder,
    versions: tuple[str, str],
    segments: tuple[Segment, Segment],
    cases: Iterable[Measured],
    on_case: Callable[[Compared], None] = lambda case: None,
) -> Path:
    """Measure both versions on each case, and keep the results; gives their folder, which appears whole.

    Parameters
    ----------
    folder : RetrainingFolder
    versions : (str, str)
        Ids of both.
    segments : (callable, callable)
        The region that each of them finds on a T1W.
    cases : iterable
        See `lib.retraining.challenger.holdout_cases`.
    on_case : callable
        Told each case when it has been measured.

    Raises
    ------
    VhiError
        A case cannot be had, or the disk is full.
    """
    place = folder.root / FOLDER / "--".join(versions)
    place.parent.mkdir(parents=True, exist_ok=True)
    before = [path.name for path in place.glob("*.png")]
    with result_folder(place, (FILE, *before), FILE) as staging:
        records = []
        for n, (case_set, case_id, t1w, truth) in enumerate(islice(cases, MOST), start=1):
            regions = [segment(t1w) for segment in segments]
            compared = Compared(case_set, case_id, *(round(dice(region.data, truth.data), 4) for region in regions))
            write_atomically(staging / f"{n}.png", _picture(t1w, truth, regions, compared, versions))
            records.append(compared.as_dict())
            on_case(compared)
        write_json(staging / FILE, {"a": versions[0], "b": versions[1], "created": now(), "cases": records})
    return place


def comparisons(folder: RetrainingFolder) -> tuple[dict[str, Any], ...]:
    """Earlier comparisons, newest first; `folder` is where the pictures are."""
    earlier = []
    for path in (folder.root / FOLDER).glob(f"*/{FILE}"):
        content = read_remakable(path, a=str, b=str, created=str, cases=list)
        if content is not None:
            earlier.append({**content, "folder": path.parent.name})
    return tuple(sorted(earlier, key=lambda comparison: comparison["created"], reverse=True))


def region_or_none(segment: Segment) -> Segment:
    """The same, but an empty region where a version finds none: a comparison is there to show that too."""

    def segment_or_empty(t1w: Volume) -> Mask:
        try:
            return segment(t1w)
        except DiseaseRegionError:
            return Mask(np.zeros(t1w.data.shape, bool), t1w.grid, "disease region")

    return segment_or_empty


def by_file(models: Path, version: str) -> Segment:
    """The region of a version as its stored file gives it.

    Raises
    ------
    ModelError
        It is not there, or damaged.
    """
    from ..nets.weights import load_members  # brings torch
    from .jobs import region_by

    members = load_members(models, version)  # with those for scans of other kinds, which a plain tuple would lose
    return lambda t1w: region_by(t1w, members)


def _picture(t1w: Volume, truth: Mask, regions: Sequence[Mask], compared: Compared, versions: tuple[str, str]) -> bytes:
    dices = np.nan_to_num(np.array([slice_dice(region.data, truth.data) for region in regions]), nan=1.0)
    k = int(np.abs(dices[0] - dices[1]).argmax())
    hanging = DisplayOrientation.of(t1w.grid)
    image, drawn, first, second = (
        hanging.hang(array)[k] for array in (t1w.data, truth.data, *(region.data for region in regions))
    )
    title = f"{compared.case}, slice {k + 1}: Dice {dices[0, k]:.2f} ({versions[0]}), {dices[1, k]:.2f} ({versions[1]})"
    from ..figures.canvas import png_bytes  # brings matplotlib
    from ..figures.slice_dice import two_answers_figure

    return png_bytes(two_answers_figure(image, drawn, (first, second), versions, title), _DPI)
