"""3D Slicer's module at a server with accounts, in a blinded study: login, what is shown of a case, training."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import numpy as np
import pytest

from slicerdesk import Slicer, choose
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
    desk = login("anna")
    assert desk.shown() == []
    desk.next_sample()
    for model in ("disease_region", "normal_bone", "vhi"):
        desk.run(model)
    choose(desk.ui.labelComboBox, "inflammation")
    desk.click(np.argwhere(desk.segments()["inflammation"])[0], background=True)
    assert desk.shown() == []
    sample = desk.module.current_sample
    desk.press("saveLabel")
    saved = desk.saved()
    assert saved["reader"] == "anna"  # the login, not what stands in the settings
    seen = repr((sample, saved, desk.module.info, desk.module._volumeNode.GetName(), desk.module._segmentNode.GetName()))
    assert not [case for case in CASES if case in seen]
    assert desk.ui.activeLearningProgressBar.toolTip == "1/4 samples are labeled"


def test_a_wrong_password_is_told_and_asked_for_again(login):
    desk = login("anna", "wrong")
    assert "name or password were wrong" in desk.refusal()
    desk.log_in_as("anna", PASSWORDS["anna"])
    desk.press("fetchServerInfo")
    assert desk.shown() == []
    assert desk.ui.strategyBox.count == 5


def test_after_a_login_has_ended_the_module_signs_in_again_by_itself(login):
    desk = login("anna")
    desk.module.logic.auth_token = {"token_type": "bearer", "access_token": "ended"}
    desk.next_sample()
    assert desk.shown() == []
    assert desk.module.current_sample["id"]


def test_an_image_is_handed_to_nobody_who_was_not_offered_it(login, guarded):
    desk = login("anna")
    images = desk.module.logic.datastore()["objects"]
    desk.next_sample()
    others = [image for image in images if image.split("_")[0] != desk.module.current_sample["id"].split("_")[0]]
    assert guarded.get(f"/datastore/image?image={others[0]}")[0] == 401


def test_a_client_that_repeats_the_length_of_its_last_save_is_served(login, guarded, tmp_path):
    desk = login("root")
    desk.next_sample()
    desk.run("disease_region")
    client = desk.module.logic._client()
    node = desk.slicer.nodes.vtkMRMLLabelMapVolumeNode()
    node.array = desk.segments()["disease region"].astype(np.int32)  # 2.5 MiB as it is
    node.affine = desk.module._volumeNode.affine
    path = tmp_path / "label.nii"
    desk.slicer.util.saveNode(node, str(path))
    names = [{"name": "disease region", "idx": 1}]
    client.save_label(desk.module.current_sample["id"], str(path), params={"label_info": names})
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
    desk = login("root")
    desk.next_sample()
    desk.run("disease_region")
    segment = desk.module._segmentNode.GetSegmentation().segments["disease region"]
    segment.mask[:, :, 4] &= np.arange(segment.mask.shape[0])[:, None] > 100  # a correction
    desk.run("vhi")
    desk.press("saveLabel")
    desk.saved()
    assert desk.ui.trainingButton.enabled
    desk.table_of("trainers", "disease_region")["minutes"].setText("30")
    desk.press("training")
    assert desk.shown() == []
    assert desk.module.isTrainingRunning()
    assert desk.ui.stopTrainingButton.enabled
    desk.module.onTraining()
    assert desk.refusal() == "A training session is under way; wait for it, or stop it."
    desk.module.monitorTraining()
    assert desk.ui.trainingProgressBar.value >= 1
    desk.press("stopTraining")
    assert desk.shown() == []
    wait_for(lambda: not desk.module.isTrainingRunning(), within_s=120)
    assert desk.module.logic.train_status(False)["status"] == "STOPPED"
    desk.module.monitorTraining()  # what its timer does next
    assert desk.module.timer is None
    assert (desk.ui.trainingButton.enabled, desk.ui.stopTrainingButton.enabled) == (True, False)
