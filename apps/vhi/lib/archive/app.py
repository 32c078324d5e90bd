"""DICOMweb over an index: QIDO-RS, WADO-RS and STOW-RS (PS3.18, chapter 10) as a small ASGI application.

Answers are sent as they are read. Work on files and on the index is done in threads, so the loop stays free.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pydicom
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lib.archive.attributes import Level
from lib.archive.frames import OCTETS, bulk_value, decoded_frames, explicit_little_endian, is_compressed, media_of, stored_frames
from lib.archive.index import Index, Place
from lib.archive.instance import HERE, is_uid
from lib.archive.matching import Search, search_of
from lib.archive.store import Incoming, boundary_of, keep
from lib.errors import InputError, NotFoundError, RequestError, VhiError

PREFIX = "/dicom-web"
_DICOM, _JSON = "application/dicom", "application/dicom+json"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_CHUNK = 1 << 20
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_Endpoint = Callable[[Request], Response]


class NotAcceptableError(VhiError):
    """The client takes no form in which the archive can answer."""


@dataclass(frozen=True)
class Accepted:
    """What a client takes: media types (of parts, where it takes multipart answers) with the transfer syntaxes asked for."""

    media: dict[str, str | None]

    @classmethod
    def of(cls, header: str) -> Accepted:
        media: dict[str, str | None] = {}
        for one in re.findall(r'(?:[^,"]|"[^"]*")+', header or "*/*"):
            kind, *rest = (part.strip() for part in re.findall(r'(?:[^;"]|"[^"]*")+', one))
            parameters = {name.strip().lower(): value.strip(' "') for name, _, value in (part.partition("=") for part in rest)}
            inner = parameters.get("type", "*/*") if kind.lower() == "multipart/related" else kind
            media[inner.lower()] = parameters.get("transfer-syntax")
        return cls(media)

    def takes(self, kind: str, syntax: str) -> bool:
        """Whether an answer of this kind and transfer syntax will do; one that was not named need not match."""
        for wanted in (kind, f"{kind.split('/')[0]}/*", "*/*"):
            if wanted in self.media and self.media[wanted] in (None, "*", syntax):
                return True
        return False

    def asks_for(self, kind: str, syntax: str) -> bool:
        """Whether this very transfer syntax is asked for."""
        return self.media.get(kind) == syntax or self.media.get("*/*") == syntax


class Login:
    """Lets requests in by name and password; without one, only those that call this machine by a local name.

    A page on the web can make a browser on this machine send requests here under the page's own host name.
    """

    def __init__(self, app: ASGIApp, user: str | None, password: str | None, names: Iterable[str] = _LOCAL) -> None:
        self._app, self._user, self._password, self._names = app, user, password, tuple(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.lower(): value for name, value in scope["headers"]}
            refusal = self._refusal(headers)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> Response | None:
        if self._user is None:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = re.sub(r":\d+$", "", host)
            return None if name in self._names else _sentence(403, f"This archive is not called {name[:80]!r} here.")
        kind, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        try:
            user, _, password = (
                base64.b64decode(given, validate=True).decode().partition(":") if kind.lower() == "basic" else [""] * 3
            )
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        right = secrets.compare_digest(user.encode(), self._user.encode())
        if secrets.compare_digest(password.encode(), (self._password or "").encode()) and right:
            return None
        answer = _sentence(401, "This archive asks for a name and a password; those that came are wrong or missing.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="DICOMweb"'
        return answer


def make_app(
    index: Index, base: str, user: str | None = None, password: str | None = None, names: Iterable[str] = _LOCAL
) -> ASGIApp:
    """The application for an index.

    Parameters
    ----------
    base : str
        Its own address as clients know it, ending in `/dicom-web`: answers hold addresses of studies.
    user, password : str, optional
        What clients must send; without them the archive is for this machine alone.
    names : iterable of str
        Host names that clients may call it by where no password is asked for.
    """
    services = _Services(index, base.rstrip("/"))
    study, series = "/studies/{study}", "/studies/{study}/series/{series}"
    instance = series + "/instances/{instance}"
    gets: list[tuple[str, _Endpoint]] = [
        ("/studies", services.studies),
        ("/series", services.series),
        ("/instances", services.instances),
        (study, services.retrieve),
        (study + "/metadata", services.metadata),
        (study + "/series", services.series),
        (study + "/instances", services.instances),
        (series, services.retrieve),
        (series + "/metadata", services.metadata),
        (series + "/instances", services.instances),
        (instance, services.retrieve),
        (instance + "/metadata", services.metadata),
        (instance + "/frames/{frames}", services.frames),
        (instance + "/bulkdata/{where}", services.bulk),
    ]
    routes = [Route(PREFIX + path, endpoint, methods=["GET"]) for path, endpoint in gets]
    routes += [Route(PREFIX + path, services.store, methods=["POST"]) for path in ("/studies", study)]
    app = Starlette(
        routes=routes,
        exception_handlers={
            VhiError: _explained,
            404: lambda request, error: _sentence(
                404, "There is nothing at this address; DICOMweb begins at /dicom-web/studies."
            ),
            405: lambda request, error: _sentence(405, "Only searching, retrieving and storing are served here."),
        },
    )
    app.router.redirect_slashes = True
    return Login(app, user, password, names)


class _Services:
    def __init__(self, index: Index, base: str) -> None:
        self._index, self._base = index, base

    # QIDO-RS

    def studies(self, request: Request) -> Response:
        return _found(self._index.studies(_search(Level.STUDY, request), self._base))

    def series(self, request: Request) -> Response:
        search = _search(Level.SERIES, request)
        return _found(self._index.series(search, self._base, with_study="study" not in request.path_params))

    def instances(self, request: Request) -> Response:
        search = _search(Level.INSTANCE, request)
        with_study, with_series = ("study" not in request.path_params), ("series" not in request.path_params)
        return _found(self._index.instances(search, self._base, with_study=with_study, with_series=with_series))

    # WADO-RS

    def metadata(self, request: Request) -> Response:
        rows = iter(self._index.metadata(*_uids(request)))
        first = next(rows, None)
        if first is None:
            raise _nothing(request)

        def texts() -> Iterator[str]:
            for place, text in (first, *rows):
                yield text.replace(json.dumps(HERE)[1:-1], self._address(place))

        return _found(texts(), stream=True)

    def retrieve(self, request: Request) -> Response:
        places = self._places(request)
        accepted = Accepted.of(request.headers.get("accept", ""))
        kinds = [self._kind_of(place, accepted) for place in places]
        single = len(places) == 1 and "instance" in request.path_params
        if single and "multipart/related" not in request.headers.get("accept", "*/*") and _DICOM in accepted.media:
            return StreamingResponse(_content(places[0], kinds[0]), media_type=_DICOM)
        parts = (
            (f"{_DICOM}; transfer-syntax={place.syntax if as_stored else _EXPLICIT_LITTLE}", _content(place, as_stored))
            for place, as_stored in zip(places, kinds, strict=True)
        )
        return _multipart(parts, _DICOM)

    def frames(self, request: Request) -> Response:
        (place,) = self._places(request)
        try:
            numbers = [int(number) for number in request.path_params["frames"].split(",")]
        except ValueError as error:
            raise RequestError("Frames are numbers from 1, separated by commas.") from error
        accepted = Accepted.of(request.headers.get("accept", ""))
        kind = media_of(place.syntax)
        if accepted.takes(kind, place.syntax):
            contents: Iterable[bytes] = _started(stored_frames(place.path, numbers))
            syntax = place.syntax if is_compressed(place.syntax) else _EXPLICIT_LITTLE
        elif accepted.takes(OCTETS, _EXPLICIT_LITTLE):
            kind, syntax = OCTETS, _EXPLICIT_LITTLE
            contents = (
                decoded_frames(place.path, numbers)
                if is_compressed(place.syntax)
                else _started(stored_frames(place.path, numbers))
            )
        else:
            raise NotAcceptableError(
                f"Frames of this instance are sent as {kind} in transfer syntax {place.syntax}, or as {OCTETS}."
            )
        return _multipart(((f"{kind}; transfer-syntax={syntax}", [content]) for content in contents), kind)

    def bulk(self, request: Request) -> Response:
        (place,) = self._places(request)
        content = bulk_value(place.path, request.path_params["where"])
        return _multipart([(OCTETS, [content])], OCTETS)

    # STOW-RS

    async def store(self, request: Request) -> Response:
        study = request.path_params.get("study")
        if study is not None:
            _check_uid(study)
        boundary = boundary_of(request.headers.get("content-type", ""))
        incoming = Incoming(self._index.folder)
        try:
            try:
                await incoming.read(request.stream(), boundary)
            except ClientDisconnect as error:
                raise RequestError("The request broke off before its end; nothing of it was stored. Send it again.") from error
            if not incoming.files:
                raise RequestError("The request holds no instance.")
            stored = await run_in_threadpool(keep, self._index, incoming.files, study)
        finally:
            await run_in_threadpool(incoming.clear)
        return JSONResponse(stored.as_json(self._base), stored.status, media_type=_JSON)

    # common

    def _places(self, request: Request) -> list[Place]:
        places = self._index.places(*_uids(request))
        if not places:
            raise _nothing(request)
        return places

    def _kind_of(self, place: Place, accepted: Accepted) -> bool:
        """Whether an instance is sent as it is stored, or in Explicit VR Little Endian."""
        if accepted.takes(_DICOM, place.syntax):
            return True
        if accepted.asks_for(_DICOM, _EXPLICIT_LITTLE):
            return False
        raise NotAcceptableError(f"Instances are sent as {_DICOM}, as stored ({place.syntax}) or in {_EXPLICIT_LITTLE}.")

    def _address(self, place: Place) -> str:
        return f"{self._base}/studies/{place.study_uid}/series/{place.series_uid}/instances/{place.sop_uid}"


def _search(level: Level, request: Request) -> Search:
    search = search_of(level, request.query_params.multi_items())
    for name, keyword in (("study", "StudyInstanceUID"), ("series", "SeriesInstanceUID")):
        if name in request.path_params:
            _check_uid(request.path_params[name])
            search.only(keyword, request.path_params[name])
    return search


def _uids(request: Request) -> tuple[str, str | None, str | None]:
    given = request.path_params
    for name in ("study", "series", "instance"):
        if name in given:
            _check_uid(given[name])
    return given["study"], given.get("series"), given.get("instance")


def _check_uid(text: str) -> None:
    if not is_uid(text):
        raise RequestError(f"{text[:80]!r} is no UID: digits and single points, at most 64 characters.")


def _nothing(request: Request) -> NotFoundError:
    level = next(name for name in ("instance", "series", "study") if name in request.path_params)
    return NotFoundError(f"There is no {level} {request.path_params[level]} in this archive.")


def _started(contents: Iterator[bytes]) -> Iterator[bytes]:
    """The same, begun: what is wrong shows before the answer begins."""
    first = next(contents)

    def both() -> Iterator[bytes]:
        yield first
        yield from contents

    return both()


def _content(place: Place, as_stored: bool) -> Iterator[bytes]:
    if as_stored:
        try:
            file = place.path.open("rb")
        except OSError as error:
            raise InputError(f"The file of instance {place.sop_uid} is gone ({error.strerror}); put it back.") from error
        return _chunks(file)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, explicit_little_endian(place.path), write_like_original=False)
    return iter([buffer.getvalue()])


def _chunks(file: Any) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _found(texts: Iterator[str], *, stream: bool = False) -> Response:
    """A JSON array of objects given as texts; no content where nothing was found."""
    if not stream:
        objects = list(texts)
        if not objects:
            return Response(status_code=204)
        return Response("[" + ",".join(objects) + "]", media_type=_JSON)

    def parts() -> Iterator[str]:
        separator = "["
        for text in texts:
            yield separator + text
            separator = ","
        yield "]"

    return StreamingResponse(parts(), media_type=_JSON)


def _multipart(parts: Iterable[tuple[str, Iterable[bytes]]], kind: str) -> Response:
    boundary = secrets.token_hex(16)

    def body() -> Iterator[bytes]:
        for media, content in parts:
            yield f"--{boundary}\r\nContent-Type: {media}\r\n\r\n".encode()
            yield from content
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return StreamingResponse(body(), media_type=f'multipart/related; type="{kind}"; boundary={boundary}')


def _explained(request: Request, error: Exception) -> Response:
    kinds: dict[type[Exception], int] = {NotFoundError: 404, RequestError: 400, NotAcceptableError: 406}
    return _sentence(kinds.get(type(error), 500), str(error))


def _sentence(status: int, sentence: str) -> Response:
    return JSONResponse({"detail": " ".join(sentence.split())}, status)
