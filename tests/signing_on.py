"""A real provider of OpenID Connect on a free port of this machine, which demands PKCE and can be made to answer wrongly."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

PEOPLE: dict[str, dict[str, Any]] = {
    "u-1": {"preferred_username": "anna", "groups": ["staff", "vhi-readers"]},
    "u-2": {"preferred_username": "chief", "groups": ["vhi-admins", "vhi-readers"]},
    "u-3": {"preferred_username": "guest", "groups": ["staff"]},
    "u-4": {"preferred_username": "no reader's name", "groups": ["vhi-readers"]},
    "u-5": {"preferred_username": "bela", "realm": {"roles": ["vhi-readers"]}},
}


@dataclass
class RunningProvider:
    """Where it is, and what was asked of it; `forge` changes the ID tokens that it signs from now on, `publish` its keys."""

    issuer: str
    challenges: list[str] = field(default_factory=list)
    forge: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    publish: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    key: Any = None
    withheld: tuple[str, ...] = ()

    def settings(self, folder: Path, **changed: str) -> Path:
        """A file for `--sign-on`."""
        (folder / "secret").write_text("a secret of both\n")
        given = {"issuer": self.issuer, "client_id": "vhi", "label": "the clinic's account", **changed}
        given["client_secret_file"] = str(folder / "secret")
        lines = [f'{name} = "{value}"' for name, value in given.items()]
        path = folder / "sign-on.toml"
        path.write_text("\n".join([*lines, "[roles]", '"vhi-readers" = "reader"', '"vhi-admins" = "admin"']))
        return path


@contextmanager
def running_provider() -> Iterator[RunningProvider]:
    """Until the block ends."""
    import flask
    import werkzeug.serving
    from joserfc import jwk, jwt
    from oidc_provider_mock import User, app

    made = app(require_nonce=True, user_claims=[User(sub=sub, claims=claims) for sub, claims in PEOPLE.items()])
    server = werkzeug.serving.make_server("localhost", 0, made, threaded=True)
    running = RunningProvider(f"http://localhost:{server.server_port}")

    @made.before_request
    def demand_pkce() -> Any:
        if flask.request.path == "/oauth2/authorize" and flask.request.method == "POST":
            assert flask.request.args["code_challenge_method"] == "S256"
            running.challenges.append(flask.request.args["code_challenge"])
        if flask.request.path == "/oauth2/token":
            digest = hashlib.sha256(flask.request.form["code_verifier"].encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() not in running.challenges:
                return {"error": "invalid_grant"}, 400
        return None

    @made.after_request
    def forge(answer: Any) -> Any:
        if flask.request.path == "/jwks" and running.publish:
            answer.set_data(flask.json.dumps(running.publish(answer.get_json())))
        if flask.request.path != "/oauth2/token" or answer.status_code != 200:
            return answer
        content = answer.get_json()
        own = jwk.RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
        signed = jwt.decode(content["id_token"], own)
        claims = {name: value for name, value in signed.claims.items() if name not in running.withheld}
        claims = running.forge(claims) if running.forge else claims
        content["id_token"] = jwt.encode(signed.header, claims, running.key or own)
        answer.set_data(flask.json.dumps(content))
        return answer

    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


def come_back(browser: requests.Session, url: str, person: str = "u-1", **form: str) -> str:
    """Go to the provider as this server says, sign in there, and say where it leads back to."""
    leaving = browser.get(url, allow_redirects=False, timeout=30)
    assert leaving.status_code == 303, leaving.text
    asked = parse_qs(urlsplit(leaving.headers["Location"]).query)
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    answer = requests.post(leaving.headers["Location"], data={"sub": person, **form}, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]
