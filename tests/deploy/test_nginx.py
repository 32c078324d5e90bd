"""deploy/nginx.conf under the nginx of the system, with a server behind it: TLS, login, viewer, upload."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

from lib.cli.phantom import write_phantom
from lib.phantom.study import make_phantom
from lib.server.accounts import Account, hash_password, write_accounts
from lib.studies.dicom_series import read_series
from lib.studies.dicomize import Labels, write_dicom_study
from lib.studies.registration import turned
from serving import APP, end, free_port, serving
from waiting import wait_for

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NAME = "vhi.example.org"
SHAPE = (224, 224, 13)
PASSWORD = "correct horse battery"

pytestmark = [pytest.mark.server, pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian package nginx-light)")]


@dataclass(frozen=True)
class Site:
    """The site as a browser sees it, the certificate that it shows, and the series of its one case."""

    url: str
    certificate: Path
    archive: Path
    t1w: str
    stir: str

    def session(self) -> requests.Session:
        made = requests.Session()
        made.verify, made.headers["Host"] = str(self.certificate), NAME
        made.trust_env = False  # a bundle of certificates in the environment would stand in place of ours
        return made

    def signed_in(self) -> requests.Session:
        made = self.session()
        form = {"username": "anna", "password": PASSWORD, "next": "/ohif/"}
        answer = made.post(f"{self.url}/login", data=form, headers={"Origin": f"https://{NAME}"}, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        made.answer = answer  # type: ignore[attr-defined]
        return made


def self_signed(certificate: Path, key: Path) -> None:
    """A certificate for this machine's own address."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key.write_bytes(secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))


def configuration(work: Path, port: int, server: str) -> Path:
    """The file as it is delivered but for ports and places, inside the smallest configuration around it."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for stands, put in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/vhi.pem": str(work / "vhi.pem"),
        "/etc/ssl/private/vhi.key": str(work / "vhi.key"),
        "http://127.0.0.1:8000": server,
    }.items():
        assert stands in text
        text = text.replace(stands, put)
    places = " ".join(f"{kind}_temp_path {work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "vhi.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    whole = f"{user} daemon off; pid {work}/pid; error_log {work}/error.log; events {{}} http {{ {places} include vhi.conf; }}"
    (work / "nginx.conf").write_text(whole)
    return work / "nginx.conf"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    work = tmp_path_factory.mktemp("site")
    pair = work / "p3"
    write_phantom(make_phantom(3, SHAPE), pair)
    written = write_dicom_study(work / "archive" / "p3", pair / "t1w.nii.gz", pair / "stir.nii.gz", Labels("p3", "20250601"))
    write_accounts(work / "accounts.json", [Account("anna", "reader", hash_password(PASSWORD))])
    self_signed(work / "vhi.pem", work / "vhi.key")
    words = ["--archive", str(work / "archive"), "--accounts", str(work / "accounts.json"), "--allow-host", NAME]
    words += ["--set", "pacs_settle_s=0"]  # nobody else sends to this archive
    command = [str(APP), "serve", "--port", "{port}", "--data", str(work / "data"), *words]
    with serving(work / "archive", work, command=command) as server:
        port = free_port()
        file = configuration(work, port, server.url)
        with (work / "nginx.log").open("wb") as log:
            process = subprocess.Popen(
                [str(NGINX), "-p", str(work), "-c", str(file), "-e", str(work / "error.log")], stdout=log, stderr=log
            )
        try:
            found = Site(f"https://127.0.0.1:{port}", work / "vhi.pem", work / "archive", *(one.series_uid for one in written))
            wait_for(lambda: _answers(found, process, work), 60, "an answer of nginx")
            yield found
        finally:
            end(process)


def _answers(site: Site, process: subprocess.Popen[bytes], work: Path) -> bool:
    assert process.poll() is None, (work / "nginx.log").read_text() + (work / "error.log").read_text()
    try:
        return site.session().get(f"{site.url}/auth/", timeout=60).ok
    except requests.exceptions.SSLError:
        raise
    except requests.ConnectionError:
        return False


def test_a_reader_signs_in_and_both_cookies_are_for_tls_alone(site):
    reader = site.signed_in()
    cookies = reader.answer.raw.headers.getlist("set-cookie")
    assert len(cookies) == 2
    assert all("Secure" in cookie and "SameSite=strict" in cookie for cookie in cookies)
    assert reader.answer.headers["Location"] == "/ohif/"
    assert reader.answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert reader.get(f"{site.url}/auth/token/valid").json()["username"] == "anna"
    assert site.session().get(f"{site.url}/info/").status_code == 401


def test_the_viewer_and_its_scripts_come_through_and_only_these_are_compressed(site):
    reader = site.signed_in()
    page = reader.get(f"{site.url}/ohif/")
    assert "OHIF" in page.text
    script = next(part.split('"')[0] for part in page.text.split('src="') if ".js" in part.split('"')[0])
    answer = reader.get(f"{site.url}{script}" if script.startswith("/") else f"{site.url}/ohif/{script}")
    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert "Content-Encoding" not in reader.get(f"{site.url}/info/").headers


def test_a_label_is_uploaded_by_slicers_way_and_its_report_comes_back(site):
    session = site.session()
    answer = session.post(f"{site.url}/auth/token", data={"username": "anna", "password": PASSWORD})
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    study, grid = make_phantom(3, SHAPE), read_series(site.archive / "p3" / "STIR", "STIR")[0].grid
    labels = turned(study.disease_region, grid).data.astype(np.uint8)
    labels[turned(study.normal_bone, grid).data] = 2
    content = gzip.compress(nibabel.Nifti1Image(labels, grid.affine).to_bytes())
    params = {"client_id": "anna", "label_info": [{"name": "disease region", "idx": 1}, {"name": "normal bone", "idx": 2}]}
    case = f"{site.url}/datastore/image/info?image={site.stir}"
    wait_for(lambda: session.get(case).ok, 120, "the archive's case")
    saved = session.put(
        f"{site.url}/datastore/label?image={site.stir}",
        files={"label": ("x.nii.gz", content)},
        data={"params": json.dumps(params)},
        timeout=120,
    )
    assert saved.status_code == 200, saved.text
    report = session.get(f"{site.url}/vhi/report?image={site.t1w}&reader=anna&form=html", timeout=120)
    assert report.status_code == 200
    assert "VHI" in report.text
    assert "Content-Encoding" not in report.headers


def test_a_body_over_the_servers_limit_ends_at_the_proxy(site):
    # said by its length alone: nothing of that size is sent
    import http.client
    import ssl

    at = http.client.HTTPSConnection(
        "127.0.0.1", int(site.url.rsplit(":", 1)[1]), context=ssl.create_default_context(cafile=str(site.certificate)), timeout=60
    )
    at.putrequest("PUT", "/datastore/label?image=p3_STIR", skip_host=True)
    at.putheader("Host", NAME)
    at.putheader("Content-Length", str(65 * 2**20))
    at.endheaders()
    assert at.getresponse().status == 413
    at.close()


def test_sign_ins_of_one_address_are_slowed_down(site):
    # ten a minute, and ten at once; the tests before used some of them
    codes = [site.session().get(f"{site.url}/login").status_code for _ in range(14)]
    assert codes[-1] == 429
