"""Information, inference, next sample: with MONAI Label's addresses and answers."""

from __future__ import annotations

import mimetypes
import time
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from requests_toolbelt import MultipartEncoder
from starlette.datastructures import UploadFile as StarletteUpload

from .config import is_loopback
from .identity import current_identity
from .login import MAY_FETCH_KEY
from .refusals import Refusal, finite, json_text
from .requests import check_id, check_is_form, check_params, parse_params, take_file, uploaded_file
from .server_context import ServerContext, address_of

INFO_AGE_S = 0.5
# models that measure with regions which a reader drew and has not submitted
DRAWN_ON = ("vhi", "vhi_clean", "normal_bone_clicks")


def add_inference(api: FastAPI, context: ServerContext) -> None:
    """Information, inference, next sample."""
    known: dict[tuple[str, int], tuple[float, bytes]] = {}

    def information() -> bytes:
        # clients ask for it before every action; half a second old is new enough where nothing was saved since, and leaves the
        # processor to inference
        key = current_identity().name or "", context.save.ended
        made, content = known.get(key, (0.0, b""))
        if time.monotonic() - made > INFO_AGE_S:
            content = json_text(context.app.info()).encode()
            known.clear()
            known[key] = time.monotonic(), content
        return content

    @api.get("/info/", tags=["App"], summary="Models, their options, strategies, counts of cases")
    async def info(request: Request) -> Response:
        content = await context.quickly(request, information)
        return Response(content, media_type="application/json")

    @api.post("/infer/{model}", tags=["Infer"], summary="Run a model on a series; label map and facts as multipart/form-data")
    async def infer(  # noqa: PLR0913 parts of a request
        request: Request,
        model: str,
        image: str = "",
        session_id: str = "",
        params: Annotated[str, Form()] = "{}",
        file: Annotated[UploadFile | str | None, File()] = None,
        label: Annotated[UploadFile | str | None, File()] = None,
        output: Literal["image", "json", "all"] | None = None,
    ) -> Response:
        check_is_form(request.headers)
        if session_id:
            raise Refusal(
                400, "Sessions are closed: VHI needs both series of a visit; put them into the server's studies folder."
            )
        if file or (label and (isinstance(label, str) or model not in DRAWN_ON)):
            raise Refusal(
                400,
                "Images are not uploaded: VHI needs both series of a visit, from the server's studies folder. A label map with "
                f"regions to measure with is taken as the file label by {' and '.join(DRAWN_ON)} alone.",
            )
        asked = {**parse_params(params), "model": check_id("model", model), "image": check_id("image", image)}

        def answer() -> Response:
            if not isinstance(label, StarletteUpload):
                return _answer(context.app.infer(asked), output)
            with uploaded_file(label.filename, label.file) as path:
                return _answer(context.app.infer({**asked, "drawn_file": str(path)}), output)

        return await context.run(context.infer, request, context.config.inference_timeout_s, answer)

    @api.post("/activelearning/{strategy}", tags=["ActiveLearning"], summary="The next case for this reader")
    async def next_sample(request: Request, strategy: str, params: Annotated[Any, Body()] = None) -> Response:
        asked = {**check_params(params), "strategy": check_id("strategy", strategy)}
        sample = finite(await context.quickly(request, lambda: context.app.next_sample(asked)) or {})
        address = address_of(request)
        if sample.get("id") and request.scope.get(MAY_FETCH_KEY):
            context.login.grants.give(address, sample["id"], current_identity())
        if not is_loopback(address):
            sample.pop("path", None)  # a file on the server says nothing elsewhere
        return JSONResponse(sample)


def _answer(result: dict[str, Any], output: str | None) -> Response:
    """The result of an inference in MONAI Label's form; its file is gone afterwards."""
    labels = take_file(result.get("file") or result.get("label"))
    facts = json_text(result.get("params") or {})
    if output == "json" or (labels is None and output != "image"):
        return Response(facts, media_type="application/json")
    if labels is None:
        raise Refusal(404, "That model answers without a label map; leave output away.")
    name, content = labels
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if output == "image":
        return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
    parts = MultipartEncoder({"params": (None, facts, "application/json"), "image": (name, content, kind)})
    return Response(parts.to_string(), media_type=parts.content_type)
