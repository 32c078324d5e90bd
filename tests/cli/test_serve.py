"""`serve`: refusals in one sentence, a clean stop, and a copy of the data that serves the same labels."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

from drawing import Pair, pair
from lib.studies.nifti import write_volume
from serving import APP, Server, refused, serving


def test_a_package_that_was_left_half_installed_is_refused_by_name(tmp_path, monkeypatch):
    """MONAI Label cannot be imported beside it."""
    (tmp_path / "packages" / "left_behind-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "studies").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    said = refused("--studies", str(tmp_path / "studies"))
    assert "left_behind-1.0.dist-info holds no METADATA" in said
    assert "Remove that folder, or install the package again." in said


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    assert "is no folder" in refused("--studies", str(tmp_path / "none"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "vhi.example"])
def test_beyond_this_machine_accounts_are_needed(tmp_path, host):
    assert "pass --accounts" in refused("--studies", str(tmp_path), "--host", host)


def test_an_accounts_file_that_is_not_there_is_refused_before_anything_is_set_up(tmp_path):
    log, environment = list(logging.getLogger().handlers), dict(os.environ)
    assert "users add" in refused(
        "--studies", str(tmp_path), "--host", "0.0.0.0", "--port", "1", "--accounts", str(tmp_path / "none")
    )
    assert (list(logging.getLogger().handlers), dict(os.environ)) == (log, environment)


def test_a_setting_without_a_value_is_refused_with_the_page_that_lists_the_names_of_the_servers(tmp_path):
    assert "--set needs NAME=VALUE, found 'blinded'; docs/deploy.md lists the names." in refused(
        "--studies", str(tmp_path), "--set", "blinded"
    )


def test_a_port_that_is_taken_is_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port}" in refused("--studies", str(tmp_path), "--port", port)


def test_a_setting_or_an_origin_that_is_none_is_refused(tmp_path):
    assert "--set needs" in refused("--studies", str(tmp_path), "--set", "blinded")
    assert "is no origin" in refused("--studies", str(tmp_path), "--allow-origin", "*")


def studies_of(folder: Path) -> Pair:
    scan = pair(np.random.default_rng(7))
    folder.mkdir()
    write_volume(folder / "one_T1W.nii.gz", scan.t1w)
    write_volume(folder / "one_STIR.nii.gz", scan.stir)
    return scan


def command(studies: Path, *words: str) -> list[str]:
    return [str(APP), "serve", "--studies", str(studies), "--port", "{port}", *words]


def save(server: Server, scan: Pair) -> None:
    labels = scan.disease_region.data.astype(np.uint8)
    labels[scan.normal_bone.data] = 2
    content = gzip.compress(nibabel.Nifti1Image(labels, scan.stir.grid.affine).to_bytes())
    params = {"client_id": "anna", "label_info": [{"name": "disease region", "idx": 1}, {"name": "normal bone", "idx": 2}]}
    url = f"{server.url}/datastore/label?image=one_STIR"
    answer = requests.put(url, files={"label": ("x.nii.gz", content)}, data={"params": json.dumps(params)}, timeout=60)
    assert answer.status_code == 200, answer.text


def kept_by(server: Server) -> tuple[list[dict[str, object]], dict[str, object]]:
    """The submissions, with the hashes of their masks, and the report."""
    submissions = requests.get(f"{server.url}/vhi/submissions?image=one_T1W", timeout=60).json()
    report = requests.get(f"{server.url}/vhi/report?image=one_T1W&reader=anna", timeout=60).json()
    return submissions, report


@pytest.mark.server
def test_it_says_where_it_serves_stops_cleanly_and_a_copy_of_the_data_serves_the_same_labels(tmp_path):
    scan = studies_of(tmp_path / "studies")
    data = tmp_path / "data"
    with serving(tmp_path / "studies", tmp_path, command=command(tmp_path / "studies", "--data", str(data))) as server:
        save(server, scan)
        kept = kept_by(server)
        html = requests.get(f"{server.url}/vhi/report?image=one_T1W&reader=anna&form=html", timeout=60)
        # copied while the server runs, as a nightly backup does
        shutil.copytree(data, tmp_path / "backup")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in html.text  # the content security policy would stop it
    said = server.log.read_text()
    assert f"Serving at {server.url}" in said
    assert "3D Slicer" in said
    assert said.rstrip().endswith("Stopped.")
    assert "Traceback" not in said
    assert kept[0][0]["segments"]
    shutil.move(data, tmp_path / "lost")
    (tmp_path / "again").mkdir()
    restored = command(tmp_path / "studies", "--data", str(tmp_path / "backup"))
    with serving(tmp_path / "studies", tmp_path / "again", command=restored) as server:
        assert kept_by(server) == kept
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0


@pytest.mark.server
@pytest.mark.slow
def test_without_a_terminal_the_demo_asks_its_server_and_stops_it(tmp_path):
    command = [sys.executable, str(APP), "demo", "--out", str(tmp_path / "demo"), "--cases", "1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith(
        "server          disease_region, normal_bone, vhi, vhi_clean, normal_bone_clicks and "
    )
    assert (tmp_path / "demo" / "report" / "report.html").exists()
    assert "Stopped." in (tmp_path / "demo" / "server.log").read_text()


def test_small_answers_leave_at_once():
    from lib.bound_socket import bound_socket

    with (
        bound_socket("127.0.0.1", 0, "The server", "pass another port") as listening,
        socket.create_connection(listening.getsockname()),
    ):
        accepted, _ = listening.accept()
        with accepted:
            # what asyncio looks at before it turns off the delay of small packets
            assert accepted.proto == socket.IPPROTO_TCP


def test_a_report_library_that_cannot_be_loaded_is_told_in_the_log_when_the_server_starts(monkeypatch, caplog):
    import lib
    from lib.cli.serve import preload

    preload()
    assert caplog.text == ""
    monkeypatch.delattr(lib, "figures")
    monkeypatch.setitem(sys.modules, "lib.figures", None)
    preload()
    assert "reports cannot be written, because a library cannot be loaded (ModuleNotFoundError)" in caplog.text
