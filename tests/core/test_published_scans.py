"""The eight published scans with their manual masks."""

import json
from pathlib import Path

import pytest

from lib.core.pipeline import measure_vhi
from lib.studies.nifti import read_mask, read_volume

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "published_scans.json").read_text())


@pytest.mark.data
@pytest.mark.parametrize("subject", sorted(set(REFERENCE) - {"source"}))
def test_a_published_scan_measures_as_by_the_slow_oracle(vhi_data, subject):
    masks = vhi_data / "segmentations"
    result = measure_vhi(
        read_volume(vhi_data / "images_study" / "T1W" / f"{subject}_T1W.nii.gz", "T1W"),
        read_volume(vhi_data / "images_study" / "STIR" / f"{subject}_STIR.nii.gz", "STIR"),
        normal_bone=read_mask(masks / "normal_marrow" / f"{subject}_normal_marrow.nii.gz", "normal bone"),
        disease_region=read_mask(masks / "disease_region" / f"{subject}_disease_region.nii.gz", "disease region"),
    )
    expected = REFERENCE[subject]
    assert result.thresholds.sensitive == pytest.approx(expected["sensitive"], abs=5e-8)
    assert result.thresholds.conservative == pytest.approx(expected["conservative"], abs=5e-8)
    assert result.thresholds.multiple == expected["multiple"]
    assert result.measurement.raw_sensitive == expected["raw_sensitive"]
    assert result.measurement.total.sensitive == expected["voxels_sensitive"]
    assert result.measurement.total.conservative == expected["voxels_conservative"]
    assert len(result.lesions) == expected["lesions"]
