"""Normal bone grown from a reader's clicks."""

import numpy as np
import pytest

from lib.core.normal_bone import NormalBoneClicks
from lib.core.normal_bone_clicks import ACROSS_MM, ALONG_MM, normal_bone_from_clicks
from lib.core.normal_bone_proposal import most_even_places, propose_normal_bone
from lib.core.not_measured import NormalBoneRefused
from lib.core.pipeline import measure_vhi
from lib.core.volume import Grid, Mask, Volume
from lib.errors import NormalBoneError
from lib.reports.sentences import reader_sentences
from madeup_pelvis import CORONAL, Pelvis

CLICKS = [(62, 44, 3), (67, 46, 4), (64, 45, 5)]


def images(scan):
    return (
        Volume(scan.t1w, scan.grid, "T1W"),
        Volume(scan.stir, scan.grid, "STIR"),
        Mask(scan.region, scan.grid, "disease region"),
    )


def grown(scan, clicks=CLICKS):
    return normal_bone_from_clicks(*images(scan), clicks)


def test_marrow_about_the_midline_on_the_clicked_and_the_neighbouring_slices_is_taken():
    bone = grown(Pelvis())
    i, j, k = np.nonzero(bone.mask.data)
    assert bone.source == "clicked"
    assert bone.clicks == tuple(CLICKS)
    assert sorted(set(k)) == [2, 3, 4, 5, 6]
    assert 64.5 - ACROSS_MM <= i.min() < i.max() <= 64.5 + ACROSS_MM
    assert 44 - ALONG_MM <= j.min() < j.max() <= 46 + ALONG_MM
    # the sacrum's middle is even throughout: 30 mm high of which its edges are not even
    assert np.count_nonzero(bone.mask.data[:, :, 4]) > 700


def test_a_click_elsewhere_in_the_middle_of_the_sacrum_gives_nearly_the_same_region():
    one, other = grown(Pelvis()).mask.data, grown(Pelvis(), [(70, 43, 3), (58, 47, 4), (55, 44, 5)]).mask.data
    assert 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)) > 0.9


def test_vessels_and_lesions_are_left_out():
    scan = Pelvis()
    scan.stir[60, 40:50, 3:6] = 300.0  # a vessel, one pixel wide
    scan.stir[70:80, 36:52, 4] = 170.0  # a lesion
    bone = grown(scan).mask.data
    assert not bone[60, 40:50, 3:6].any()
    assert not bone[70:80, 36:52, 4].any()
    assert bone[72:78, 40:48, 2].any()


def test_a_click_in_the_ala_takes_the_marrow_there():
    scan = Pelvis()
    scan.stir[:, :, 2:7] *= np.array([1.4, 0.7, 1.0, 0.8, 1.2])  # or the trusted automatic one, in the middle, would join
    i, _, _ = np.nonzero(grown(scan, [(28, 45, 4)]).mask.data)
    assert i.max() <= 28 + 20 + ACROSS_MM  # the ellipse follows a click that is more than 20 mm off the midline
    assert i.min() < 40


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_region_does_not_change_when_the_file_is_stored_the_other_way(axis):
    scan = Pelvis()
    affine = CORONAL.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (CORONAL.shape[axis] - 1)
    affine[:3, axis] *= -1
    clicks = [tuple(CORONAL.shape[a] - 1 - n if a == axis else n for a, n in enumerate(click)) for click in CLICKS]
    other = grown(scan.turned(lambda data: np.flip(data, axis), Grid(CORONAL.shape, affine)), clicks)
    np.testing.assert_array_equal(np.flip(other.mask.data, axis), grown(scan).mask.data)


def test_the_region_does_not_change_with_the_scanners_gain():
    scan = Pelvis()
    before = grown(scan).mask.data
    scan.stir, scan.t1w = scan.stir * 8, scan.t1w * 4
    np.testing.assert_array_equal(grown(scan).mask.data, before)


def test_noise_alone_is_no_reason_to_leave_marrow_out():
    scan = Pelvis()
    scan.stir += np.random.default_rng(5).normal(0.0, 30.0, scan.stir.shape)
    assert np.count_nonzero(grown(scan).mask.data[:, :, 4]) > 500


@pytest.mark.parametrize(
    ("click", "message"),
    [
        ((64, 45, 9), r"click 64,45,9 \(slice 10\) lies outside STIR, which has 130 x 90 x 9 voxels"),
        ((-1, 45, 4), r"click -1,45,4 \(slice 5\) lies outside STIR"),
        ((64, 2, 4), r"click 64,2,4 \(slice 5\) lies outside the bone"),
        ((70, 45, 4), r"click 70,45,4 \(slice 5\) lies on something bright, \d+% above the marrow around it"),
    ],
)
def test_a_click_that_is_not_in_marrow_is_refused_in_one_sentence(click, message):
    scan = Pelvis()
    scan.stir[67:74, 42:49, 4] = 200.0
    with pytest.raises(NormalBoneError, match=message + r".*\. Click in even marrow of the sacrum"):
        grown(scan, [click])


def test_no_click_is_refused():
    with pytest.raises(NormalBoneError, match="0 normal-bone clicks were given; needed are 1 to 100"):
        grown(Pelvis(), [])


def test_marrow_that_is_nowhere_even_is_refused():
    scan = Pelvis()
    scan.stir[::2, ::2] *= 3
    scan.stir[:, 30:60] = np.where(np.indices(scan.stir[:, 30:60].shape)[0] // 4 % 2, 300.0, 20.0)
    with pytest.raises(NormalBoneError, match=r"even marrow|something bright"):
        grown(scan)


def test_a_measurement_says_where_was_clicked_and_goes_by_the_robust_rule():
    t1w, stir, region = images(Pelvis())
    result = measure_vhi(t1w, stir, normal_bone=NormalBoneClicks(tuple(CLICKS)), disease_region=region)
    assert result.normal_bone_source == "clicked"
    assert result.normal_bone_clicks == tuple(CLICKS)
    assert result.thresholds.rule == "robust"
    assert not any("proposed" in one for one in result.warnings)


def test_a_grown_region_that_holds_the_automatic_proposal_says_so_and_is_not_called_stable():
    t1w, stir, region = images(Pelvis())
    automatic = propose_normal_bone(t1w, stir, region).mask.data
    at = tuple(int(n) for n in np.argwhere(automatic)[0])
    bone = grown(Pelvis(), [at])
    assert bone.with_proposal
    assert bone.mask.data[automatic].all()
    result = measure_vhi(t1w, stir, normal_bone=NormalBoneClicks((at,)), disease_region=region)
    assert result.stability.stable is not True
    assert any("with the automatic proposal" in one for one in result.warnings)
    assert any("holds the program's own proposal" in one for one in reader_sentences(result, None))


def test_a_grown_region_without_an_automatic_proposal_is_the_readers_alone():
    scan = Pelvis()
    scan.stir[:, :, 2:7] *= np.array([1.4, 0.7, 1.0, 0.8, 1.2])
    assert not grown(scan, [(28, 45, 4)]).with_proposal


def test_a_refusal_says_where_to_click_and_these_clicks_measure():
    scan = Pelvis()
    scan.stir[:, :, 2:7] *= np.array([1.4, 0.7, 1.0, 0.8, 1.2])  # no two slices alike: the automatic one is unsure
    t1w, stir, region = images(scan)
    with pytest.raises(
        NormalBoneRefused, match=r"the most promising voxels, counted from 0: \d+,\d+,\d \(slice \d\);"
    ) as refused:
        measure_vhi(t1w, stir, disease_region=region)
    places = refused.value.scan.places
    assert len({k for _, _, k in places}) == 3
    assert all(abs(i - 64.5) <= 6 and 30 <= j < 60 and 2 <= k < 7 for i, j, k in places)
    assert measure_vhi(t1w, stir, normal_bone=NormalBoneClicks(places[:1]), disease_region=region).normal_bone.voxels > 30


def test_no_place_is_proposed_where_there_is_no_sacrum():
    scan = Pelvis()
    scan.region[:] = False
    assert most_even_places(*images(scan)) == ()
