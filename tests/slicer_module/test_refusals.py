"""3D Slicer's module shows the server's sentence where the server refuses, wherever the module's code hands it on."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lib.datastores.reader import UNSET_CLIENT_ID
from slicer_client import Slicer, choose

pytestmark = pytest.mark.server


@pytest.fixture
def slicer_client(slicer, server) -> Slicer:
    opened = slicer(server, "rita")
    opened.next_sample()
    assert opened.shown() == []
    return opened


def test_the_settings_that_the_guide_names_are_those_of_the_module(module):
    panel = module.MONAILabelSettingsPanel()
    assert panel.properties["MONAILabel/clientId"].text == UNSET_CLIENT_ID
    assert panel.properties["MONAILabel/fileExtension"].text == ".nii.gz"
    assert "MONAILabel/autoRunSegmentationOnNextSample" in panel.properties


def test_nobody_saves_under_the_name_that_slicer_begins_with(slicer, server):
    slicer_client = slicer(server)
    slicer_client.next_sample()
    slicer_client.run("disease_region")
    assert slicer_client.shown() == []
    slicer_client.press("saveLabel")
    assert "Client/User-ID" in slicer_client.refusal()


def test_a_name_that_cannot_be_used(slicer, server):
    slicer_client = slicer(server, "Jörg Müller")
    slicer_client.next_sample()
    assert slicer_client.refusal().startswith(
        "The reader is not known, or the name cannot be used: it needs 1 to 64 letters, digits, dots"
    )


def test_cleaning_into_another_segment(slicer_client):
    slicer_client.run("vhi")
    choose(slicer_client.ui.labelComboBox, "disease region")
    slicer_client.press("dgUpdate")
    assert slicer_client.refusal() == (
        "vhi_clean cleans the segment 'inflammation', but 'disease region' is selected; select 'inflammation'."
    )


def test_two_segments_of_one_name(slicer_client):
    slicer_client.run("disease_region")
    segmentation = slicer_client.module._segmentNode.GetSegmentation()
    segmentation.AddEmptySegment("Segment_1", "disease region")
    slicer_client.press("saveLabel")
    assert slicer_client.refusal() == "Two segments are called 'disease region'; merge or rename one and save again."


def test_an_empty_segmentation(slicer_client):
    slicer_client.press("saveLabel")
    assert slicer_client.refusal().startswith("The submission holds nothing: every segment is empty.")


def test_a_label_map_that_holds_a_value_without_a_name(slicer_client, monkeypatch):
    slicer_client.run("disease_region")
    labelmap = slicer_client.slicer.modules.segmentations.logic
    monkeypatch.setattr(labelmap, "ExportSegmentsToLabelmapNode", exported_with_a_stray_value(labelmap))
    slicer_client.press("saveLabel")
    assert slicer_client.refusal() == (
        "The saved map holds the values 1, 9, but 2 segments are named (disease region, normal bone). Save all segments together "
        "with their names."
    )


def exported_with_a_stray_value(logic):
    export = logic.ExportSegmentsToLabelmapNode

    def exported(self, *arguments):
        export(self, *arguments)
        arguments[2].array[0, 0, 0] = 9

    return exported


def test_a_mask_upside_down(slicer_client):
    slicer_client.run("vhi")
    segment = slicer_client.module._segmentNode.GetSegmentation().segments["inflammation"]
    segment.mask = np.flip(segment.mask, 2)
    slicer_client.press("saveLabel")
    assert re.search("flipped", slicer_client.refusal())


def test_another_file_extension(slicer_client):
    slicer_client.run("vhi")
    slicer_client.setting("fileExtension", ".nrrd")
    slicer_client.press("fetchServerInfo")
    slicer_client.press("saveLabel")
    assert slicer_client.refusal() == "A label map is taken as .nii.gz; in 3D Slicer set MONAI Label's File Extension to .nii.gz."


def test_a_volume_of_ones_own(slicer, server, scan, tmp_path):
    # the module says of its own accord that the server is too old; the server's sentence is under "Show details"
    slicer_client = slicer(server, "olaf")
    slicer_client.slicer.util.loadVolume(str(scan / "stir.nii.gz"), "mine")
    assert slicer_client.module.current_sample == {"id": "mine", "session": True, "VolumeNodeName": "mine"}
    slicer_client.run("vhi")
    (first, second) = slicer_client.shown()
    assert first[:2] == ("error", "Server Error: Session creation Failed\nPlease upgrade to latest monailabel version (> 0.2.0)")
    assert "Sessions are closed: VHI needs both series of a visit" in first[2]
    assert second[1].startswith("Failed to run inference")
    slicer_client.run("vhi")
    assert slicer_client.refusal().startswith("There is no image 'mine' here")
    slicer_client.press("saveLabel")
    assert slicer_client.refusal().startswith("There is no image 'mine' here")


def test_an_image_is_not_uploaded(slicer, server, scan):
    slicer_client = slicer(server, "olaf")
    slicer_client.slicer.util.loadVolume(str(scan / "stir.nii.gz"), "mine")
    slicer_client.press("uploadImage")
    assert slicer_client.refusal().startswith("Images are not uploaded")


def test_a_server_that_is_not_there(slicer, server):
    slicer_client = slicer(server, "olaf")
    slicer_client.connect("http://127.0.0.1:9")
    ((kind, text, _),) = slicer_client.shown()
    assert (kind, text.split(".")[0]) == ("error", "Failed to fetch models from remote server")
