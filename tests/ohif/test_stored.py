"""Stored Segmentations in the viewer's own mode, and what the page says where a mode cannot show a stored result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, generate_uid

from browsing import CONSERVATIVE, INFLAMMATION, NUMBERS, REGION, Reader, by_reader, in_archive
from viewing import ViewerServer, dismiss_notice, show_series, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]

# the series of all readers have one number and may have one description: a tile is found by its series' UID
TILE_ID = """(series) => {
  const [found] = window.services?.displaySetService.getDisplaySetsForSeries(series) ?? [];
  return found && document.getElementById(`thumbnail-${found.displaySetInstanceUID}`)?.id;
}"""
# the slices of the drawn label map: which image each lies on, and its voxels
DRAWN_SLICES = """() => {
  const [found] = window.cornerstoneTools.segmentation.state.getSegmentations();
  const { cache } = window.cornerstone;
  return (found?.representationData.Labelmap.imageIds ?? []).map((id) => {
    const image = cache.getImage(id);
    return [image.referencedImageId.match(/instances\\/([0-9.]+)\\/frames/)[1], [...image.voxelManager.getScalarData()]];
  });
}"""


@pytest.mark.parametrize(("name", "archive"), [("ascending", "embedded"), ("descending", "orthanc")])
@pytest.mark.pacs
def test_a_stored_segmentation_is_drawn_voxel_by_voxel_and_a_report_is_opened_elsewhere(
    viewer_servers, page, shot, name, archive, tmp_path
):
    viewer_server: ViewerServer = viewer_servers(archive)
    others_reading(Reader(page, viewer_server, viewer_server.studies[name], f"pavel-{name}"))
    reader = Reader(page, viewer_server, viewer_server.studies[name], f"olga-{name}")
    document = stored_document(reader, tmp_path / "report.dcm")
    reader.open()
    reader.measure()
    reader.submit()
    [report] = wait_for(lambda: by_reader(in_archive(viewer_server.archive, reader.study, "SR"), reader.name))
    seg = stored_regions(reader)
    page.goto(f"{viewer_server.url}/ohif/segmentation?StudyInstanceUIDs={reader.study.study_uid}", wait_until="domcontentloaded")
    tile = tile_of(page, seg)
    dismiss_notice(page)
    tile.dblclick()
    page.get_by_text("Do you want to open this Segmentation?").first.wait_for()
    page.get_by_text("Yes", exact=True).first.click()
    wait_for(lambda: any(max(voxels) for _, voxels in page.evaluate(DRAWN_SLICES)))
    shot("drawn")
    expected = on_images(seg, reader)
    found = {
        instance: np.array(voxels, np.uint8).reshape(seg.Rows, seg.Columns) for instance, voxels in page.evaluate(DRAWN_SLICES)
    }
    assert set(found) == set(expected)
    for instance, voxels in found.items():
        np.testing.assert_array_equal(voxels, expected[instance])
    check_document(reader, document)
    check_report(reader, report, seg, shot)


def stored_document(reader: Reader, path: Path) -> pydicom.Dataset:
    """A report as Encapsulated PDF, stored as `pacs_report` has it stored."""
    image = pydicom.dcmread(reader.study.files("STIR")[0], stop_before_pixels=True)
    made = pydicom.Dataset()
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(made, keyword, image.get(keyword, ""))
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = EncapsulatedPDFStorage, generate_uid(), generate_uid()
    made.Modality, made.SeriesNumber, made.InstanceNumber = "DOC", 5004, 1
    made.SeriesDescription = f"VHI report, {reader.name}"
    made.MIMETypeOfEncapsulatedDocument, made.EncapsulatedDocument = (
        "application/pdf",
        b"%PDF-1.4 of the archive, not of the server ",
    )
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.save_as(path, enforce_file_format=True)
    reader.viewer_server.archive.store([path])
    return made


def check_document(reader: Reader, document: pydicom.Dataset) -> None:
    """A stored PDF would be a black image; the page opens the report beside the viewer."""
    page = reader.page
    tile_of(page, document).dblclick()
    note = page.locator("#vhi-stored")
    note.get_by_text("The viewer does not show PDF files").wait_for()
    address = note.get_by_role("link", name=f"Open the report of {reader.name}").get_attribute("href")
    answer = page.request.get(f"{reader.viewer_server.url}{address}")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")
    note.get_by_role("button", name="Close").click()


def others_reading(other: Reader) -> None:
    """Another reader's results come first, with inflammation in one half alone: their tile shows other voxels under the same name."""
    _, labels = other.asked("vhi")
    inflammation = np.isin(labels, (NUMBERS[INFLAMMATION], NUMBERS[CONSERVATIVE]))
    inflammation[: labels.shape[0] // 2] = False
    other.hand_in_beside(INFLAMMATION, inflammation)
    wait_for(lambda: by_reader(in_archive(other.viewer_server.archive, other.study, "SR"), other.name))


def stored_regions(reader: Reader) -> pydicom.Dataset:
    """The reader's Segmentation of STIR, with regions and inflammation."""
    stored = by_reader(in_archive(reader.viewer_server.archive, reader.study, "SEG"), reader.name)
    return next(seg for seg in stored if {INFLAMMATION, REGION} <= {segment.SegmentLabel for segment in seg.SegmentSequence})


def tile_of(page, stored: pydicom.Dataset):
    """The tile of a stored result in the list of series, once it is there."""
    return page.locator(f"[id='{wait_for(lambda: page.evaluate(TILE_ID, stored.SeriesInstanceUID))}']")


def on_images(seg: pydicom.Dataset, reader: Reader) -> dict[str, np.ndarray]:
    """Segments by number on the images that lie where the frames do; a later segment covers an earlier one, as the viewer draws them."""
    images = {}
    for path in reader.study.files("STIR"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        images[place_of(header.ImagePositionPatient)] = str(header.SOPInstanceUID)
    found = {instance: np.zeros((seg.Rows, seg.Columns), np.uint8) for instance in images.values()}
    frames = zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True)
    by_number = sorted(frames, key=lambda one: one[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    for group, voxels in by_number:
        image = images[place_of(group.PlanePositionSequence[0].ImagePositionPatient)]
        found[image][voxels > 0] = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return found


def place_of(position) -> tuple[float, ...]:
    return tuple(round(float(one), 1) for one in position)


def check_report(reader: Reader, report: pydicom.Dataset, seg: pydicom.Dataset, shot) -> None:
    """The page names the report in place of a black image, and its link opens that reader's."""
    page = reader.page
    tile_of(page, report).dblclick()
    note = page.locator("#vhi-stored")
    note.get_by_text("the numbers of this one are in the report of VHI").wait_for()
    shot("report")
    with page.expect_popup() as opened:
        note.get_by_role("link", name=f"Open the report of {reader.name}").click()
    opened.value.wait_for_load_state("domcontentloaded")
    assert "STIR" in opened.value.locator("body").inner_text()
    assert opened.value.url.startswith(f"{reader.viewer_server.url}/vhi/report?")
    opened.value.close()
    note.get_by_role("button", name="Close").click()
    page.goto(reader.viewer_server.address(reader.study), wait_until="domcontentloaded")
    show_series(page)
    tile_of(page, seg).dblclick()
    link = page.locator("#vhi-stored a")
    link.wait_for()
    assert link.get_attribute("href") == f"/ohif/segmentation?StudyInstanceUIDs={reader.study.study_uid}"
