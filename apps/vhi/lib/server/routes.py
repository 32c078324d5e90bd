"""The routes that this server answers itself, with MONAI Label's addresses and answers, off the event loop."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Body, FastAPI, File, Form, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from requests_toolbelt import MultipartEncoder
from starlette.exceptions import HTTPException

from lib.server.answers import Refusal, body_of, finite, refusal_of, validation_sentence
from lib.server.config import ServerConfig, is_loopback
from lib.server.describe import description_of
from lib.server.identity import current_identity
from lib.server.login import Login
from lib.server.pages import front_page
from lib.server.pool import WorkerPool
from lib.server.requests import check_id, check_params, parse_params, take_file, uploaded_file

T = TypeVar("T")
SAVE_TIMEOUT_S = 120.0
QUICK_TIMEOUT_S = 60.0
INFO_AGE_S = 0.5
FORMS = {"json": "application/json", "html": "text/html; charset=utf-8", "pdf": "application/pdf"}
CHECKSUM = re.compile(r"(?:(SHA256|SHA512|MD5):)?([0-9a-fA-F]{32,128})")


@dataclass(frozen=True)
class Desk:
    """What routes need: the pools that work for them, the login, the configuration."""

    infer: WorkerPool
    save: WorkerPool
    quick: WorkerPool
    password: WorkerPool
    login: Login
    config: ServerConfig

    async def run(self, pool: WorkerPool, request: Request, timeout_s: float, work: Callable[[], T]) -> T:
        """The result of work in a pool, while the client waits for it."""
        return await pool.run(work, partial(_gone, request), timeout_s)


def make_routes(desk: Desk) -> FastAPI:
    """The application that answers the allow-list's own routes."""
    api = FastAPI(title="VHI", openapi_url=None, docs_url=None, redoc_url=None)
    for kind in (RequestValidationError, HTTPException, Exception):
        api.add_exception_handler(kind, _tell)
    _add_sign_in(api, desk)
    _add_app(api, desk)
    _add_datastore(api, desk)
    _add_vhi(api, desk)

    @api.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(description_of(api))

    @api.get("/", include_in_schema=False)
    def front(request: Request) -> HTMLResponse:
        return HTMLResponse(front_page(str(request.base_url).rstrip("/"), login=desk.login.needed))

    return api


def _add_sign_in(api: FastAPI, desk: Desk) -> None:
    """MONAI Label's addresses for signing in, so that its clients can."""

    @api.get("/auth/", tags=["Auth"], summary="Whether a login is needed")
    async def auth() -> dict[str, Any]:
        return {"enabled": desk.login.needed, "client_id": "vhi", "realm": "vhi"}

    @api.post("/auth/token", tags=["Auth"], summary="A token for a name and password")
    async def token(
        request: Request,
        username: Annotated[str, Form(max_length=256)],
        password: Annotated[str, Form(max_length=1024)],
        grant_type: Annotated[str, Form(max_length=32)] = "password",
    ) -> dict[str, Any]:
        if not desk.login.needed:
            return {"access_token": None, "token_type": None}
        if grant_type != "password":
            raise Refusal(400, "grant_type must be password.")

        def issue() -> str:
            found = desk.login.token_for(username, password, _address(request))
            note_login(username)
            return found

        issued = await desk.run(desk.password, request, QUICK_TIMEOUT_S, issue)
        return {"access_token": issued, "token_type": "bearer", "expires_in": int(desk.config.token_hours * 3600)}

    @api.get("/auth/token/valid", tags=["Auth"], summary="Who the token names")
    async def valid() -> dict[str, Any]:
        who = current_identity()
        return {"username": who.name or "local", "email": None, "name": who.name, "roles": [who.role]}


def _add_app(api: FastAPI, desk: Desk) -> None:
    """Information, inference, next sample."""
    known: dict[str, tuple[float, bytes]] = {}

    def information() -> bytes:
        # clients ask for it before every action; half a second old is new enough, and leaves the processor to inference
        who = current_identity().name or ""
        made, content = known.get(who, (0.0, b""))
        if time.monotonic() - made > INFO_AGE_S:
            content = json.dumps(finite(_app().info())).encode()
            known.clear()
            known[who] = time.monotonic(), content
        return content

    @api.get("/info/", tags=["App"], summary="Models, their options, strategies, counts of cases")
    async def info(request: Request) -> Response:
        content = await desk.run(desk.quick, request, QUICK_TIMEOUT_S, information)
        return Response(content, media_type="application/json")

    @api.post("/infer/{model}", tags=["Infer"], summary="Run a model on a series; label map and facts as multipart/form-data")
    async def infer(
        request: Request,
        model: str,
        image: str = "",
        session_id: str = "",
        params: Annotated[str, Form()] = "{}",
        file: Annotated[UploadFile | str | None, File()] = None,
        label: Annotated[UploadFile | str | None, File()] = None,
        output: Literal["image", "json", "all"] | None = None,
    ) -> Response:
        if session_id:
            raise Refusal(
                400, "Sessions are closed: VHI needs both series of a visit; put them into the server's studies folder."
            )
        if file or label:
            raise Refusal(400, "Uploads are not inferred on: VHI needs both series of a visit, from the server's studies folder.")
        asked = {**parse_params(params), "model": check_id("model", model), "image": check_id("image", image)}
        return await desk.run(desk.infer, request, desk.config.inference_timeout_s, lambda: _inferred(asked, output))

    @api.post("/activelearning/{strategy}", tags=["ActiveLearning"], summary="The next case for this reader")
    async def next_sample(request: Request, strategy: str, params: Annotated[Any, Body()] = None) -> Response:
        asked = {**check_params(params), "strategy": check_id("strategy", strategy)}
        sample = finite(await desk.run(desk.quick, request, QUICK_TIMEOUT_S, lambda: _app().next_sample(asked)) or {})
        address = _address(request)
        if sample.get("id"):
            desk.login.grants.give(address, sample["id"], current_identity())
        if not is_loopback(address):
            sample.pop("path", None)  # a file on the server says nothing elsewhere
        return JSONResponse(sample)


def _add_datastore(api: FastAPI, desk: Desk) -> None:
    """Series to download, labels to save and to download."""

    async def quick(request: Request, work: Callable[[], T]) -> T:
        return await desk.run(desk.quick, request, QUICK_TIMEOUT_S, work)

    @api.get("/datastore/", tags=["Datastore"], summary="What there is: counts, or every series")
    async def datastore(request: Request, output: Literal["stats", "all", "train"] | None = None) -> Response:
        def look() -> Any:
            store = _app().datastore()
            return {"all": store.json, "train": store.datalist}.get(output or "", store.status)()

        found = await quick(request, look)
        return JSONResponse(finite(json.loads(found) if isinstance(found, str) else found))

    @api.get("/datastore/image", tags=["Datastore"], summary="A series as a file")
    async def image(request: Request, image: str) -> Response:
        check_id("image", image)
        return await quick(request, lambda: _file_answer(_app().datastore().get_image_uri(image), f"image {image}"))

    @api.head("/datastore/image", tags=["Datastore"], summary="Whether a series is there, with this checksum")
    async def has_image(request: Request, image: str, check_sum: str | None = None) -> Response:
        check_id("image", image)
        await quick(request, lambda: _check_sum(_needed(_app().datastore().get_image_uri(image), f"image {image}"), check_sum))
        return Response()

    @api.get("/datastore/image/info", tags=["Datastore"], summary="What is known of a series")
    async def image_info(request: Request, image: str) -> Response:
        check_id("image", image)
        return JSONResponse(finite(await quick(request, lambda: _app().datastore().get_image_info(image))))

    @api.get("/datastore/label", tags=["Datastore"], summary="This reader's label map of a case")
    async def label(request: Request, label: str, tag: str) -> Response:
        check_id("label", label)
        check_id("tag", tag)
        return await quick(request, lambda: _file_answer(_app().datastore().get_label_uri(label, tag), f"label {label}"))

    @api.head("/datastore/label", tags=["Datastore"], summary="Whether this reader has a label map of a case")
    async def has_label(request: Request, image: str, tag: str) -> Response:
        check_id("image", image)
        check_id("tag", tag)
        await quick(request, lambda: _needed(_app().datastore().get_label_uri(image, tag), f"label {image}"))
        return Response()

    @api.get("/datastore/label/info", tags=["Datastore"], summary="What is known of this reader's label map")
    async def label_info(request: Request, label: str, tag: str) -> Response:
        check_id("label", label)
        check_id("tag", tag)
        return JSONResponse(finite(await quick(request, lambda: _app().datastore().get_label_info(label, tag))))

    @api.put("/datastore/label", tags=["Datastore"], summary="Submit a label map with its segments' names")
    async def save_label(
        request: Request,
        image: str,
        label: Annotated[UploadFile, File()],
        params: Annotated[str, Form()] = "{}",
        tag: str = "final",
    ) -> Response:
        given = parse_params(params, reserved=frozenset())
        check_id("image", image)
        check_id("tag", tag or "final")

        def save() -> dict[str, Any]:
            app = _app()
            with uploaded_file(label.filename, label.file) as path:
                label_id = app.datastore().save_label(image, str(path), tag or "final", given)
            return {**(app.on_save_label(image, label_id) or {}), "image": image, "label": label_id}

        return JSONResponse(finite(await desk.run(desk.save, request, SAVE_TIMEOUT_S, save)))


def _add_vhi(api: FastAPI, desk: Desk) -> None:
    """What MONAI Label has no address for: reports, submissions, cases."""

    async def quick(request: Request, work: Callable[[], T]) -> T:
        return await desk.run(desk.quick, request, QUICK_TIMEOUT_S, work)

    @api.get("/vhi/health", tags=["VHI"], summary="Whether the server answers, and what is at work")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "inferences": desk.infer.jobs, "saves": desk.save.jobs}

    @api.get("/vhi/report", tags=["VHI"], summary="The report of a reader's newest submission")
    async def report(
        request: Request,
        image: str,
        reader: Annotated[str | None, Query(max_length=64)] = None,
        form: Literal["json", "html", "pdf"] = "json",
    ) -> Response:
        check_id("image", image)
        asked = _reader_asked(reader)

        def read() -> bytes:
            return Path(_app().service.report(image, asked, form)).read_bytes()

        return Response(await quick(request, read), media_type=FORMS[form])

    @api.get("/vhi/submissions", tags=["VHI"], summary="Submissions of a case: this reader's; all of them for an administrator")
    async def submissions(request: Request, image: str, reader: Annotated[str | None, Query(max_length=64)] = None) -> Response:
        check_id("image", image)
        asked = _reader_asked(reader)
        found = await quick(request, lambda: _app().service.submissions(image, asked))
        return JSONResponse([{"id": one.submission_id, **finite(asdict(one))} for one in found])

    @api.post("/vhi/share", tags=["VHI"], summary="Let every reader of a case start from the regions of one submission")
    async def share(
        request: Request,
        image: str,
        submission: Annotated[str, Query(max_length=80)],
        part: Annotated[list[str] | None, Query()] = None,
    ) -> Response:
        check_id("image", image)
        parts = {"parts": part} if part else {}
        admin = current_identity().name or "local"
        await quick(request, lambda: _app().service.share(image, submission, admin=admin, **parts))
        return JSONResponse({"shared": submission})

    @api.get("/vhi/cases", tags=["VHI"], summary="Every case and its state; what waits, and why")
    async def cases(request: Request) -> Response:
        return JSONResponse(finite(await quick(request, lambda: _states(_app().service))))

    @api.get(
        "/vhi/archive", tags=["VHI"], summary="What waits to be stored in the archive; segmentations there that were refused"
    )
    async def archive(request: Request, reader: Annotated[str | None, Query(max_length=64)] = None) -> Response:
        asked = _reader_asked(reader)

        def state() -> dict[str, Any]:
            exchange = getattr(_app(), "exchange", None)
            if exchange is None:
                raise Refusal(404, "The studies of this server are a folder; there is no archive.")
            return dict(exchange.state(asked))

        return JSONResponse(finite(await quick(request, state)))


def _reader_asked(reader: str | None) -> str | None:
    """Whose work is meant: one's own; an administrator may name another reader, or nobody for all."""
    who = current_identity()
    if who.is_admin:
        return reader
    if reader not in (None, who.name):
        raise Refusal(403, "Readers see their own work alone; an administrator sees that of others.")
    return who.name


def _states(service: Any) -> dict[str, Any]:
    """Every case with who submitted what, and what waits with its reason."""
    index, ratings = service.index, service.readings.ratings()
    cases = []
    for case in index.cases:
        handed_in = [
            {
                "id": one.submission_id,
                "reader": one.reader,
                "reading": one.reading,
                "created": one.created,
                "measured": one.measured,
            }
            for one in service.readings.of_case(case.case_id)
        ]
        cases.append({"case": case.case_id, "submissions": handed_in, "ratings": ratings.get(case.case_id, {})})
    return {"cases": cases, "waiting": [{"name": one.name, "reason": one.reason} for one in index.waiting]}


def training_desk() -> Any:
    """Who trains for this server; see `lib.trainers`."""
    return _app().training


def rate(image: str, rating: str, told: dict[str, Any]) -> str:
    """Keep a reader's rating of the automatic disease region; the submission's id."""
    return str(_app().datastore().rate(image, rating, told))


def is_blinded() -> bool:
    """Whether readers must not see names and dates."""
    return bool(_app().service.config.blinded)


def note_login(name: str) -> None:
    """Log that somebody signed in."""
    _app().service.audit.append("login", reader=name)


def note_stored(uids: tuple[str, ...]) -> None:
    """Log that the person who asks stored something in the archive through the gateway."""
    who = current_identity()
    _app().service.audit.append("stored in archive", reader=who.name or "local")
    exchange = getattr(_app(), "exchange", None)
    if exchange is not None and who.name and not who.is_admin:  # an administrator may store what another one read
        exchange.corrections.note_sender(uids, who.name)


def _app() -> Any:
    from monailabel.interfaces.utils.app import app_instance

    return app_instance()


def _inferred(asked: dict[str, Any], output: str | None) -> Response:
    """Run the inference and put its answer in MONAI Label's form; the result's file is gone afterwards."""
    result = _app().infer(asked)
    labels = take_file(result.get("file") or result.get("label"))
    facts = finite(result.get("params") or {})
    if output == "json" or (labels is None and output != "image"):
        return JSONResponse(facts)
    if labels is None:
        raise Refusal(404, "That model answers without a label map; leave output away.")
    name, content = labels
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if output == "image":
        return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
    parts = MultipartEncoder({"params": (None, json.dumps(facts), "application/json"), "image": (name, content, kind)})
    return Response(parts.to_string(), media_type=parts.content_type)


def _needed(path: str, what: str) -> Path:
    if not path or not Path(path).is_file():
        raise Refusal(404, f"There is no {what}.")
    return Path(path)


def _file_answer(path: str, what: str) -> Response:
    file = _needed(path, what)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Response(file.read_bytes(), media_type=kind, headers={"Content-Disposition": f'attachment; filename="{file.name}"'})


def _check_sum(path: Path, check_sum: str | None) -> None:
    if check_sum is None:
        return
    found = CHECKSUM.fullmatch(check_sum)
    if found is None:
        raise Refusal(400, "check_sum cannot be read; it is SHA256:, SHA512: or MD5: and the sum in hexadecimal digits.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, (found[1] or "SHA256").lower()).hexdigest()
    if digest != found[2].lower():
        raise Refusal(404, "The series is there with another checksum.")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _gone(request: Request) -> None:
    """Returns when the client is no longer there; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _tell(request: Request, error: Exception) -> Response:
    """Any error as one sentence."""
    if isinstance(error, RequestValidationError):
        refusal = Refusal(422, validation_sentence(list(error.errors())))
    elif isinstance(error, HTTPException):
        refusal = Refusal(error.status_code, validation_sentence(error.detail), dict(error.headers or {}))
    else:
        refusal = refusal_of(error)
    body = b"" if request.method == "HEAD" else body_of(refusal)
    return Response(body, refusal.status, refusal.headers, "application/json")
