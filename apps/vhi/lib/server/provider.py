"""A provider of OpenID Connect: what it says of itself, and who it says has signed in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast
from urllib.parse import urlencode

from ..errors import VhiError
from .accounts import Role, check_name
from .provider_settings import ProviderSettings
from .refusals import Refusal

PATIENCE_S = (5.0, 10.0)  # to connect, to answer
KNOWN_S = 600.0
LEEWAY_S = 120  # of the provider's clock
# signatures that only the provider can make; those made with a shared secret, or with none, are not among them
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_WRONG_CLAIM = {
    "iss": "it was made by another provider",
    "aud": "it is meant for another application than {client_id}",
    "azp": "it is meant for another application than {client_id}",
    "nonce": "it belongs to another sign-on",
    "exp": "it has expired; the clocks of both may differ",
    "iat": "it is from the future; the clocks of both may differ",
}


@dataclass(frozen=True)
class Begun:
    """A sign-on that began: where the browser is sent, and what is needed to finish it."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class SignedOn:
    """Who signed in, and what they may do."""

    name: str
    role: Role


class Provider:
    """Authorization Code with PKCE; every method asks the provider and may take seconds, call it off the event loop."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self._lock = Lock()
        self._known: tuple[float, dict[str, Any]] = (0.0, {})

    def begin(self, redirect_uri: str) -> Begun:
        """Begin a new sign-on.

        Raises
        ------
        Refusal
            The provider cannot be reached.
        """
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        with self._session(redirect_uri) as session:
            url, _ = session.create_authorization_url(
                self._metadata()["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return Begun(url, state, nonce, verifier)

    def finish(self, code: str, nonce: str, verifier: str, redirect_uri: str) -> SignedOn:
        """Who signed in, by the code that the browser brought back.

        Raises
        ------
        Refusal
            The provider cannot be reached, its answer is not meant for this sign-on, or gives no name or no role here.
        """
        from authlib.common.errors import AuthlibBaseError
        from requests import RequestException

        metadata = self._metadata()
        try:
            with self._session(redirect_uri) as session:
                token = session.fetch_token(
                    metadata["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except AuthlibBaseError as error:
            raise self._refused(f"it did not accept the sign-on ({error.error})") from error
        except (RequestException, ValueError) as error:
            raise self._unreachable() from error
        claims = self._claims_of(token, nonce)
        if not all(_claim(claims, name) for name in (self.settings.name_claim, self.settings.role_claim)):
            claims = {**self._more_claims(token, claims["sub"]), **claims}
        return signed_on(self.settings, claims)

    def leaving(self, back: str) -> str | None:
        """Where a browser signs out of the provider too; None where it has no such page, or cannot be asked for it."""
        # after a restart nothing is known yet; what was known is good enough, so that signing out waits for nobody
        known = self._known[1]
        with suppress(Refusal):
            known = known or self._metadata()
        page = known.get("end_session_endpoint")
        query = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return f"{page}{'&' if '?' in page else '?'}{query}" if isinstance(page, str) else None

    def _session(self, redirect_uri: str) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        return OAuth2Session(
            self.settings.client_id,
            self.settings.client_secret or None,
            token_endpoint_auth_method=self._auth_method(),
            scope=self.settings.scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=PATIENCE_S,
        )

    def _auth_method(self) -> str:
        if not self.settings.client_secret:
            return "none"
        offered = self._metadata().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"

    def _metadata(self, *, renew: bool = False) -> dict[str, Any]:
        """The provider's description of itself, with its keys; kept for ten minutes."""
        with self._lock:
            until, known = self._known
            if renew or until < time.monotonic():
                known = self._get(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
                if known.get("issuer") != self.settings.issuer:
                    raise self._refused(f"it calls itself {str(known.get('issuer'))[:200]!r}, not {self.settings.issuer!r}")
                if not all(isinstance(known.get(name), str) for name in _ENDPOINTS):
                    raise self._refused("it does not say where to sign in")
                known["keys"] = self._get(known["jwks_uri"])
                self._known = (time.monotonic() + KNOWN_S, known)
            return known

    def _get(self, url: str, token: str = "") -> dict[str, Any]:
        import requests

        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            answer = requests.get(url, headers=headers, timeout=PATIENCE_S)
            answer.raise_for_status()
            content = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise self._unreachable() from error
        if not isinstance(content, dict):
            raise self._unreachable()
        return content

    def _claims_of(self, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of the ID token, which the provider signed for this sign-on."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import ClaimError, JoseError

        if not isinstance(token.get("id_token"), str):
            raise self._refused("it did not say who signed in")
        try:
            decoded = self._decoded(token["id_token"])
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.settings.issuer},
                    "aud": {"essential": True, "value": self.settings.client_id},
                },
                {"nonce": nonce, "client_id": self.settings.client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=LEEWAY_S)
        except ClaimError as error:
            why = _WRONG_CLAIM.get(str(error.claim), f"its claim {error.claim} is wrong")
            raise self._refused(f"its answer cannot be used: {why.format(client_id=self.settings.client_id)}") from error
        except (JoseError, ValueError) as error:
            raise self._refused("its answer is not signed by it") from error
        return dict(claims)

    def _decoded(self, text: str) -> Any:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        for renew in (False, True):  # a key may be newer than what is known
            try:
                return jwt.decode(text, KeySet(_usable_keys(self._metadata(renew=renew)["keys"])), algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                if renew:
                    raise
        raise AssertionError("unreachable")

    def _more_claims(self, token: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """Claims that the provider tells apart from the ID token, of the same person."""
        page = self._metadata().get("userinfo_endpoint")
        user_info = self._get(page, str(token.get("access_token", ""))) if page else {}
        return user_info if user_info.get("sub") == subject else {}

    def _unreachable(self) -> Refusal:
        return Refusal(
            502,
            f"The sign-on service {self.settings.host} cannot be reached or does not answer as one; try again later, or sign in "
            "with a name and password of this server.",
        )

    def _refused(self, why: str) -> Refusal:
        return Refusal(
            403, f"The sign-on service {self.settings.host} signed nobody in: {why}. Try again, or tell the administrator."
        )


def _usable_keys(published: Mapping[str, Any]) -> list[Any]:
    """The keys that a provider publishes, without those that cannot be used here, such as on curves that nobody knows."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    given, usable = published.get("keys"), []
    for key in given if isinstance(given, list) else ():
        with suppress(JoseError, ValueError, KeyError, TypeError):
            usable.extend(KeySet.import_key_set({"keys": [key]}).keys)
    return usable


def signed_on(settings: ProviderSettings, claims: Mapping[str, Any]) -> SignedOn:
    """Name and role that a provider's claims give.

    Raises
    ------
    Refusal
        403: there is none.
    """
    name = _claim(claims, settings.name_claim)
    try:
        check_name(name if isinstance(name, str) else "")
    except VhiError as error:
        raise Refusal(
            403,
            f"The sign-on service names nobody who can be a reader: its claim {settings.name_claim} must hold up to 64 letters, "
            "digits, '.', '_', '@' or '-'. Tell the administrator.",
        ) from error
    given = _claim(claims, settings.role_claim)
    values = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    roles = {settings.roles[value] for value in values if isinstance(value, str) and value in settings.roles}
    if not roles:
        raise Refusal(
            403,
            f"{name} has no role on this server: the claim {settings.role_claim} of the sign-on service holds none that may read "
            "here. Ask the administrator for one.",
        )
    return SignedOn(cast(str, name), "admin" if "admin" in roles else "reader")


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; where there is none of that name, dots lead into objects."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
