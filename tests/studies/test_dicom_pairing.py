"""Studies with more than two series: repeats, other directions, contrast agent, localisers, and what a site may change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from drawing import pair
from lib.core.volume import Grid, Volume
from lib.errors import GridMismatchError, InputError, SettingsError
from lib.studies.dicom_pairing import read_study
from lib.studies.pairing_rules import read_rules
from lib.studies.registration import LEAST_COVERAGE, coverage, on_grid_of, reoriented, resampled
from lib.studies.scan_pair import ScanPair
from mrseries import mr_series

# perpendicular, 0.6 x 0.6 x 3 mm: oblique coronal, and the same voxels' directions turned to sagittal
CORONAL = np.array([[-0.6, 0.0, 0.0, 7.2], [0.0, 0.36, -2.4, 0.0], [0.0, 0.48, 1.8, 0.0], [0.0, 0.0, 0.0, 1.0]])
SAGITTAL = np.array([[0.0, 0.0, -3.0, 9.0], [-0.6, 0.0, 0.0, 7.0], [0.0, 0.6, 0.0, -5.0], [0.0, 0.0, 0.0, 1.0]])
STIR = {"InversionTime": 210, "RepetitionTime": 5316, "EchoTime": 50, "ScanningSequence": ["SE", "IR"]}
T1W = {"RepetitionTime": 600, "EchoTime": 10, "ScanningSequence": "SE"}


class Study:
    """A folder to which series are added; each is known by its description."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        description: str,
        kind: dict[str, object],
        affine: np.ndarray = CORONAL,
        shape: tuple[int, int, int] = (24, 20, 6),
        without: int | None = None,
        **changes: object,
    ) -> str:
        """Write a series, leave out one slice if asked to, and return its UID."""
        made = pair(np.random.default_rng(len(description)), shape, affine)
        image = made.stir if kind is STIR else made.t1w
        values = {"ImageType": ["ORIGINAL", "PRIMARY"], "AcquisitionDate": "20250601", **kind, **changes}
        images = mr_series(Volume(np.rint(image.data), Grid(shape, affine)), description, **values)
        place = self.folder / description.replace(" ", "_")
        place.mkdir(parents=True)
        for one in images:
            if one.InstanceNumber != without:
                one.save_as(place / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
        return str(images[0].SeriesInstanceUID)

    def pair(self, **choice: str) -> ScanPair:
        return read_study(self.folder, **choice)

    def chosen(self, **choice: str) -> tuple[str, str]:
        """Descriptions of T1W and STIR."""
        pair = self.pair(**choice)
        assert pair.t1w_info is not None
        assert pair.stir_info is not None
        return pair.t1w_info.description, pair.stir_info.description


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(tmp_path / "study")


def test_of_a_repeated_stir_no_time_decides(study):
    study.add("t1", T1W)
    study.add("moved", STIR, AcquisitionTime="093000")
    again = study.add("again", STIR, AcquisitionTime="094500")
    with pytest.raises(InputError, match=r"2 series fit STIR equally well: .*acquired 2025-06-01 09:45:00"):
        study.pair()
    assert study.chosen(stir_uid=again) == ("t1", "again")


def test_a_broken_stir_gives_way_to_a_whole_one_and_that_is_said(study):
    study.add("t1", T1W)
    study.add("whole", STIR, AcquisitionTime="093000")
    study.add("broken", STIR, without=3, AcquisitionTime="094500")
    pair = study.pair()
    assert pair.stir_info is not None
    assert pair.stir_info.description == "whole"
    assert len(pair.warnings) == 1
    assert "passed over" in pair.warnings[0]
    assert "1 slices are missing" in pair.warnings[0]


def test_the_only_stir_broken_is_refused_with_its_fault(study):
    study.add("t1", T1W)
    study.add("broken", STIR, without=3)
    with pytest.raises(InputError, match="1 slices are missing, the first gap being between 2.dcm and 4.dcm"):
        study.pair()


def test_equal_stir_series_are_refused_with_the_list_and_a_uid_chooses(study):
    study.add("t1", T1W)
    one, two = study.add("first", STIR), study.add("second", STIR)
    with pytest.raises(InputError, match="2 series fit STIR equally well") as refused:
        study.pair()
    assert one in str(refused.value)
    assert two in str(refused.value)
    assert "--stir-series" in str(refused.value)
    assert study.chosen(stir_uid=two) == ("t1", "second")


def test_another_direction_is_another_examination_unless_a_description_decides(study):
    study.add("t1 cor", T1W)
    study.add("t1 sag", T1W, SAGITTAL)
    study.add("stir cor", STIR, AcquisitionTime="093000")
    spine = study.add("stir sag", STIR, SAGITTAL, AcquisitionTime="094500")
    with pytest.raises(InputError, match="2 series fit STIR equally well"):
        study.pair()
    assert study.chosen(stir_uid=spine) == ("t1 sag", "stir sag")


def test_a_description_breaks_the_tie_between_directions(study):
    study.add("t1 cor", T1W)
    study.add("t1 sag", T1W, SAGITTAL)
    study.add("STIR SIJ", STIR, AcquisitionTime="093000")
    study.add("STIR spine", STIR, SAGITTAL, AcquisitionTime="094500")
    assert study.chosen() == ("t1 cor", "STIR SIJ")


def test_t1w_on_the_voxels_of_stir_comes_before_a_later_one_at_an_angle(study):
    study.add("stir", STIR)
    study.add("with it", T1W, AcquisitionTime="093000")
    study.add("t1 across", T1W, SAGITTAL, (24, 20, 8), AcquisitionTime="094500")
    pair = study.pair()
    assert pair.t1w_info is not None
    assert pair.t1w_info.description == "with it"
    assert pair.warnings == ()


@pytest.mark.parametrize(
    "worse",
    [{"ContrastBolusAgent": "Gadolinium"}, {"ScanOptions": "FS"}, {"ImageType": ["DERIVED", "SECONDARY"]}],
    ids=["contrast agent", "fat suppression", "derived"],
)
def test_what_is_worse_for_t1w_is_taken_only_when_alone(study, worse):
    study.add("stir", STIR)
    study.add("t1 later", T1W, AcquisitionTime="094500", **worse)
    assert study.chosen() == ("t1 later", "stir")
    study.add("plain", T1W, AcquisitionTime="093000")
    assert study.chosen() == ("plain", "stir")


def test_localisers_and_series_of_other_kinds_are_passed_over(study):
    study.add("stir", STIR)
    study.add("t1", T1W, AcquisitionTime="093000")
    study.add("three planes", T1W, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], AcquisitionTime="094500")
    study.add("t2", {"RepetitionTime": 4000, "EchoTime": 90, "ScanningSequence": "SE"})
    study.add("flair", {**STIR, "InversionTime": 2500})
    pair = study.pair()
    assert pair.t1w_info is not None
    assert pair.t1w_info.description == "t1"
    assert pair.warnings == ()


def test_a_t1w_of_another_frame_of_reference_is_refused_with_the_reason(study):
    study.add("stir", STIR)
    study.add("t1", T1W, FrameOfReferenceUID=generate_uid(entropy_srcs=["moved"]))
    with pytest.raises(InputError, match="different frames of reference .* the patient may have been moved"):
        study.pair()


def test_a_t1w_of_another_place_is_refused_with_its_share(study):
    away = CORONAL.copy()
    away[0, 3] += 10.0  # of 14.4 mm
    study.add("stir", STIR)
    study.add("t1", T1W, away)
    with pytest.raises(InputError, match=r"the best covers \d+% of it \(needed 50%\)"):
        study.pair()


def test_an_unknown_uid_is_refused_with_the_list(study):
    study.add("t1", T1W)
    known = study.add("stir", STIR)
    with pytest.raises(InputError, match="--stir-series 1.2.3 is none of them") as refused:
        study.pair(stir_uid="1.2.3")
    assert known in str(refused.value)


class TestSiteRules:
    def rules(self, tmp_path: Path, text: str) -> Path:
        (tmp_path / "rules.toml").write_text(text)
        return tmp_path / "rules.toml"

    def test_a_pattern_and_an_absent_field(self, study, tmp_path):
        study.add("t1 tse", {**T1W, "RepetitionTime": 1700})
        study.add("stir", STIR)
        with pytest.raises(InputError, match="none is a T1W series"):
            study.pair()
        rules = read_rules(self.rules(tmp_path, '[t1w]\nSeriesDescription = "^T1 TSE"\nInversionTime = false\n'))
        assert read_study(study.folder, rules).warnings == ()

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("[stir]\nInversionTme = [1, 2]", "InversionTme, which is no DICOM keyword"),
            ("[stir]\nInversionTime = [300, 100]", "write for example"),
            ("[stir]\nInversionTime = 210", "write for example"),
            ('[stir]\nSeriesDescription = "("', "no regular expression"),
            ("[dwi]\nEchoTime = [1, 2]", "found dwi"),
            ("", "found nothing"),
            ("[stir", "no TOML file"),
        ],
    )
    def test_a_file_that_says_something_else_is_refused(self, tmp_path, text, match):
        with pytest.raises(SettingsError, match=match):
            read_rules(self.rules(tmp_path, text))

    def test_a_missing_file_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_rules(tmp_path / "none.toml")


class TestRegistration:
    def ramp(self, grid: Grid) -> Volume:
        """An image whose intensity is a linear function of the place, which linear interpolation gives back exactly."""
        at = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
        return Volume(500 + grid.world_mm(at) @ np.array([3.0, -2.0, 5.0]), grid)

    def test_resampling_puts_every_intensity_at_its_place(self):
        fine = CORONAL.copy()
        fine[:3, :3] *= 0.5
        fine[:3, 3] += CORONAL[:3, :3] @ np.array([2.3, 1.7, 0.6])
        inner = Grid((30, 20, 8), fine)
        on_grid = resampled(self.ramp(Grid((24, 20, 6), CORONAL)), inner)
        np.testing.assert_allclose(on_grid.data, self.ramp(inner).data, atol=1e-9)

    def test_coverage_is_the_share_of_voxels_inside(self):
        shifted = CORONAL.copy()
        shifted[:3, 3] += 6 * CORONAL[:3, 0]
        whole = Grid((24, 20, 6), CORONAL)
        assert coverage(whole, whole) == 1
        assert coverage(whole, Grid((24, 20, 6), shifted)) == pytest.approx(18 / 24)
        assert LEAST_COVERAGE < 18 / 24

    @pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
    @pytest.mark.parametrize("reverse", [(), (1,), (0, 2)])
    def test_a_turned_image_keeps_every_voxel_at_its_place(self, axes, reverse):
        grid = Grid((24, 20, 6), CORONAL)
        affine = CORONAL.copy()
        affine[:, :3] = CORONAL[:, list(axes)]
        shape = tuple(grid.shape[a] for a in axes)
        for k in reverse:
            affine[:3, 3] += affine[:3, k] * (shape[k] - 1)
            affine[:3, k] *= -1
        other = self.ramp(Grid(shape, affine))
        turned = reoriented(other, grid)
        assert turned.grid.shape == grid.shape
        np.testing.assert_allclose(turned.data, self.ramp(grid).data, atol=1e-9)
        assert (turned is other) == (axes == (0, 1, 2) and not reverse)  # nothing is copied where nothing is turned

    def test_what_lies_elsewhere_is_left_as_it_is(self):
        shifted = CORONAL.copy()
        shifted[0, 3] += 1.0
        image = self.ramp(Grid((24, 20, 6), shifted))
        assert reoriented(image, Grid((24, 20, 6), CORONAL)) is image


def test_series_named_one_by_one_must_show_one_place_too(study):
    from lib.studies.scan_pair import read_pair

    away = CORONAL.copy()
    away[0, 3] += 10.0
    study.add("stir", STIR)
    study.add("t1", T1W, away)
    with pytest.raises(GridMismatchError, match=r"covers \d+% of STIR \(stir\) \(needed 50%\)"):
        read_pair(study.folder / "t1", study.folder / "stir")


def test_a_blank_slice_is_refused_before_its_neighbours_could_fill_it():
    data = np.full((8, 8, 12), 100.0)
    data[:, :, 2] = 0
    t1w = Volume(data, Grid(data.shape, np.diag([1.0, 1.0, 3.0, 1.0])), "T1W")
    shifted = np.diag([1.0, 1.0, 3.0, 1.0])
    shifted[2, 3] = 1.5
    with pytest.raises(InputError, match=r"T1W has blank slices \(number 3 of 12"):
        on_grid_of(t1w, Volume(data, Grid(data.shape, shifted), "STIR"))
