"""Label maps as NRRD, read back by the library that 3D Slicer reads with."""

import bz2
import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from lib.core.volume import Grid
from lib.errors import InputError
from lib.studies.nrrd import nrrd_labels, read_nrrd

# tilted, with axes of unequal spacing, and one that runs from right to left
AFFINE = np.array(
    [
        [-0.5934, 0.0112, 0.2311, 96.5],
        [0.0191, 0.4406, 2.3409, -101.25],
        [-0.0401, -0.3987, 2.3141, -33.125],
        [0, 0, 0, 1],
    ]
)
GRID = Grid((4, 3, 2), AFFINE)
LABELS = np.arange(24).reshape(4, 3, 2).astype(np.uint8)


def ras_affine(image: sitk.Image) -> np.ndarray:
    """Voxel index to RAS+ mm, from what ITK keeps as LPS origin, spacing and direction."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize("compress", [True, False])
def test_an_oblique_map_comes_back_voxel_for_voxel_and_to_a_thousandth_of_a_micrometre(tmp_path, compress):
    path = tmp_path / "answer.nrrd"
    path.write_bytes(nrrd_labels(LABELS, GRID, compress=compress))
    image = sitk.ReadImage(str(path))
    assert image.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    # SimpleITK's arrays run K, J, I
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), LABELS)
    np.testing.assert_allclose(ras_affine(image), AFFINE, atol=1e-6)


def test_raw_voxels_follow_the_header_with_the_first_axis_fastest():
    header, _, voxels = nrrd_labels(LABELS, GRID, compress=False).partition(b"\n\n")
    assert b"encoding: raw" in header
    assert b"sizes: 4 3 2" in header
    assert voxels[:5] == bytes([0, 6, 12, 18, 2])


def test_compressed_voxels_are_one_gzip_stream():
    assert gzip.decompress(nrrd_labels(LABELS, GRID).partition(b"\n\n")[2]) == LABELS.tobytes(order="F")


def packed(path, encoding, *members, line=""):
    """A file of these packed members one after another."""
    header = nrrd_labels(LABELS, GRID).partition(b"\n\n")[0].decode().replace("gzip", encoding)
    path.write_bytes(f"{header}\n{line}\n".encode() + b"".join(members))
    return path


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_voxels_packed_as_several_members_are_read_whole(tmp_path, encoding, pack):
    slices = [LABELS[..., k].tobytes(order="F") for k in range(2)]
    path = packed(tmp_path / "mask.nrrd", encoding, *map(pack, slices))
    np.testing.assert_array_equal(read_nrrd(path, "mask").layers[..., 0], LABELS)
    if encoding == "gzip":  # SimpleITK 2.5 reads no bzip2
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, LABELS)
    for members in (slices[:1], [*slices, b"\0"]):
        with pytest.raises(InputError, match="is damaged or no NRRD file"):
            read_nrrd(packed(path, encoding, *map(pack, members)), "mask")


def test_bytes_to_skip_are_counted_in_what_is_unpacked(tmp_path):
    content = gzip.compress(b"12345" + LABELS.tobytes(order="F"))
    for skip in (5, -1):
        path = packed(tmp_path / "mask.nrrd", "gzip", content, line=f"byte skip: {skip}\n")
        np.testing.assert_array_equal(read_nrrd(path, "mask").layers[..., 0], LABELS)
    with pytest.raises(InputError, match="lines before packed voxels"):
        read_nrrd(packed(path, "gzip", content, line="line skip: 1\n"), "mask")
