"""Any table that is accepted ends in a study, however odd its values: no division by nothing, no interval turned round."""

from __future__ import annotations

import dataclasses
import math
import os

import numpy as np
import pytest

from lib.cohort.estimate import Estimate
from lib.cohort.masks import ComparedVisits, DisagreementImages
from lib.cohort.study import Study, analyse
from lib.cohort.table import VISITS, parse_table
from lib.reports.cohort import cohort_content

TABLES = int(os.environ.get("VHI_TABLES", "12"))  # that are reported; by hand 20
COLUMNS = ("vhi_mm3", "vhi_voxels", "sparcc", "basdai", "spinal_vas_cm", "asdas")


def random_table(rng: np.random.Generator) -> str:
    """A few subjects, readers and visits; values constant, tied, zero, missing or spread."""
    columns = [column for column in COLUMNS if rng.random() < 0.7]
    kind = rng.choice(["constant", "by reader", "few", "spread"])
    rows = [",".join(("subject", "visit", "reader", "method", *columns))]
    of_visit = {}
    for subject in range(rng.integers(1, 7)):
        for visit in VISITS[: rng.integers(1, 3)]:
            for reader in range(rng.integers(1, 4)):
                cells = []
                for column in columns:
                    value = {
                        "constant": 3,
                        "by reader": reader,
                        "few": int(rng.integers(0, 3)),
                        "spread": int(rng.integers(0, 11)),
                    }
                    cell = "" if rng.random() < 0.15 else str(value[kind])
                    if column in ("basdai", "spinal_vas_cm", "asdas"):
                        cell = of_visit.setdefault((subject, visit, column), cell)
                    cells.append(cell)
                method = "manual" if rng.random() < 0.2 else "semi-automatic"
                rows.append(",".join((f"S{subject}", visit, f"r{reader}", method, *cells)))
    return "\n".join(rows) + "\n"


def estimates(value: object) -> list[Estimate]:
    """Every estimate inside a result."""
    if isinstance(value, Estimate):
        return [value]
    if dataclasses.is_dataclass(value):
        return [one for part in dataclasses.fields(value) for one in estimates(getattr(value, part.name))]
    if isinstance(value, dict):
        return [one for part in value.values() for one in estimates(part)]
    return [one for part in value for one in estimates(part)] if isinstance(value, tuple) else []


def study_of(seed: int) -> Study:
    return analyse(parse_table(random_table(np.random.default_rng(seed)), "t.csv"))


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_intervals_hold_their_value_and_have_width_or_are_not_given(hundred):
    for seed in range(100 * hundred, 100 * hundred + 100):
        for one in estimates(study_of(seed)):
            if math.isnan(one.low) or math.isnan(one.high):
                assert math.isnan(one.low), seed
                assert math.isnan(one.high), seed
            else:
                assert one.low - 1e-9 <= one.value <= one.high + 1e-9, (seed, one)
                assert one.low < one.high, (seed, one)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(TABLES))
def test_every_study_can_be_reported(seed):
    content = cohort_content(study_of(seed), None, DisagreementImages([], "none"), ComparedVisits([], [], 3.0, "none"), {})
    assert content.json_text()
