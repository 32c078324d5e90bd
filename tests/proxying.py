"""The proxies of the system with the configurations of `deploy`, in front of a server that a test started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from serving import end, free_port
from waiting import wait_for

DEPLOY = Path(__file__).parents[1] / "deploy"
PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin"
NGINX, APACHE = shutil.which("nginx", path=PATHS), shutil.which("apache2", path=PATHS)
MODULES = Path("/usr/lib/apache2/modules")
NAME = "vhi.example.org"


def why_no_nginx() -> str | None:
    """The reason why nginx cannot be started here; None when it can."""
    return None if NGINX else "nginx is not installed (Debian package nginx-light)"


def why_no_apache() -> str | None:
    """The same for Apache."""
    return None if APACHE and MODULES.is_dir() else "Apache is not installed (Debian package apache2-bin)"


def self_signed(certificate: Path, key: Path, *, days: tuple[float, float] = (-1 / 24, 1), encrypted: bool = False) -> None:
    """A certificate for this machine's own address, which counts from and to so many days from now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    start, stop = (datetime.now(UTC) + timedelta(days=one) for one in days)
    made = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number(), start, stop)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    lock = serialization.BestAvailableEncryption(b"passphrase") if encrypted else serialization.NoEncryption()
    key.touch(0o600)
    key.write_bytes(secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))


def delivered(name: str, work: Path, server: str, **more: str) -> str:
    """A file of `deploy` as it is delivered but for ports and places."""
    text = (DEPLOY / name).read_text()
    changes = {"http://127.0.0.1:8000": server, **more}
    if "/etc/ssl/" in text:
        changes |= {"/etc/ssl/vhi.pem": str(work / "vhi.pem"), "/etc/ssl/private/vhi.key": str(work / "vhi.key")}
    for stands, put in changes.items():
        assert stands in text, stands
        text = text.replace(stands, put)
    return text


@contextmanager
def nginx(work: Path, server: str) -> Iterator[tuple[int, int]]:
    """The ports of a site with a name of its own (`nginx.conf`), and of one that has the server below /vhi/ (`nginx-prefix.conf`)."""
    whole, below = free_port(), free_port()
    (work / "vhi.conf").write_text(delivered("nginx.conf", work, server, **{"listen 443 ssl": f"listen 127.0.0.1:{whole} ssl"}))
    (work / "prefix.conf").write_text(delivered("nginx-prefix.conf", work, server))
    site = f"server {{ listen 127.0.0.1:{below} ssl; ssl_certificate {work}/vhi.pem; ssl_certificate_key {work}/vhi.key; "
    site += "include prefix.conf; }"
    places = " ".join(f"{kind}_temp_path {work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    (work / "nginx.conf").write_text(
        f"{user} daemon off; pid {work}/pid; error_log {work}/error.log; events {{}} http {{ {places} include vhi.conf; {site} }}"
    )
    command = [str(NGINX), "-p", str(work), "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")]
    with _running(command, work, lambda: _answers(f"https://127.0.0.1:{below}/vhi/auth/", work)):
        yield whole, below


@contextmanager
def apache(work: Path, server: str, prefix: str = "/vhi") -> Iterator[int]:
    """The port of a site that has the server below /vhi/ (`apache.conf`), or on a name of its own, as that file says, for ``""``."""
    port = free_port()
    modules = ("mpm_event", "authz_core", "ssl", "socache_shmcb", "proxy", "proxy_http", "headers", "alias", "log_config")
    lines = [f"ServerRoot {work}", f"PidFile {work}/apache.pid", f"ErrorLog {work}/error.log", f"Listen 127.0.0.1:{port}"]
    lines += [f"LoadModule {one}_module {MODULES}/mod_{one}.so" for one in modules if (MODULES / f"mod_{one}.so").exists()]
    lines += [f"DefaultRuntimeDir {work}", f"ServerName {NAME}", f"Mutex file:{work}", 'LogFormat "%h" common']
    vhost = delivered("apache.conf", work, server, **{"*:443": f"127.0.0.1:{port}"})
    if not prefix:
        left_out = ("RedirectMatch", "RequestHeader set X-Forwarded-Prefix")
        kept = [one for one in vhost.splitlines() if not one.strip().startswith(left_out)]
        vhost = "\n".join(kept).replace('ProxyPass "/vhi/"', 'ProxyPass "/"')
    (work / "apache.conf").write_text("\n".join([*lines, vhost, ""]))
    command = [str(APACHE), "-f", str(work / "apache.conf"), "-D", "FOREGROUND"]
    with _running(command, work, lambda: _answers(f"https://127.0.0.1:{port}{prefix}/auth/", work)):
        yield port


@contextmanager
def _running(command: list[str], work: Path, answers: Callable[[], bool]) -> Iterator[None]:
    with (work / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:

        def up() -> bool:
            said = [one.read_text() for one in (work / "proxy.log", work / "error.log") if one.exists()]
            assert process.poll() is None, "\n".join(said)
            return answers()

        wait_for(up, 60, "an answer of the proxy")
        yield
    finally:
        end(process)


def _answers(url: str, work: Path) -> bool:
    try:
        return session(work).get(url, timeout=60).status_code < 500  # of the server, whatever it says to that name
    except requests.exceptions.SSLError:
        raise
    except requests.ConnectionError:
        return False


def session(work: Path, address: str = "127.0.0.1") -> requests.Session:
    """Requests of a client at an address of this machine, which knows the certificate and asks for the site by its name."""

    class FromAddress(HTTPAdapter):
        def init_poolmanager(self, *words: Any, **options: Any) -> None:
            super().init_poolmanager(*words, **options, source_address=(address, 0))

    made = requests.Session()
    made.mount("https://", FromAddress())
    made.verify, made.headers["Host"] = str(work / "vhi.pem"), NAME
    made.trust_env = False  # a bundle of certificates in the environment would stand in place of ours
    return made
