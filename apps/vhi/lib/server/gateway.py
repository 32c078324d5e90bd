"""The DICOMweb gateway: what viewers in the browser read from the archive, and store there, through this server.

It answers at the addresses that the viewer bundled with MONAI Label uses, in place of MONAI Label's own proxy, which forwards any
path with the archive's password and drops query strings. Here a request is taken apart and written anew: a known DICOMweb
resource (PS3.18), the query string as it came, four headers, the body piece by piece. The archive's name, password, other
headers and error texts stay here, and addresses in its answers lead back to the gateway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx
from starlette.types import Receive, Scope, Send

from ..accept import ranges_of
from ..errors import SettingsError
from ..multipart import boundary_of
from .addresses import current_addresses
from .dicomweb import ROOT, is_answered_in_json, is_picture, is_resource, resource_of
from .links import JsonLinks, MultipartLinks, Rewriter, Translate, TruncatedError, Unchanged
from .refusals import Refusal
from .worker_pool import GoneError

logger = logging.getLogger("vhi.server")

CONNECT_S = 5.0
MOST_CONNECTIONS = 32
# shorter than servers keep an idle connection (Orthanc: one second), so that no request goes into one that is being closed
KEEP_IDLE_S = 0.5
LONGEST_QUERY = 8192
LONGEST_ACCEPT = 1024
JSON = "application/dicom+json"
# of one picture, that first which the standard has archives send where a client takes any (PS3.18, 8.7.4)
PICTURES = ("image/jpeg", "image/png")
# of an answer; and who a Warning says it comes from
MOST_WARNINGS, WARN_AGENT = 20, "archive"
_WARNING = re.compile(r'([1-9]\d\d) +\S+ +"((?:[^"\\\x00-\x1f]|\\.){0,500})"')

_BINARY_ANSWERS = re.compile(r"multipart/related|application/dicom|application/octet-stream|(?:image|video)/[\w.-]+")
NOT_THERE = "The archive does not have that."
_SENTENCES = {
    400: "The archive cannot read that request; check its query and frame numbers.",
    404: NOT_THERE,
    406: "The archive cannot answer in a form that was asked for.",
    409: "The archive did not store that: it contradicts what is there.",
    413: "The archive takes no body of that size.",
    415: "The archive does not take that kind of body.",
}


@dataclass(frozen=True)
class ArchiveAddress:
    """Where the archive is.

    Attributes
    ----------
    url : of its DICOMweb root, as `https://archive.example/dicom-web`
    user, password : empty when it asks for nothing
    timeout_s : how long it may stay silent
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
            fits = fits and parts.username is None and (parts.port or 80) > 0
        except ValueError:
            fits = False
        if not fits:
            raise SettingsError(
                "The archive's address cannot be read; write it as http://host:port/dicom-web, name and password apart from it."
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ArchiveAddress | None:
        """The archive that MONAI Label is started on, by its own variables and the app's `pacs_timeout_s`; None for a folder."""
        studies = environment.get("MONAI_LABEL_STUDIES", "")
        if not studies.startswith(("http://", "https://")):
            return None
        user, password = (environment.get(f"MONAI_LABEL_DICOMWEB_{name}", "") for name in ("USERNAME", "PASSWORD"))
        try:
            timeout_s = float(json.loads(environment.get("MONAI_LABEL_APP_CONF", "{}"))["pacs_timeout_s"])
        except (ValueError, KeyError, TypeError):
            timeout_s = cls.timeout_s
        return cls(studies, user, password, timeout_s)


class Gateway:
    """ASGI application for the requests that the allow-list lets through to the archive.

    Parameters
    ----------
    archive : ArchiveAddress
    stored : callable, optional
        Given the UIDs of the instances that the archive has stored, before the client is told; may wait.
    """

    def __init__(self, archive: ArchiveAddress, stored: Callable[[tuple[str, ...]], Awaitable[None]] | None = None) -> None:
        self.archive = archive
        self._stored = stored
        self._base = httpx.URL(archive.url.rstrip("/"))
        # here, because reading the certificates takes long enough to be felt by those who are being answered
        self._tls = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)
        self._client: tuple[asyncio.AbstractEventLoop, httpx.AsyncClient] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request.

        Raises
        ------
        Refusal
            Before anything was sent.
        TruncatedError
            In the middle of an answer, which must not end as if it were complete.
        GoneError
            The client went away.
        """
        read = asyncio.Event()
        forwarding = asyncio.ensure_future(self._forward(scope, receive, send, read))
        watching = asyncio.ensure_future(_gone(receive, read))
        try:
            await asyncio.wait({forwarding, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not forwarding.done():
                raise GoneError
            forwarding.result()
        finally:
            # the connection to the archive closes with the task
            for task in (forwarding, watching):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def search(self, resource: str, query: str = "") -> bytes:
        """The archive's answer to a search of the server's own, in DICOM JSON; empty where it found nothing.

        Raises
        ------
        Refusal
        """
        target = f"{self._base.path.rstrip('/')}{resource}" + (f"?{query}" if query else "")
        headers = {"accept": JSON, "accept-encoding": "identity", "user-agent": "vhi"}
        url = self._base.copy_with(raw_path=target.encode())
        answer = await self._answer(self._connections().build_request("GET", url, headers=headers))
        try:
            self._check(answer, storing=False)
            return await answer.aread()
        except httpx.HTTPError as error:
            raise Refusal(502, "The archive broke off its answer; try again.") from error
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Close idle connections."""
        if self._client is not None and self._client[0] is asyncio.get_running_loop():
            await self._client[1].aclose()
        self._client = None

    async def _forward(self, scope: Scope, receive: Receive, send: Send, read: asyncio.Event) -> None:
        resource, translate = resource_of(scope["path"]), _translation(self._base.host)
        request = self._request(scope, resource, receive, read)
        answer = await self._answer(request)
        try:
            storing = request.method == "POST"
            self._check(answer, storing=storing)
            if storing and answer.is_success and self._stored:
                await self._stored(await _stored_uids(answer))
            rewriter, headers = _rewriter(answer, is_json=storing or is_answered_in_json(resource), translate=translate)
            headers += _warnings(answer)
            await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            try:
                async for piece in answer.aiter_bytes():
                    ready = rewriter.feed(piece)
                    if ready:
                        await send({"type": "http.response.body", "body": ready, "more_body": True})
                rest = rewriter.finish()
            except httpx.HTTPError as error:
                raise TruncatedError from error
            await send({"type": "http.response.body", "body": rest, "more_body": False})
        finally:
            await answer.aclose()

    def _request(self, scope: Scope, resource: str, receive: Receive, read: asyncio.Event) -> httpx.Request:
        given = _headers_of(scope)
        query = scope.get("query_string", b"")
        if len(query) > LONGEST_QUERY or not re.fullmatch(rb"[!-~]*", query):
            raise Refusal(400, f"The query cannot be read: at most {LONGEST_QUERY} printable characters are needed.")
        target = f"{self._base.path.rstrip('/')}{resource}".encode() + (b"?" + query if query else b"")
        storing = scope["method"] == "POST"
        asked = _asked(given)
        if storing or is_answered_in_json(resource):
            headers = {"accept": _json(asked)}
        else:
            headers = {"accept": (_picture(asked) if is_picture(resource) else "") or _images(asked)}
        # plain, so that what comes can be looked at and passed on as it comes
        headers |= {"accept-encoding": "identity", "user-agent": "vhi"}
        if storing:
            headers |= _body_headers(given)
        else:
            read.set()
        content = _body(headers.get("content-type", ""), receive, read) if storing else None
        url = self._base.copy_with(raw_path=target)
        return self._connections().build_request(scope["method"], url, headers=headers, content=content)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """The archive's answer with its body still to come."""
        auth = httpx.BasicAuth(self.archive.user, self.archive.password) if self.archive.user else None
        try:
            return await self._connections().send(request, auth=auth, stream=True, follow_redirects=False)
        except httpx.PoolTimeout as error:
            raise Refusal(503, "The archive has too much to do; try again in a moment.", {"Retry-After": "5"}) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            logger.warning("archive: %s", type(error).__name__)
            raise Refusal(502, "The archive cannot be reached; try again later, or tell the administrator.") from error
        except httpx.TimeoutException as error:
            logger.warning("archive: %s", type(error).__name__)
            seconds = f"{self.archive.timeout_s:g}"
            raise Refusal(504, f"The archive said nothing for {seconds} seconds; try again later.") from error
        except httpx.HTTPError as error:
            logger.warning("archive: %s", type(error).__name__)
            raise Refusal(502, "The archive ended the connection without an answer; try again.") from error

    def _check(self, answer: httpx.Response, *, storing: bool) -> None:
        """Raises Refusal for every answer that is no result; what the archive says of it is not repeated."""
        status = answer.status_code
        if answer.is_success or (storing and status == 409 and _kind(answer) == JSON):
            return  # a STOW answer lists what was not stored
        if status in (401, 403, 407):
            logger.warning("archive: refused name and password, status %d", status)
            raise Refusal(502, "The archive refused the name and password of this server; the administrator must set them right.")
        if status == 503:
            raise Refusal(503, "The archive has too much to do; try again in a moment.", {"Retry-After": "5"})
        if status in _SENTENCES:
            raise Refusal(status, _SENTENCES[status])
        logger.warning("archive: status %d", status)
        raise Refusal(502, f"The archive did not answer as a DICOMweb server does (status {status}).")

    def _connections(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            made = httpx.AsyncClient(
                timeout=httpx.Timeout(self.archive.timeout_s, connect=min(CONNECT_S, self.archive.timeout_s)),
                limits=httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEEP_IDLE_S),
                verify=self._tls,
                # neither proxies nor passwords from this machine's environment
                trust_env=False,
            )
            # a session that the archive opens is not shared between readers
            made.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._client = (loop, made)
        return self._client[1]


async def _stored_uids(answer: httpx.Response) -> tuple[str, ...]:
    """The instances that a STOW answer confirms; the answer can still be passed on."""
    try:
        listed = json.loads(await answer.aread())["00081199"]["Value"]
        return tuple(str(item["00081155"]["Value"][0]) for item in listed)
    except httpx.HTTPError as error:
        raise Refusal(502, "The archive broke off its answer, so that nobody knows what it stored; store it again.") from error
    except (ValueError, LookupError, TypeError):
        return ()


def _headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers; one that comes twice is joined."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        headers[key] = f"{headers[key]},{value.decode('latin-1')}" if key in headers else value.decode("latin-1")
    return headers


def _asked(given: Mapping[str, str]) -> str:
    """The client's Accept header."""
    asked = given.get("accept", "*/*").strip() or "*/*"
    if len(asked) > LONGEST_ACCEPT or not asked.isascii() or not asked.isprintable():
        raise Refusal(400, "The Accept header cannot be read.")
    return asked


def _json(asked: str) -> str:
    """To ask for JSON, where that is the answer and the client takes it."""
    if not re.search(r"\*/\*|application/\*|json", asked, re.IGNORECASE):
        raise Refusal(406, f"This gateway answers here in {JSON}.")
    return JSON


def _images(asked: str) -> str:
    """To ask for what the client asked for; XML holds addresses too and no viewer reads it, so that it is not forwarded."""
    if "xml" in asked.lower():
        raise Refusal(406, "This gateway does not answer in XML; ask for multipart/related or an image.")
    return asked


def _picture(asked: str) -> str:
    """To ask for the one kind of picture that the client prefers; empty where it takes none that archives render.

    Orthanc answers 400 to more than one kind, to `image/*` and to a `q`: to what every browser sends for a picture on a page.
    """
    for given in ranges_of(asked):
        kind = next((kind for kind in PICTURES if given.covers(kind)), None)
        if kind is not None:
            return f'multipart/related; type="{kind}"' if given.multipart and given.kind != "*/*" else kind
    return ""


def _body_headers(given: Mapping[str, str]) -> dict[str, str]:
    kind = given.get("content-type", "")
    written = kind.isascii() and kind.isprintable() and len(kind) <= LONGEST_ACCEPT
    if not written or not kind.lower().startswith("multipart/related") or not boundary_of(kind):
        raise Refusal(415, 'What is stored must be multipart/related; type="application/dicom", with its boundary.')
    if "content-length" in given and "transfer-encoding" in given:
        raise Refusal(400, "A body has a Content-Length or a Transfer-Encoding, not both.")
    # the guard read it: digits
    return {"content-type": kind} | ({"content-length": given["content-length"]} if "content-length" in given else {})


async def _body(kind: str, receive: Receive, read: asyncio.Event) -> AsyncIterator[bytes]:
    """The body piece by piece; an end that is missing keeps the last piece back, so that the archive stores nothing.

    Orthanc answers 200 to a body that was cut off, having stored less than it holds.
    """
    closing = f"--{boundary_of(kind)}--".encode("latin-1")
    more, end = True, b""
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        more, piece = message.get("more_body", False), message.get("body", b"")
        end = (end + piece)[-1024:]
        if not more and not end.rstrip().endswith(closing):
            raise Refusal(400, "The body ended before its last boundary; nothing was stored. Send it again.")
        yield piece
    read.set()


async def _gone(receive: Receive, read: asyncio.Event) -> None:
    """Returns when the client is no longer there; looks from when its body was read."""
    await read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


def _kind(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return JSON if kind == "application/json" else kind


def _rewriter(answer: httpx.Response, *, is_json: bool, translate: Translate) -> tuple[Rewriter, list[tuple[bytes, bytes]]]:
    """How the body is passed on, and with which headers.

    Raises
    ------
    Refusal
        502: an answer of another kind than the resource's.
    """
    kind, content_type = _kind(answer), answer.headers.get("content-type", "")
    if answer.status_code == 204:
        return Unchanged(), []
    headers = [(b"content-type", content_type.encode("latin-1"))]
    if kind == JSON:
        return JsonLinks(translate), headers
    if is_json:
        raise Refusal(502, "The archive did not answer in DICOM JSON.")
    if not _BINARY_ANSWERS.fullmatch(kind) or re.search("xml|json", content_type, re.IGNORECASE):
        raise Refusal(502, "The archive did not answer with images.")
    if kind == "multipart/related":
        boundary = boundary_of(content_type)
        if not boundary:
            raise Refusal(502, "The archive's answer cannot be read: it is in parts and names no boundary.")
        return MultipartLinks(boundary, translate), headers
    if "content-length" in answer.headers and "content-encoding" not in answer.headers:
        headers.append((b"content-length", answer.headers["content-length"].encode()))
    return Unchanged(), headers


def _warnings(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    """Warnings of the archive, in its words and under the gateway's name: that more is there, or why something was not stored.

    The sender within a Warning (RFC 7234, 5.5) is the archive's address or name, which readers do not learn.
    """
    headers = []
    for warning in answer.headers.get_list("warning")[:MOST_WARNINGS]:
        parts = _WARNING.match(warning)
        if parts is not None:
            headers.append((b"warning", f'{parts[1]} {WARN_AGENT} "{parts[2]}"'.encode("latin-1", "replace")))
    return headers


def _translation(archive_host: str) -> Translate:
    """Addresses of the archive -> addresses of this gateway, as the client that asks knows it."""
    own = current_addresses().url(f"{ROOT}/wado")

    def translate(link: str) -> str:
        # by its resource: archives call themselves by all sorts of names
        parts = urlsplit(link)
        at = parts.path.find("/studies")
        resource = parts.path[at:] if at >= 0 else ""
        if is_resource(resource):
            return own + resource + (f"?{parts.query}" if parts.query else "")
        return own if parts.hostname == archive_host else link

    return translate
