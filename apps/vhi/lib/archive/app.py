"""DICOMweb over an archive: QIDO-RS, WADO-RS and STOW-RS (PS3.18, chapter 10) as a small ASGI application.

Answers are sent as files are read. Work on files and on the index is done in threads, so that the loop stays free.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import logging
import re
import secrets
import sqlite3
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import pydicom
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..accept import parameters_of, ranges_of, takes_json
from ..errors import ConflictError, InputError, NotFoundError, OutputError, RequestError, VhiError
from ..studies.dicom_structure import EXPLICIT_LITTLE, NUMBER_OF_FRAMES, structure_of
from .archive_folder import ArchiveFolder, StoreOutcome
from .attributes import Level, tag_of
from .frames import OCTETS, bulk_value, decoded_frames, explicit_little_endian, is_compressed, media_of, stored_frames
from .index import Located
from .instance import HERE, is_uid
from .multipart_related import Part, PartWriter, body_length, body_of, joined, part_of
from .query import parse_query
from .rendered import MEDIA, Rendering, parse_rendering

logger = logging.getLogger("vhi.archive")

PREFIX = "/dicom-web"
DICOM, JSON = "application/dicom", "application/dicom+json"
LARGEST_REQUEST = 16 * 2**30
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_LEVELS = {"study": Level.STUDY, "series": Level.SERIES, "instance": Level.INSTANCE}
_RETRIEVE_URL = tag_of("RetrieveURL")
_STATUS: tuple[tuple[type[VhiError], int], ...] = (
    (NotFoundError, 404),
    (RequestError, 400),
    (ConflictError, 409),
    (OutputError, 503),
    (InputError, 422),
)


class Refused(VhiError):
    """A request that is refused with a status of HTTP that no other error stands for."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class BasicAuthentication:
    """Lets requests in by name and password; without one, only those that call this machine by a local name. Logs what fails.

    A page on the web can make a browser on this machine send requests here under the page's own host name.
    """

    def __init__(self, app: ASGIApp, user: str | None, password: str | None) -> None:
        self._app, self._user, self._password = app, user, password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal({name.lower(): value for name, value in scope["headers"]})
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # answered already, or broken off where the answer had begun
            # without the message, which may name a patient
            trace = "".join(traceback.format_tb(error.__traceback__)[-8:])
            logger.error("%s\n%s", type(error).__name__, trace.rstrip())

    def _refusal(self, headers: dict[bytes, bytes]) -> Response | None:
        if not self._user:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = re.sub(r":\d+$", "", host)
            return None if name in _LOCAL else _sentence(403, f"This archive is not called {name[:80]!r} here.")
        kind, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        user = password = ""
        if kind.lower() == "basic":
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):
                user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        # both compared whatever the first gives, so that the time tells nothing
        named = secrets.compare_digest(user.encode(), self._user.encode())
        if secrets.compare_digest(password.encode(), (self._password or "").encode()) and named:
            return None
        answer = _sentence(401, "This archive asks for a name and a password; those that came are wrong or missing.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="DICOMweb"'
        return answer


def make_app(archive: ArchiveFolder, user: str | None = None, password: str | None = None, base: str | None = None) -> ASGIApp:
    """The application for an archive.

    Parameters
    ----------
    user, password : str, optional
        What clients must send; without them the archive is for this machine alone.
    base : str, optional
        Its address as clients know it, ending in `/dicom-web`: answers hold addresses of studies. By default the address that
        the request came in by; never its Host header, which some clients send without the port.
    """
    services = _Services(archive, base)
    study = PREFIX + "/studies/{study}"
    series = study + "/series/{series}"
    instance = series + "/instances/{instance}"
    searches = {
        PREFIX + "/studies": Level.STUDY,
        PREFIX + "/series": Level.SERIES,
        PREFIX + "/instances": Level.INSTANCE,
        study + "/series": Level.SERIES,
        study + "/instances": Level.INSTANCE,
        series + "/instances": Level.INSTANCE,
    }
    routes = [Route(path, services.search(level), methods=["GET"]) for path, level in searches.items()]
    for path in (study, series, instance):
        routes += [Route(path, services.retrieve, methods=["GET"]), Route(path + "/metadata", services.metadata, methods=["GET"])]
    routes += [
        Route(instance + "/frames/{frames}", services.frames, methods=["GET"]),
        *(Route(place + "/rendered", services.rendered, methods=["GET"]) for place in (instance, instance + "/frames/{frames}")),
        *(
            Route(place + "/thumbnail", services.thumbnail, methods=["GET"])
            for place in (study, series, instance, instance + "/frames/{frames}")
        ),
        Route(instance + "/bulkdata/{where}", services.bulk, methods=["GET"]),
        *(Route(path, services.store, methods=["POST"]) for path in (PREFIX + "/studies", study)),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            VhiError: _explained,
            sqlite3.DatabaseError: services.damaged,
            Exception: _bug,
            404: lambda request, error: _sentence(404, "Nothing is at this address; DICOMweb begins at /dicom-web/studies."),
            405: lambda request, error: _sentence(405, "Here is only searched, retrieved and stored."),
        },
    )
    return BasicAuthentication(app, user, password)


class _Services:
    def __init__(self, archive: ArchiveFolder, base: str | None) -> None:
        self._archive, self._given = archive, base

    def _base(self, request: Request) -> str:
        if self._given:
            return self._given.rstrip("/")
        host, port = request.scope["server"]
        return f"{request.scope['scheme']}://{f'[{host}]' if ':' in host else host}:{port}{PREFIX}"

    # QIDO-RS

    def search(self, level: Level) -> Callable[[Request], Response]:
        """The endpoint that searches at a level."""

        def endpoint(request: Request) -> Response:
            _check_json(request)
            query = parse_query(level, request.query_params.multi_items())
            base = self._base(request)
            matches, more = self._archive.index.search(query, _uids(request))
            objects = (f'{{{body},"{_RETRIEVE_URL}":{{"vr":"UR","Value":["{_address(base, uids)}"]}}}}' for uids, body in matches)
            answer = Response("[" + ",".join(objects) + "]", media_type=JSON)
            if more and "limit" not in request.query_params:
                answer.headers.append("Warning", f'299 {base}: "There are more results; ask for them with offset."')
            if query.fuzzy:
                answer.headers.append(
                    "Warning", f'299 {base}: "The fuzzymatching parameter is not supported. Only literal matching was performed."'
                )
            return answer

        return endpoint

    # WADO-RS

    def metadata(self, request: Request) -> Response:
        _check_json(request)
        rows = self._archive.index.metadata(_uids(request))
        if not rows:
            raise _nothing(request)
        base = self._base(request)

        def texts() -> Iterator[bytes]:
            for number, (*uids, content) in enumerate(rows):
                address = f'"BulkDataURI":"{_address(base, uids)}'
                text = zlib.decompress(content).decode().replace(HERE, address)
                yield ("," if number else "[").encode() + text.encode()
            yield b"]"

        return StreamingResponse(joined(texts()), media_type=JSON)

    def retrieve(self, request: Request) -> Response:
        places = self._places(request)
        for media_range in ranges_of(_accept(request)):
            if not media_range.covers(DICOM) or not (media_range.multipart or len(places) == 1):
                continue
            if all(media_range.syntax in ("", "*", place.syntax) for place in places):
                parts = [self._file(place) for place in places]
                return _multipart(parts, DICOM) if media_range.multipart else _single(parts[0])
            if media_range.syntax == EXPLICIT_LITTLE:
                contents = _started(self._transcoded(place) for place in places)
                if media_range.multipart:
                    return _multipart(contents, DICOM)
                return _single(next(contents))
        kept = ", ".join(sorted({place.syntax for place in places}))
        raise Refused(406, f"These instances are sent as {DICOM}, as they are kept ({kept}) or in {EXPLICIT_LITTLE}.")

    def _file(self, place: Located) -> Part:
        path = self._archive.path(place.path)
        try:
            return Part(f"{DICOM}; transfer-syntax={place.syntax}", path, path.stat().st_size)
        except FileNotFoundError as error:
            raise NotFoundError(f"The file of instance {place.sop_uid} is gone from the archive's folder.") from error

    def _transcoded(self, place: Located) -> Part:
        if place.syntax == EXPLICIT_LITTLE:
            return self._file(place)
        content = io.BytesIO()
        pydicom.dcmwrite(content, explicit_little_endian(self._archive.path(place.path)), enforce_file_format=True)
        return part_of(f"{DICOM}; transfer-syntax={EXPLICIT_LITTLE}", content.getvalue())

    def frames(self, request: Request) -> Response:
        (place,) = self._places(request)
        numbers = _numbers(request)
        path, kept = self._archive.path(place.path), media_of(place.syntax)
        # plain frames leave in little endian, whatever the file's order
        syntax = place.syntax if is_compressed(place.syntax) else EXPLICIT_LITTLE
        for media_range in ranges_of(_accept(request)):
            if not (media_range.multipart or len(numbers) == 1):
                continue
            as_kept = media_range.covers(kept) or (media_range.kind == OCTETS and media_range.syntax in ("*", place.syntax))
            if as_kept and media_range.syntax in ("", "*", syntax, place.syntax):
                contents: Iterable[bytes] = stored_frames(path, numbers)
                kind, sent = kept, syntax
            elif media_range.covers(OCTETS) and media_range.syntax in ("", EXPLICIT_LITTLE):
                contents = decoded_frames(path, numbers)
                kind, sent = OCTETS, EXPLICIT_LITTLE
            else:
                continue
            parts = _started(part_of(f"{kind}; transfer-syntax={sent}", content) for content in contents)
            return _multipart(parts, kind) if media_range.multipart else _single(next(parts))
        raise Refused(406, f"Frames of this instance are sent as {kept} in transfer syntax {syntax}, or decoded as {OCTETS}.")

    def rendered(self, request: Request) -> Response:
        (place,) = self._places(request)
        numbers = _numbers(request)
        return self._pictures(request, place, numbers, parse_rendering(request.query_params))

    def thumbnail(self, request: Request) -> Response:
        """One small picture; of a study or series, of an image in its middle."""
        places = [place for place in self._places(request) if structure_of(self._archive.path(place.path)).pixels is not None]
        if not places:
            raise NotFoundError("There is no image here to make a small picture of.")
        place = places[len(places) // 2]
        frames = structure_of(self._archive.path(place.path)).number(NUMBER_OF_FRAMES, 1)
        numbers = _numbers(request) if "frames" in request.path_params else [(frames + 1) // 2]
        return self._pictures(request, place, numbers[:1], parse_rendering(request.query_params, thumbnail=True))

    def _pictures(self, request: Request, place: Located, numbers: Sequence[int], rendering: Rendering) -> Response:
        path = self._archive.path(place.path)
        for media_range in ranges_of(_accept(request)):
            kind = next((kind for kind in MEDIA if media_range.covers(kind)), None)
            # one picture leaves as such, whatever else would do
            multipart = media_range.multipart and (media_range.kind != "*/*" or len(numbers) > 1)
            if kind is None or (len(numbers) > 1 and not multipart):
                continue
            parts = _started(part_of(kind, rendering.render(path, number, kind)) for number in numbers)
            return _multipart(parts, kind) if multipart else _single(next(parts))
        raise Refused(406, f"Pictures are sent as {' or '.join(MEDIA)}; several frames as multipart/related of these.")

    def bulk(self, request: Request) -> Response:
        (place,) = self._places(request)
        content = bulk_value(self._archive.path(place.path), request.path_params["where"])
        for media_range in ranges_of(_accept(request)):
            if media_range.multipart:
                return _multipart([part_of(OCTETS, content)], OCTETS)
            if media_range.covers(OCTETS):
                return _single(part_of(OCTETS, content))
        # a compressed image's element may be asked for by the type of its frames
        return _multipart([part_of(OCTETS, content)], OCTETS)

    # STOW-RS

    async def store(self, request: Request) -> Response:
        _check_json(request)
        uids = _uids(request)
        kind, parameters = parameters_of(request.headers.get("content-type", ""))
        if kind != "multipart/related" or parameters.get("type", DICOM).lower() != DICOM:
            raise Refused(
                415, f'Instances are stored as multipart/related; type="{DICOM}"; this request is {kind[:60] or "not"}.'
            )
        with self._archive.receiving() as place:
            writer = PartWriter(parameters.get("boundary", ""), place)
            received = 0
            try:
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > LARGEST_REQUEST:
                        raise Refused(413, f"A request may hold {LARGEST_REQUEST >> 30} GiB; send the instances in several.")
                    if chunk:
                        await run_in_threadpool(writer.feed, chunk)
                files = writer.finish()
            except ClientDisconnect as error:
                raise RequestError("The request broke off before its end; nothing of it was stored. Send it again.") from error
            finally:
                writer.close()
            outcomes = await run_in_threadpool(self._archive.store, files, uids.get(Level.STUDY))
        return _stored(outcomes, self._base(request))

    def damaged(self, request: Request, error: Exception) -> Response:
        """The index turned out to be damaged while it was read."""
        if not isinstance(error, sqlite3.OperationalError):
            self._archive.repair()
        return _sentence(503, "The archive's index was damaged and is being made anew; try again in a moment.")

    def _places(self, request: Request) -> list[Located]:
        places = self._archive.index.located(_uids(request))
        if not places:
            raise _nothing(request)
        return places


def _stored(outcomes: Sequence[StoreOutcome], base: str) -> Response:
    """The answer of the standard (PS3.18, 10.5.3), with the reasons as sentences in Warning headers."""
    kept = [outcome.instance for outcome in outcomes if outcome.reason is None and outcome.instance is not None]
    answer: dict[str, object] = {}
    studies = {outcome.study_uid for outcome in kept}
    if len(studies) == 1:
        answer[_RETRIEVE_URL] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
    failed: list[dict[str, object]] = []
    others: list[dict[str, object]] = []
    for outcome in outcomes:
        if outcome.reason is not None:
            reason = {tag_of("FailureReason"): {"vr": "US", "Value": [outcome.reason]}}
            # without UIDs it is no failed instance, but one of the other failures
            (others if outcome.instance is None else failed).append(_reference(outcome, base) | reason)
    for keyword, items in (
        ("FailedSOPSequence", failed),
        ("ReferencedSOPSequence", [_reference(outcome, base) for outcome in outcomes if outcome.reason is None]),
        ("OtherFailuresSequence", others),
    ):
        if items:
            answer[tag_of(keyword)] = {"vr": "SQ", "Value": items}
    status = 200 if not failed and not others else 202 if kept else 409
    response = Response(json.dumps(answer), status, media_type=JSON)
    for outcome in outcomes[:20]:
        if outcome.sentence:
            logger.warning("An object was not stored, failure reason %04X; its sender was told why.", outcome.reason)
            text = outcome.sentence.replace('"', "'").encode("ascii", "replace").decode()
            response.headers.append("Warning", f'299 {base}: "{text}"')
    return response


def _reference(outcome: StoreOutcome, base: str) -> dict[str, object]:
    instance = outcome.instance
    if instance is None:
        return {}
    named: dict[str, object] = {
        tag_of("ReferencedSOPClassUID"): {"vr": "UI", "Value": [instance.sop_class]},
        tag_of("ReferencedSOPInstanceUID"): {"vr": "UI", "Value": [instance.sop_uid]},
    }
    if outcome.reason is None:
        address = _address(base, (instance.study_uid, instance.series_uid, instance.sop_uid))
        named[_RETRIEVE_URL] = {"vr": "UR", "Value": [address]}
    return named


def _address(base: str, uids: Sequence[str]) -> str:
    names = ("studies", "series", "instances")
    return base + "".join(f"/{name}/{uid}" for name, uid in zip(names, uids, strict=False))


def _uids(request: Request) -> dict[Level, str]:
    uids = {level: request.path_params[name] for name, level in _LEVELS.items() if name in request.path_params}
    for text in uids.values():
        if not is_uid(text):
            raise RequestError(f"{text[:80]!r} is no UID: digits and single points, at most 64 characters.")
    return uids


def _numbers(request: Request) -> list[int]:
    """The frames that an address names, the first where it names none."""
    text = request.path_params.get("frames", "1")
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise RequestError("Frames are numbers from 1, separated by commas.")
    return [int(number) for number in text.split(",")]


def _nothing(request: Request) -> NotFoundError:
    name = next(name for name in reversed(_LEVELS) if name in request.path_params)
    return NotFoundError(f"There is no {name} {request.path_params[name]} in this archive.")


def _accept(request: Request) -> str:
    return request.query_params.get("accept") or ",".join(request.headers.getlist("accept"))


def _check_json(request: Request) -> None:
    ranges = ranges_of(_accept(request))
    if not takes_json(ranges) and not any(media_range.kind == "*/*" for media_range in ranges):
        raise Refused(406, f"This is answered as {JSON} alone.")


def _started(parts: Iterable[Part]) -> Iterator[Part]:
    """The same, begun: what is wrong shows while the answer can still have another status."""
    iterator = iter(parts)
    first = next(iterator)

    def both() -> Iterator[Part]:
        yield first
        yield from iterator

    return both()


def _multipart(parts: Iterable[Part], kind: str) -> Response:
    boundary = secrets.token_hex(16)
    # a proxy that reads a whole answer needs its length, which is known for what is sent as it is kept
    headers = {"Content-Length": str(body_length(parts, boundary))} if isinstance(parts, list) else {}
    media_type = f'multipart/related; type="{kind}"; boundary={boundary}'
    return StreamingResponse(body_of(parts, boundary), media_type=media_type, headers=headers)


def _single(part: Part) -> Response:
    headers = {"Content-Length": str(part.length), "Content-Type": part.media_type}
    return StreamingResponse(part.chunks(), headers=headers)


def _explained(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return _sentence(error.status, str(error))
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    return _sentence(status, str(error))


def _bug(request: Request, error: Exception) -> Response:
    return _sentence(500, "Something went wrong in the archive; its log has the place.")


def _sentence(status: int, sentence: str) -> Response:
    return JSONResponse({"detail": " ".join(sentence.split())}, status)
