"""Other ways to start, and what must hold in all of them."""

from __future__ import annotations

import numpy as np
import pytest
import requests
from monailabel.client.client import MONAILabelClientException

from drawing import pair
from lib.studies.nifti import write_volume
from serving import APP, as_program, serving
from slicing import save_segments

pytestmark = pytest.mark.server

# coronal oblique, and without shear: ITK reads nothing else
_c, _s = np.cos(0.7), np.sin(0.7)
TILTED = np.array([[-0.6, 0, 0, 60], [0, 0.6 * _c, -3.3 * _s, -20], [0, 0.6 * _s, 3.3 * _c, -40], [0, 0, 0, 1]])


@pytest.fixture
def study(tmp_path):
    """One small pair; nothing that networks could work on."""
    scan = pair(np.random.default_rng(7), affine=TILTED)
    folder = tmp_path / "studies" / "case-1"
    folder.mkdir(parents=True)
    write_volume(folder / "t1w.nii.gz", scan.t1w)
    write_volume(folder / "stir.nii.gz", scan.stir)
    return folder.parent, scan


def stock(studies) -> list[str]:
    """As MONAI Label's documentation says to start a server."""
    program = "from monailabel.main import Main; Main().run()"
    return [
        "-c",
        program,
        "start_server",
        "--app",
        str(APP),
        "--studies",
        str(studies),
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ]


def test_monai_labels_own_command_starts_a_guarded_server(study, tmp_path):
    studies, scan = study
    with serving(studies, tmp_path, command=stock(studies), start=as_program) as server:
        assert requests.post(f"{server.url}/reload", timeout=30).status_code == 403
        assert requests.get(f"{server.url}/info/", headers={"Host": "evil.example"}, timeout=30).status_code == 400
        client = server.client("anna", tmp_path)
        assert client.next_sample("first", {})["id"] == "case-1_STIR"
        segments = {"disease region": scan.disease_region.data, "normal bone": scan.normal_bone.data}
        for names in (["disease region"], ["disease region", "normal bone"]):
            chosen = {name: segments[name] for name in names}
            params = save_segments(chosen, studies / "case-1" / "stir.nii.gz", tmp_path / "saved.nii.gz")
            client.save_label("case-1_STIR", str(tmp_path / "saved.nii.gz"), params=params)
        _, facts = client.infer("vhi", "case-1_T1W", {})
        assert facts["label_names"]["inflammation"] == 1


def test_with_accounts_the_client_of_slicer_logs_in_and_reads_under_its_login(study, tmp_path):
    from lib.server.accounts import Account, hash_password, write_accounts

    studies, scan = study
    accounts = tmp_path / "accounts.json"
    passwords = {"anna": "correct horse", "bela": "battery staple"}
    write_accounts(accounts, [Account(name, "reader", hash_password(password)) for name, password in passwords.items()])
    with serving(studies, tmp_path, VHI_SERVER_ACCOUNTS=str(accounts)) as server:
        client = server.client("somebody-else", tmp_path)
        assert client.auth_enabled()
        with pytest.raises(MONAILabelClientException):
            client.info()
        with pytest.raises(MONAILabelClientException):
            client.auth_token("anna", "wrong password")
        client.update_auth(client.auth_token("anna", passwords["anna"]))
        assert client.auth_valid_token()
        sample = client.next_sample("first", {})
        # Slicer fetches the series without its token
        assert server.get(f"/datastore/image?image={sample['id']}")[0] == 200
        region = {"disease region": scan.disease_region.data}
        params = save_segments(region, studies / "case-1" / "stir.nii.gz", tmp_path / "a.nii.gz")
        saved = client.save_label(sample["id"], str(tmp_path / "a.nii.gz"), params=params)
        assert saved["label"] == "0001-anna"
        assert client.download_label(sample["id"], "final").endswith(".nii.gz")
        other = server.client("anna", tmp_path)
        other.update_auth(other.auth_token("bela", passwords["bela"]))
        with pytest.raises(MONAILabelClientException) as caught:
            other.download_label(sample["id"], "final")
        assert caught.value.status_code == 404


def test_two_readers_are_handed_two_cases_and_the_third_none(study, tmp_path):
    studies, scan = study
    write_volume(studies / "case-2_T1W.nii.gz", scan.t1w)
    write_volume(studies / "case-2_STIR.nii.gz", scan.stir)
    with serving(studies, tmp_path) as server:
        samples = [server.client(reader, tmp_path).next_sample("first", {}) for reader in ("one", "two", "three")]
        assert [sample.get("id") for sample in samples] == ["case-1_STIR", "case-2_STIR", None]
        again = server.client("one", tmp_path).next_sample("random", {})
        assert (again["id"], again["name"]) == ("case-1_STIR", "case-1_STIR.nii.gz")
        assert "path" not in again


def test_a_new_pair_is_offered_without_a_restart_and_half_a_pair_waits(study, tmp_path):
    import time

    studies, scan = study
    with serving(studies, tmp_path) as server:
        client = server.client("anna", tmp_path)
        write_volume(studies / "case-2_STIR.nii.gz", scan.stir)

        def state() -> dict:
            return client.info()["datastore"]

        until = time.monotonic() + 30
        while not state()["waiting"] and time.monotonic() < until:
            time.sleep(0.5)
        assert [(one["name"], "T1W series is missing" in one["reason"]) for one in state()["waiting"]] == [("case-2", True)]
        write_volume(studies / "case-2_T1W.nii.gz", scan.t1w)
        while state()["total"] < 2 and time.monotonic() < until:
            time.sleep(0.5)
        assert (state()["total"], state()["waiting"]) == (2, [])


def test_an_unknown_setting_stops_the_start(study, tmp_path):
    studies, _ = study
    with pytest.raises(RuntimeError, match="There is no setting 'blindd'"), serving(studies, tmp_path, conf={"blindd": "true"}):
        pass
