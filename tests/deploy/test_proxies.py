"""The files of `deploy` for proxies under the nginx and the Apache of the system, with a server behind them.

Each test is run on a name of its own and below a path of another site: TLS, login, addresses, viewer, upload, lock-out.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import nibabel
import numpy as np
import pytest
import requests

import proxying
from lib.cli.phantom import write_phantom
from lib.server.accounts import Account, hash_password, write_accounts
from lib.studies.dicom_series import read_series
from lib.studies.dicomize import Labels, write_dicom_study
from lib.studies.registration import reoriented
from phantoms_once import phantom_once
from proxying import NAME
from serving import APP, serving
from waiting import wait_for

SHAPE = (224, 224, 13)
PASSWORD = "correct horse battery"

pytestmark = pytest.mark.server


@dataclass(frozen=True)
class Site:
    """A site as a browser sees it, the folder with its certificate, and the series of its one case."""

    url: str
    work: Path
    archive: Path
    t1w: str
    stir: str

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 443)

    @property
    def prefix(self) -> str:
        return urlsplit(self.url).path

    @property
    def origin(self) -> str:
        """As a browser writes it."""
        return f"https://{NAME}:{self.port}"

    def session(self, address: str = "127.0.0.1") -> requests.Session:
        made = proxying.session(self.work, address)
        made.headers["Host"] = f"{NAME}:{self.port}"
        return made

    def signed_in(self) -> requests.Session:
        made = self.session()
        form = {"username": "anna", "password": PASSWORD, "next": f"{self.prefix}/ohif/"}
        answer = made.post(f"{self.url}/login", data=form, headers={"Origin": self.origin}, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        made.answer = answer  # type: ignore[attr-defined]
        return made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server without a proxy, as those before it reach it."""
    work = tmp_path_factory.mktemp("site")
    pair = work / "p3"
    write_phantom(phantom_once(3, SHAPE), pair)
    written = write_dicom_study(work / "archive" / "p3", pair / "t1w.nii.gz", pair / "stir.nii.gz", Labels("p3", "20250601"))
    write_accounts(work / "accounts.json", [Account("anna", "reader", hash_password(PASSWORD))])
    proxying.self_signed(work / "vhi.pem", work / "vhi.key")
    words = ["--archive", str(work / "archive"), "--accounts", str(work / "accounts.json"), "--allow-host", NAME]
    words += ["--set", "pacs_settle_s=0"]  # nobody else sends to this archive
    command = [str(APP), "serve", "--port", "{port}", "--data", str(work / "data"), *words]
    with serving(work / "archive", work, command=command) as server:
        yield Site(server.url, work, work / "archive", *(one.series_uid for one in written))


@pytest.fixture(scope="module")
def sites(served: Site) -> Iterator[dict[str, Site]]:
    """The same server through nginx: on a name of its own, and below a path of another site."""
    if reason := proxying.why_no_nginx():
        pytest.skip(reason)
    (served.work / "nginx").mkdir()
    for name in ("vhi.pem", "vhi.key"):
        shutil.copy(served.work / name, served.work / "nginx" / name)
    with proxying.nginx(served.work / "nginx", served.url) as (whole, below):
        yield {
            "whole": replace(served, url=f"https://127.0.0.1:{whole}"),
            "below": replace(served, url=f"https://127.0.0.1:{below}/vhi"),
        }


@pytest.fixture(scope="module")
def by_apache(served: Site) -> Iterator[Site]:
    """The same server through Apache, below a path."""
    if reason := proxying.why_no_apache():
        pytest.skip(reason)
    (served.work / "apache").mkdir()
    for name in ("vhi.pem", "vhi.key"):
        shutil.copy(served.work / name, served.work / "apache" / name)
    with proxying.apache(served.work / "apache", served.url) as port:
        yield replace(served, url=f"https://127.0.0.1:{port}/vhi")


@pytest.fixture(params=["whole", "below", "apache"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each way to the server."""
    if request.param == "apache":
        return request.getfixturevalue("by_apache")
    return request.getfixturevalue("sites")[request.param]


class Telling(BaseHTTPRequestHandler):
    """Answers with what a proxy forwarded."""

    def do_GET(self) -> None:
        body = json.dumps({name: value for name, value in self.headers.items() if name.startswith("X-Forwarded")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.skipif(bool(proxying.why_no_apache()), reason=str(proxying.why_no_apache()))
@pytest.mark.parametrize(("prefix", "forwarded"), [("", None), ("/vhi", "/vhi")])
def test_apache_passes_on_nothing_that_a_client_forwards_for_itself(tmp_path, prefix, forwarded):
    proxying.self_signed(tmp_path / "vhi.pem", tmp_path / "vhi.key")
    stranger = {f"X-Forwarded-{name}": "elsewhere.example" for name in ("For", "Host", "Proto")}
    with ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            with proxying.apache(tmp_path, f"http://127.0.0.1:{server.server_port}", prefix) as port:
                url, sent = f"https://127.0.0.1:{port}{prefix}/auth/", {**stranger, "X-Forwarded-Prefix": "/elsewhere"}
                content = proxying.session(tmp_path).get(url, headers=sent, timeout=30).json()
        finally:
            server.shutdown()
    assert "elsewhere" not in json.dumps(content)
    assert content.get("X-Forwarded-Prefix") == forwarded
    assert (content["X-Forwarded-For"], content["X-Forwarded-Proto"]) == ("127.0.0.1", "https")


def test_a_reader_signs_in_and_both_cookies_are_for_tls_alone(site):
    reader = site.signed_in()
    cookies = reader.answer.raw.headers.getlist("set-cookie")
    assert len(cookies) == 2
    assert all("Secure" in cookie and "SameSite=strict" in cookie for cookie in cookies)
    assert all(f"Path={site.prefix}/;" in cookie for cookie in cookies)
    assert reader.answer.headers["Location"] == f"{site.prefix}/ohif/"
    assert reader.get(f"{site.url}/auth/token/valid").json()["username"] == "anna"
    assert site.session().get(f"{site.url}/info/").status_code == 401


def test_a_site_on_its_own_name_asks_browsers_to_stay_with_tls(sites):
    assert sites["whole"].signed_in().answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_pages_and_the_viewers_files_link_to_nothing_outside_the_prefix(site):
    reader = site.signed_in()
    root = site.url.removesuffix(site.prefix)
    for page in ("/", "/login", "/ohif/"):
        text = reader.get(site.url + page).text
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', text)
        assert links
        assert all(link.startswith(f"{site.prefix}/") for link in links)
    script = next(link for link in links if "/app.bundle" in link and link.endswith(".js"))
    answer = reader.get(root + script)
    assert answer.status_code == 200
    assert f'__webpack_require__.p = "{site.prefix}/ohif/"' in answer.text
    assert f"{site.origin}{site.prefix}" in reader.get(f"{site.url}/login").text
    if site.prefix:
        assert reader.get(site.url, allow_redirects=False).headers["Location"].endswith(f"{site.prefix}/")
        assert reader.get(f"{root}/ohif/").status_code == 404


def test_addresses_in_the_archives_answers_lead_back_through_the_proxy(site):
    reader = site.signed_in()
    listed = reader.get(f"{site.url}/proxy/dicom/qido/series", headers={"Accept": "application/dicom+json"}).json()
    links = [one["00081190"]["Value"][0] for one in listed]
    assert links
    assert all(link.startswith(f"{site.origin}{site.prefix}/proxy/dicom/wado/studies/") for link in links)
    metadata = reader.get(f"{site.url}{links[0].removeprefix(site.origin + site.prefix)}/metadata")
    assert metadata.status_code == 200


def test_guesses_lock_out_the_address_that_they_come_from_and_no_other(by_apache, sites):
    # nginx itself slows a name of its own down; the others leave that to the server
    for site, guesser, other in ((sites["below"], "127.0.0.2", "127.0.0.3"), (by_apache, "127.0.0.4", "127.0.0.5")):
        wrong = {"username": "anna", "password": "wrong horse"}
        lies = [{"X-Forwarded-For": f"198.51.100.{n}"} for n in range(6)]
        guesses = site.session(guesser)
        assert [guesses.post(f"{site.url}/auth/token", data=wrong, headers=lie).status_code for lie in lies] == [401] * 5 + [429]
        right = {"username": "anna", "password": PASSWORD}
        assert guesses.post(f"{site.url}/auth/token", data=right).status_code == 429
        assert site.session(other).post(f"{site.url}/auth/token", data=right).status_code == 200


def test_only_the_viewers_scripts_are_compressed(sites):
    for site in sites.values():
        reader = site.signed_in()
        page = reader.get(f"{site.url}/ohif/").text
        script = re.search(r'src="([^"]*app\.bundle[^"]*\.js)"', page)[1]
        answer = reader.get(site.url.removesuffix(site.prefix) + script)
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
        assert "Content-Encoding" not in reader.get(f"{site.url}/info/").headers


def test_slicers_client_signs_in_takes_a_case_and_fetches_its_image_once_without_a_token(sites, tmp_path):
    from monailabel.client import MONAILabelClient

    site = sites["below"]
    client = MONAILabelClient(site.url, tmpdir=str(tmp_path), client_id="anna")
    client.update_auth(client.auth_token("anna", PASSWORD))
    wait_for(lambda: client.next_sample("first", {}).get("id"), 120, "the archive's case")
    image = f"{site.url}/datastore/image?image={client.next_sample('first', {})['id']}"
    plain, elsewhere = site.session(), site.session("127.0.0.6")
    assert elsewhere.get(image).status_code == 401
    assert int.from_bytes(plain.get(image).content[:4], "little") == 348  # the header of a NIfTI file
    assert plain.get(image).status_code == 401


def test_a_label_is_uploaded_by_slicers_way_and_its_report_comes_back(site):
    session = site.session()
    answer = session.post(f"{site.url}/auth/token", data={"username": "anna", "password": PASSWORD})
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    study, grid = phantom_once(3, SHAPE), read_series(site.archive / "p3" / "STIR", "STIR")[0].grid
    labels = reoriented(study.disease_region, grid).data.astype(np.uint8)
    labels[reoriented(study.normal_bone, grid).data] = 2
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


def test_a_body_over_the_servers_limit_ends_at_the_proxy(sites):
    # said by its length alone: nothing of that size is sent
    import http.client
    import ssl

    for site in sites.values():
        at = http.client.HTTPSConnection(
            "127.0.0.1", site.port, context=ssl.create_default_context(cafile=str(site.work / "vhi.pem")), timeout=60
        )
        at.putrequest("PUT", f"{site.prefix}/datastore/label?image=p3_STIR", skip_host=True)
        at.putheader("Host", NAME)
        at.putheader("Content-Length", str(65 * 2**20))
        at.endheaders()
        assert at.getresponse().status == 413
        at.close()


def test_sign_ins_of_one_address_are_slowed_down(sites):
    # ten a minute, and ten at once; the tests before used some of them
    site = sites["whole"]
    codes = [site.session().get(f"{site.url}/login").status_code for _ in range(14)]
    assert codes[-1] == 429
