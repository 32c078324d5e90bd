"""3D Slicer's module at a server with accounts, in a blinded study: login, what is shown of a case, training."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import numpy as np
import pytest

from slicer_client import Slicer, choose
from standin import PASSWORDS
from waiting import wait_for

pytestmark = pytest.mark.server

CASES = ("miller", "smith", "jones", "brown")


@pytest.fixture
def login(slicer, guarded):
    """Opens the module and answers its login dialog: `login("anna")`."""

    def start(name: str, password: str = "") -> Slicer:
        return slicer(guarded, login=(name, password or PASSWORDS[name]))

    return start


def test_who_logs_in_reads_a_case_whose_name_is_nowhere_to_be_seen(login, guarded):
    slicer_client = login("anna")
    assert slicer_client.shown() == []
    slicer_client.next_sample()
    for model in ("disease_region", "normal_bone", "vhi"):
        slicer_client.run(model)
    choose(slicer_client.ui.labelComboBox, "inflammation")
    slicer_client.click(np.argwhere(slicer_client.segments()["inflammation"])[0], background=True)
    assert slicer_client.shown() == []
    sample = slicer_client.module.current_sample
    slicer_client.press("saveLabel")
    saved = slicer_client.saved()
    assert saved["reader"] == "anna"  # the login, not what stands in the settings
    seen = repr(
        (
            sample,
            saved,
            slicer_client.module.info,
            slicer_client.module._volumeNode.GetName(),
            slicer_client.module._segmentNode.GetName(),
        )
    )
    assert not [case for case in CASES if case in seen]
    assert slicer_client.ui.activeLearningProgressBar.toolTip == "1/4 samples are labeled"


def test_a_wrong_password_is_told_and_asked_for_again(login):
    slicer_client = login("anna", "wrong")
    assert "name or password were wrong" in slicer_client.refusal()
    slicer_client.log_in_as("anna", PASSWORDS["anna"])
    slicer_client.press("fetchServerInfo")
    assert slicer_client.shown() == []
    assert slicer_client.ui.strategyBox.count == 5


def test_after_a_login_has_ended_the_module_signs_in_again_by_itself(login):
    slicer_client = login("anna")
    slicer_client.module.logic.auth_token = {"token_type": "bearer", "access_token": "ended"}
    slicer_client.next_sample()
    assert slicer_client.shown() == []
    assert slicer_client.module.current_sample["id"]


def test_an_image_is_handed_to_nobody_who_was_not_offered_it(login, guarded):
    slicer_client = login("anna")
    images = slicer_client.module.logic.datastore()["objects"]
    slicer_client.next_sample()
    others = [image for image in images if image.split("_")[0] != slicer_client.module.current_sample["id"].split("_")[0]]
    assert guarded.get(f"/datastore/image?image={others[0]}")[0] == 401


def test_a_client_that_repeats_the_length_of_its_last_save_is_served(login, guarded, tmp_path):
    slicer_client = login("root")
    slicer_client.next_sample()
    slicer_client.run("disease_region")
    client = slicer_client.module.logic._client()
    node = slicer_client.slicer.nodes.vtkMRMLLabelMapVolumeNode()
    node.array = slicer_client.segments()["disease region"].astype(np.int32)  # 2.5 MiB as it is
    node.affine = slicer_client.module._volumeNode.affine
    path = tmp_path / "label.nii"
    slicer_client.slicer.util.saveNode(node, str(path))
    names = [{"name": "disease region", "idx": 1}]
    client.save_label(slicer_client.module.current_sample["id"], str(path), params={"label_info": names})
    assert int(client._headers["content-length"]) > 2 << 20
    assert client.info()["name"] == "VHI"
    assert client.datastore()["objects"]
    assert client.auth_valid_token()
    assert client.train_status(check_if_running=True) is False
    assert client.train_stop() is None


@pytest.mark.parametrize(
    "path", ["/info/", "/datastore/", "/batch/infer", "/scoring/", "/train/", "/vhi/health", "/", "/nothing"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_that_promises_a_body_and_sends_none_is_answered_at_once_and_ends_its_connection(server, method, path):
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.request(method, path, headers={"content-length": "5000000", "content-type": "multipart/form-data; boundary=x"})
    answer = connection.getresponse()
    assert answer.status in (200, 303, 404, 405)
    assert answer.getheader("connection") == "close"
    answer.read()
    connection.close()


def test_training_is_started_watched_and_stopped_by_an_administrator(login, guarded, scan):
    reader = login("anna")
    reader.module.onTraining()
    assert reader.refusal() == "Training needs an administrator's account on this server."
    slicer_client = login("root")
    slicer_client.next_sample()
    slicer_client.run("disease_region")
    segment = slicer_client.module._segmentNode.GetSegmentation().segments["disease region"]
    segment.mask[:, :, 4] &= np.arange(segment.mask.shape[0])[:, None] > 100  # a correction
    slicer_client.run("vhi")
    slicer_client.press("saveLabel")
    slicer_client.saved()
    assert slicer_client.ui.trainingButton.enabled
    slicer_client.table_of("trainers", "disease_region")["minutes"].setText("30")
    slicer_client.press("training")
    assert slicer_client.shown() == []
    assert slicer_client.module.isTrainingRunning()
    assert slicer_client.ui.stopTrainingButton.enabled
    slicer_client.module.onTraining()
    assert slicer_client.refusal() == "A training session is under way; wait for it, or stop it."
    slicer_client.module.monitorTraining()
    assert slicer_client.ui.trainingProgressBar.value >= 1
    slicer_client.press("stopTraining")
    assert slicer_client.shown() == []
    wait_for(lambda: not slicer_client.module.isTrainingRunning(), within_s=120)
    assert slicer_client.module.logic.train_status(False)["status"] == "STOPPED"
    slicer_client.module.monitorTraining()  # what its timer does next
    assert slicer_client.module.timer is None
    assert (slicer_client.ui.trainingButton.enabled, slicer_client.ui.stopTrainingButton.enabled) == (True, False)
