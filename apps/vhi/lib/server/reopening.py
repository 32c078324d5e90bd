"""`/vhi/reading`: what a reader handed in, for going on with it, and the number that a label map would have before it is kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from .answers import finite
from .requests import check_id, parse_params, uploaded_file
from .server_context import ServerContext

Reader = Annotated[str | None, Query(max_length=64)]
Number = Annotated[int, Query(ge=1, le=99)]


def add_reopening(api: FastAPI, context: ServerContext) -> None:
    """The routes; `client_id` names the reader where the server asks for no login, as in `/datastore/label`."""

    @api.get("/vhi/reading", tags=["VHI"], summary="This reader's newest submission of a reading, with its numbers and decisions")
    async def reading(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        check_id("image", image)
        told = {"client_id": client_id}
        info = await context.quickly(request, lambda: context.app.datastore().reading_info(image, reading, told))
        return JSONResponse(finite(info))

    @api.get("/vhi/reading/label", tags=["VHI"], summary="Its label map, in the values that /vhi/reading states as label_info")
    async def reading_label(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        check_id("image", image)
        told = {"client_id": client_id}
        content = await context.quickly(request, lambda: context.app.datastore().reading_label(image, reading, told))
        headers = {"Content-Disposition": 'attachment; filename="label.nii.gz"'}
        return Response(content, media_type="application/gzip", headers=headers)

    @api.post("/vhi/reading/preview", tags=["VHI"], summary="The number that a label map would have; nothing is kept")
    async def preview(
        request: Request, image: str, label: Annotated[UploadFile, File()], params: Annotated[str, Form()] = "{}"
    ) -> Response:
        given = parse_params(params, reserved=frozenset())
        check_id("image", image)

        def evaluate() -> dict[str, Any]:
            with uploaded_file(label.filename, label.file) as path:
                return dict(context.app.datastore().preview(image, str(path), given))

        result = await context.run(context.infer, request, context.config.inference_timeout_s, evaluate)
        return JSONResponse(finite(result))
