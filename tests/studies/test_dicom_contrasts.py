"""Which image is the plain one: by ImageType and description, among series and within one."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.uid import generate_uid

from lib.core.volume import Grid, Volume
from lib.errors import InputError
from lib.studies.dicom_contrasts import doubts_of, kinds_of
from lib.studies.dicom_frames import Frame, Series
from lib.studies.dicom_pairing import read_study
from lib.studies.dicom_series import read_series
from lib.studies.pairing_rules import read_rules
from mrseries import enhanced_mr, mr_series
from studies.test_dicom_formats import group
from studies.test_dicom_pairing import CORONAL, STIR, T1W, Study

pytestmark = pytest.mark.slow  # seconds in all

PLAIN = ["ORIGINAL", "PRIMARY", "M", "SE"]
EARLY, LATE = {"AcquisitionTime": "093000"}, {"AcquisitionTime": "094500"}


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(tmp_path / "study")


def frame(**values: object) -> Frame:
    made = mr_series(Volume(np.arange(32, dtype=float).reshape(4, 4, 2), Grid((4, 4, 2), CORONAL), "x"), **values)[0]
    return Frame(Path("one.dcm"), made)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ("ORIGINAL\\PRIMARY\\M\\ND\\NORM", ()),
        ("ORIGINAL\\PRIMARY\\M_SE\\M\\SE", ()),
        ("ORIGINAL\\PRIMARY\\OTHER", ()),
        ("ORIGINAL\\PRIMARY\\P\\ND", ("phase image",)),
        ("ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE", ("phase image",)),
        ("ORIGINAL\\PRIMARY\\I_FFE\\I\\FFE", ("imaginary part",)),
        ("ORIGINAL\\PRIMARY\\R_IR\\R\\IR", ("real part",)),
        ("DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND", ("map",)),
        ("DERIVED\\PRIMARY\\T1 MAP\\ND", ("map",)),
        ("DERIVED\\PRIMARY\\PROJECTION IMAGE\\MIP", ("projection",)),
        ("DERIVED\\SECONDARY\\SUBTRACTION", ("subtraction",)),
        ("DERIVED\\SECONDARY\\MPR\\CSA MPR", ("reformatted",)),
        ("DERIVED\\PRIMARY\\DIXON\\WATER", ("water",)),
        ("DERIVED\\PRIMARY\\M\\IN_PHASE", ()),
        ("DERIVED\\PRIMARY\\M\\OPP_PHASE", ("opposed phase",)),
    ],
)
def test_image_type_tells_the_kind(values, kinds):
    assert kinds_of(frame(ImageType=values.split("\\"))) == kinds


def test_the_complex_component_and_a_vendors_own_tag_tell_too():
    assert kinds_of(frame(ImageType=PLAIN, ComplexImageComponent="PHASE")) == ("phase image",)
    one = frame(ImageType=["ORIGINAL", "PRIMARY", "OTHER"])
    one.header.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", 1)
    assert kinds_of(one) == ("phase image",)


@pytest.mark.parametrize(
    ("description", "agent", "fat_suppressed"),
    [
        ("t1_tse_cor", False, False),
        ("T1 TSE post KM", True, False),
        ("T1 cor +C", True, False),
        ("T1 FS pre gd", False, True),
        ("T1 without contrast", False, False),
        ("t1_spair_cor", False, True),
        ("FSE T1", False, False),
    ],
)
def test_descriptions_speak_against_a_series(description, agent, fat_suppressed):
    doubts = doubts_of(Series("1.2", (frame(ImageType=PLAIN, SeriesDescription=description),)))
    assert (doubts.contrast_agent, doubts.fat_suppressed) == (agent, fat_suppressed)


@pytest.mark.parametrize(
    "image_type",
    [
        "ORIGINAL\\PRIMARY\\P\\ND",
        "DERIVED\\PRIMARY\\ADC",
        "DERIVED\\PRIMARY\\PROJECTION IMAGE",
        "DERIVED\\SECONDARY\\SUBTRACTION",
    ],
)
@pytest.mark.parametrize("role", ["T1W", "STIR"])
def test_what_is_no_scan_is_passed_over_in_both_roles_and_refused_alone(study, role, image_type):
    kind = {"T1W": T1W, "STIR": STIR}
    plain = {one: {"ImageType": PLAIN, **EARLY} for one in kind}
    study.add("t1 plain", T1W, **plain["T1W"])
    study.add("stir plain", STIR, **plain["STIR"])
    study.add("t1 later", kind[role], ImageType=image_type.split("\\"), **LATE)
    pair = study.pair()
    assert study.chosen() == ("t1 plain", "stir plain")
    assert pair.warnings == ()
    with pytest.raises(InputError, match="is of the kind .* no scan in the weighting of its sequence"):
        read_series(study.folder / "t1_later", role)


@pytest.mark.parametrize(
    "worse",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "R", "IR"]},
        {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]},
        {"description": "t1 post fs"},
        {"description": "t1 fs"},
        {"description": "t1 mpr"},
    ],
    ids=str,
)
def test_of_two_that_fit_the_plain_one_is_taken_whichever_came_later(study, worse):
    study.add("stir", STIR, ImageType=PLAIN)
    study.add("t1 tse", T1W, ImageType=PLAIN, **EARLY)
    description = worse.pop("description", "t1 other")
    study.add(description, T1W, **{"ImageType": PLAIN, **LATE, **worse})
    assert study.chosen() == ("t1 tse", "stir")


def test_two_repeats_are_a_question_with_their_numbers_and_times(study):
    study.add("stir", STIR)
    first = study.add("t1 tse", T1W, SeriesNumber=3, **EARLY)
    second = study.add("t1 tse again", T1W, SeriesNumber=7, **LATE)
    with pytest.raises(InputError, match="2 series fit T1W equally well") as refused:
        study.pair()
    for part in ("3 't1 tse'", "7 't1 tse again'", "2025-06-01 09:30:00", "2025-06-01 09:45:00", first, second, "--t1w-series"):
        assert part in str(refused.value)
    assert study.chosen(t1w_uid=first) == ("t1 tse", "stir")


def test_a_sites_rules_choose_a_series_by_hand(study, tmp_path):
    study.add("stir", STIR)
    first = study.add("t1 tse", T1W, **EARLY)
    study.add("t1 tse again", T1W, **LATE)
    (tmp_path / "rules.toml").write_text(f'[t1w]\ntake = ["{first}"]\n')
    pair = read_study(study.folder, read_rules(tmp_path / "rules.toml"))
    assert pair.t1w_info is not None
    assert pair.t1w_info.series_uid == first


def in_one_series(study: Study, name: str, kind: dict[str, object], *parts: dict[str, object]) -> str:
    """Several contrasts with one SeriesInstanceUID: the first is plain, each further one holds other values."""
    uid = generate_uid(entropy_srcs=[name])
    for n, part in enumerate(parts):
        study.add(f"{name} {n}", kind, SeriesInstanceUID=uid, SeriesDescription=name, **part)
    return str(uid)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([{"EchoTime": 90}, {"EchoTime": 10}], 1),
        ([{"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, {"ImageType": PLAIN}], 1),
        ([{"ImageType": ["DERIVED", "PRIMARY", "DIXON", one]} for one in ("WATER", "FAT", "OPP_PHASE", "IN_PHASE")], 3),
    ],
    ids=["echoes", "magnitude and phase", "Dixon"],
)
def test_contrasts_of_one_series_are_told_apart(study, parts, wanted):
    study.add("stir", STIR)
    in_one_series(study, "t1 all", T1W, *parts)
    expected = read_series(study.folder / f"t1_all_{wanted}", "T1W")[0].data
    np.testing.assert_array_equal(study.pair().t1w.data, expected)
    for path in (study.folder / "stir").iterdir():
        path.unlink()
    volume, info = read_series(study.folder, "T1W")
    np.testing.assert_array_equal(volume.data, expected)
    assert len(info.slices) == 6


def test_contrasts_that_cannot_be_told_apart_are_listed(study):
    in_one_series(study, "t1", T1W, {"EchoTime": 10}, {"EchoTime": 20})
    with pytest.raises(InputError, match=r"one series holds 2 contrasts \(TE 10 ms; TE 20 ms\)"):
        read_series(study.folder, "T1W")


def test_contrasts_of_one_enhanced_file_are_told_apart(tmp_path):
    volume = Volume(np.random.default_rng(4).integers(0, 900, (24, 20, 6)).astype(float), Grid((24, 20, 6), CORONAL), "STIR")
    made = enhanced_mr(volume)
    other = enhanced_mr(Volume(900 - volume.data, volume.grid, "STIR"))
    for one, flavour in ((made, "M"), (other, "P")):
        for item in one.PerFrameFunctionalGroupsSequence:
            item.update(group(MRImageFrameTypeSequence={"FrameType": ["ORIGINAL", "PRIMARY", flavour, "IR"]}))
    made.PerFrameFunctionalGroupsSequence.extend(other.PerFrameFunctionalGroupsSequence)
    made.NumberOfFrames, made.PixelData = 12, made.PixelData + other.PixelData
    made.save_as(tmp_path / "all.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_series(tmp_path, "STIR")[0].data, volume.data[:, ::-1])


def test_a_time_series_is_refused_by_name(study):
    in_one_series(study, "t1", T1W, *({"TemporalPositionIdentifier": n, "AcquisitionTime": f"09300{n}"} for n in (1, 2, 3)))
    with pytest.raises(
        InputError, match="every position occurs 3 times or more .a time series, TemporalPositionIdentifier . and ."
    ):
        read_series(study.folder, "T1W")


@pytest.mark.parametrize("image_type", [[*PLAIN, "MOSAIC"], PLAIN], ids=["ImageType", "private header"])
def test_a_mosaic_is_refused_by_name(study, image_type):
    study.add("stir", STIR, ImageType=image_type)
    if image_type == PLAIN:
        import pydicom

        for path in (study.folder / "stir").iterdir():
            image = pydicom.dcmread(path)
            image.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 16)
            image.save_as(path)
    with pytest.raises(InputError, match="is a mosaic"):
        read_series(study.folder / "stir", "STIR")


class TestT1W:
    @pytest.mark.parametrize(
        ("values", "fits"),
        [
            ({"RepetitionTime": 1450, "SeriesDescription": "t1_tse_cor"}, True),
            ({"RepetitionTime": 1450, "SeriesDescription": "pd cor"}, False),
            ({"RepetitionTime": 1600, "SeriesDescription": "t1_tse_cor"}, False),
            ({"RepetitionTime": 2200, "InversionTime": 860, "ScanningSequence": "IR", "SeriesDescription": "T1 FLAIR"}, True),
            ({"RepetitionTime": 2200, "InversionTime": 860, "ScanningSequence": "IR", "SeriesDescription": "cor ir"}, False),
            ({"RepetitionTime": 2200, "InversionTime": 860, "ScanningSequence": "IR", "SeriesDescription": "T1 map"}, False),
        ],
        ids=str,
    )
    def test_longer_times_fit_where_the_description_says_t1(self, study, values, fits):
        study.add("stir", STIR)
        study.add("one", T1W, **values)
        if fits:
            assert study.chosen()[1] == "stir"
        else:
            with pytest.raises(InputError, match="none is a T1W series"):
                study.pair()

    def test_the_usual_times_come_first(self, study):
        study.add("stir", STIR)
        study.add("t1 tse", T1W)
        study.add("t1 flair", {**T1W, "RepetitionTime": 2200, "InversionTime": 860, "ScanningSequence": "IR"})
        assert study.chosen() == ("t1 tse", "stir")


def test_inversion_times_of_a_classic_image_are_read(study):
    study.add("t1", T1W)
    kind = {keyword: value for keyword, value in STIR.items() if keyword != "InversionTime"}
    study.add("stir", kind, InversionTimes=[220.0])
    assert study.chosen() == ("t1", "stir")


class TestWithoutFrameOfReference:
    def test_one_study_is_paired_by_its_positions_and_that_is_said(self, study):
        study.add("t1", T1W, FrameOfReferenceUID=None)
        study.add("stir", STIR, FrameOfReferenceUID=None)
        assert "Neither T1W nor STIR names a frame of reference" in study.pair().warnings[0]

    def test_one_that_names_none_and_one_that_does_are_refused(self, study):
        study.add("t1", T1W, FrameOfReferenceUID=None)
        study.add("stir", STIR)
        with pytest.raises(InputError, match="different frames of reference"):
            study.pair()


def test_rounded_positions_and_spacings_are_read(study, tmp_path):
    """Positions to 0.1 mm move a slice by 0.087 mm at most; six digits of spacing a pixel by less than a thousandth."""
    import pydicom

    study.add("stir", STIR)
    plain, _ = read_series(study.folder / "stir", "STIR")
    for n, path in enumerate(sorted((study.folder / "stir").iterdir())):
        image = pydicom.dcmread(path)
        image.ImagePositionPatient = [round(float(mm), 1) for mm in image.ImagePositionPatient]
        image.PixelSpacing = [0.6 + 5e-7 * (n % 2), 0.6]
        image.save_as(path)
    volume, _ = read_series(study.folder / "stir", "STIR")
    np.testing.assert_array_equal(volume.data, plain.data)
    assert np.linalg.norm(volume.grid.corners_mm() - plain.grid.corners_mm(), axis=1).max() < 0.2


@pytest.mark.parametrize("name", ["0.dcm", "csa_slice_norm.dcm", "siemens_dwi_0.dcm.gz"])
def test_mosaics_of_a_scanner_are_known(name):
    """Files that nibabel brings for its own tests."""
    path = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / name
    with pytest.raises(InputError, match="is a mosaic"):
        read_series(path, "T1W")
