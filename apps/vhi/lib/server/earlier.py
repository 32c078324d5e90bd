"""`/vhi/earlier`: the patient's earlier visit beside the open case; there is none in a blinded study."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from .answers import finite
from .requests import check_id
from .server_context import ServerContext

Reader = Annotated[str | None, Query(max_length=64)]
Number = Annotated[int, Query(ge=1, le=99)]


def add_earlier(api: FastAPI, context: ServerContext) -> None:
    """The routes; `client_id` names the reader where the server asks for no login, as in `/datastore/label`."""

    @api.get("/vhi/earlier", tags=["VHI"], summary="The earlier visit that is shown beside a case: its day, reader and threshold")
    async def earlier(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        check_id("image", image)

        def look() -> dict[str, Any]:
            return dict(context.app.datastore().earlier_facts(image, reading, {"client_id": client_id}))

        return JSONResponse(finite(await context.run(context.infer, request, context.config.inference_timeout_s, look)))

    async def file(request: Request, image: str, part: Literal["image", "label"], reading: int, reader: str | None) -> Response:
        check_id("image", image)

        def read() -> bytes:
            return bytes(context.app.datastore().earlier_file(image, part, reading, {"client_id": reader}))

        content = await context.run(context.infer, request, context.config.inference_timeout_s, read)
        headers = {"Content-Disposition": f'attachment; filename="earlier-{part}.nii.gz"'}
        return Response(content, media_type="application/gzip", headers=headers)

    @api.get("/vhi/earlier/image", tags=["VHI"], summary="Its STIR, laid over that of the case")
    async def image_file(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        return await file(request, image, "image", reading, client_id)

    @api.get("/vhi/earlier/label", tags=["VHI"], summary="What its reading kept, as 1 on the same grid")
    async def label_file(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        return await file(request, image, "label", reading, client_id)
