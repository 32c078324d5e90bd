"""TLS by the server itself: one sentence for each fault of the files, and a server that speaks it."""

from __future__ import annotations

import re

import pytest
import requests

from lib.cli.phantom import write_phantom
from lib.errors import VhiError
from lib.phantom.study import make_phantom
from lib.server.accounts import Account, hash_password, write_accounts
from lib.server.tls import check_certificate
from proxying import self_signed
from serving import APP, refused, serving
from standin import PASSWORDS


@pytest.fixture
def files(tmp_path):
    """A certificate and its key."""
    found = tmp_path / "cert.pem", tmp_path / "key.pem"
    self_signed(*found)
    return found


def said(certificate, key) -> str:
    with pytest.raises(VhiError) as error:
        check_certificate(certificate, key)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_certificate_and_key_in_two_files_or_in_one_are_taken(files, tmp_path):
    assert check_certificate(*files) == files
    both = tmp_path / "both.pem"
    both.touch(0o600)
    both.write_bytes(files[0].read_bytes() + files[1].read_bytes())
    assert check_certificate(both, None) == (both, both)


def test_each_fault_of_the_files_has_its_sentence(files, tmp_path):
    certificate, key = files
    other = tmp_path / "other.pem", tmp_path / "other.key"
    self_signed(*other)
    assert said(None, key) == "--tls-key belongs to --tls-cert; pass the certificate too."
    assert f"{tmp_path}/none.pem cannot be read" in said(tmp_path / "none.pem", key)
    assert f"{tmp_path}/none.pem cannot be read" in said(certificate, tmp_path / "none.pem")
    assert "holds no private key in PEM" in said(certificate, None)
    assert "holds no certificate in PEM" in said(key, key)
    assert f"{other[1]} is not the key of the first certificate in {certificate}" in said(certificate, other[1])
    other[1].chmod(0o644)
    assert f"can be read by others; run: chmod 600 {other[1]}" in said(other[0], other[1])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"days": (-10, -1)}, r"The certificate \S+ ran out on \d{4}-\d\d-\d\d; browsers refuse it"),
        ({"days": (1, 2)}, r"The certificate \S+ counts from \d{4}-\d\d-\d\d \d\d:\d\d UTC on; check the clock"),
        ({"encrypted": True}, r"asks for a passphrase, and nobody is there to type it"),
    ],
)
def test_a_certificate_that_does_not_count_and_a_locked_key_are_told(tmp_path, options, sentence):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    self_signed(certificate, key, **options)
    assert re.search(sentence, said(certificate, key))


def test_damaged_files_are_told(files):
    certificate, key = files
    text = certificate.read_text()
    certificate.write_text(text.replace(text.splitlines()[2], "A" * 64))
    assert "is a damaged certificate" in said(certificate, key)
    self_signed(certificate, key)
    key.write_text(key.read_text().replace(key.read_text().splitlines()[1], "A" * 64))
    assert "cannot be used for TLS" in said(certificate, key)


@pytest.mark.server
def test_a_server_with_a_certificate_speaks_tls_and_its_cookies_are_for_tls_alone(files, tmp_path):
    (tmp_path / "studies").mkdir()
    said_first = refused("--studies", str(tmp_path / "studies"), "--tls-cert", str(files[1]), "--tls-key", str(files[1]))
    assert "holds no certificate in PEM" in said_first
    write_phantom(make_phantom(3, (96, 96, 5)), tmp_path / "studies" / "p3")
    write_accounts(tmp_path / "accounts.json", [Account("anna", "reader", hash_password(PASSWORDS["anna"]))])
    words = [
        "--studies",
        str(tmp_path / "studies"),
        "--accounts",
        str(tmp_path / "accounts.json"),
        "--data",
        str(tmp_path / "data"),
    ]
    words += ["--tls-cert", str(files[0]), "--tls-key", str(files[1]), "--public-url", "https://127.0.0.1:{port}/vhi/"]
    command = [str(APP), "serve", "--port", "{port}", *words]
    with serving(tmp_path / "studies", tmp_path, command=command) as server:
        url = server.url
        assert url.startswith("https://")
        with requests.Session() as browser:
            browser.trust_env, browser.verify = False, str(files[0])
            form = {"username": "anna", "password": PASSWORDS["anna"]}
            answer = browser.post(f"{url}/vhi/login", data=form, headers={"Origin": url}, allow_redirects=False, timeout=60)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/vhi/vhi/worklist")
            assert all("Path=/vhi/; SameSite=strict; Secure" in one for one in answer.raw.headers.getlist("set-cookie"))
            assert browser.get(f"{url}/vhi/auth/token/valid", timeout=60).json()["username"] == "anna"
            assert f"{url}/vhi" in browser.get(f"{url}/vhi/", timeout=60).text
        assert f"Serving at {url}/vhi" in server.log.read_text()
