"""Masks of a study, scan by scan."""

import numpy as np

from lib.cohort.masks import mask_study, visit_images
from lib.cohort.overlap import MaskReading
from lib.cohort.visits import match_lesions
from lib.core.volume import Grid, Mask, Volume

GRID = Grid((8, 1, 3), np.diag([1.0, 1.0, 2.0, 1.0]))


def row(*voxels: int) -> Mask:
    """Voxels along I of slice 1."""
    data = np.zeros(GRID.shape, dtype=bool)
    data[list(voxels), 0, 1] = True
    return Mask(data, GRID, "inflammation")


def read(reader: str, method: str, *voxels: int, reading: int = 1) -> MaskReading:
    return MaskReading("S1", "baseline", reader, reading, method, row(*voxels))


def test_overlap_and_reference_of_one_scan():
    scan = [
        read("1", "manual", 0, 1),
        read("2", "manual", 1, 2),
        read("1", "semi-automatic", 1, 2),
        read("2", "semi-automatic", 1, 2, 3),
        read("1", "manual", 5, reading=2),
    ]
    study = mask_study([scan])
    assert (study.n_scans, study.n_masks, len(study.pairs)) == (1, 5, 10)
    # three of the four first readings: voxels 1 (four votes) and 2 (three)
    dice = {(one.reading.reader, one.reading.method): one.overlap.dice for one in study.reference}
    assert dice == {("1", "manual"): 0.5, ("2", "manual"): 1.0, ("1", "semi-automatic"): 1.0, ("2", "semi-automatic"): 0.8}
    assert {one.slice for one in study.slices} == {1}, "slices that nobody marked say nothing"
    assert all(one.a.mask.data.size == 1 for one in study.pairs), "no scan's masks are kept"


def test_a_scan_read_by_one_method_has_no_reference():
    study = mask_study([[read("1", "manual", 0), read("2", "manual", 0), read("3", "manual", 0)]])
    assert study.reference == ()
    assert [one.why for one in study.reference_left_out] == ["3 readings (manual); needed are 3 or more, of both methods"]


def test_before_and_after_pictures_code_what_became_of_each_lesion():
    baseline, follow_up = (np.zeros(GRID.shape, dtype=np.int32) for _ in range(2))
    baseline[0, 0, 0] = 1
    baseline[3:5, 0, 1] = 2
    follow_up[4, 0, 1] = 1
    follow_up[7, 0, 2] = 2
    comparison = match_lesions(baseline, follow_up, GRID)
    stir = Volume(np.arange(24.0).reshape(GRID.shape), GRID, "STIR")
    images = visit_images(
        {"baseline": stir, "follow_up": stir}, {"baseline": baseline, "follow_up": follow_up}, comparison, most_slices=2
    )
    assert (images.codes["baseline"][0, 0, 0], images.codes["baseline"][3, 0, 1]) == (1, 2)
    assert (images.codes["follow_up"][4, 0, 1], images.codes["follow_up"][7, 0, 2]) == (2, 3)
    assert images.slices == (0, 1)
