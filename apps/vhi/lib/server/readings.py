"""A reader's reading of a case: going on with it, its number before it is kept, rating the region, the earlier visit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, File, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from .drafts import handed_in
from .refusals import finite
from .requests import check_id, parse_params, uploaded_file
from .server_context import ServerContext

Reader = Annotated[str | None, Query(max_length=64)]
Number = Annotated[int, Query(ge=1, le=99)]


def add_readings(api: FastAPI, context: ServerContext) -> None:
    """The routes; `client_id` names the reader where the server asks for no login, as in `/datastore/label`."""
    _add_reopening(api, context)
    _add_rating(api, context)
    _add_earlier(api, context)


def _add_reopening(api: FastAPI, context: ServerContext) -> None:
    """`/vhi/reading`: what a reader handed in, and the number that a label map would have."""

    @api.get("/vhi/reading", tags=["VHI"], summary="This reader's newest submission of a reading, with its numbers and decisions")
    async def reading(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        check_id("image", image)
        params = {"client_id": client_id}
        info = await context.quickly(request, lambda: context.app.datastore().reading_info(image, reading, params))
        return JSONResponse(finite(info))

    @api.get("/vhi/reading/label", tags=["VHI"], summary="Its label map, in the values that /vhi/reading states as label_info")
    async def reading_label(request: Request, image: str, reading: Number = 1, client_id: Reader = None) -> Response:
        check_id("image", image)
        params = {"client_id": client_id}
        content = await context.quickly(request, lambda: context.app.datastore().reading_label(image, reading, params))
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


def _add_rating(api: FastAPI, context: ServerContext) -> None:
    """`POST /vhi/rating`: how a reader rates the automatic disease region, without handing in a label map."""

    @api.post("/vhi/rating", tags=["VHI"], summary="Rate the automatic disease region of a case")
    async def rating(
        request: Request,
        image: Annotated[str, Body()],
        rating: Annotated[Literal["satisfactory", "corrected", "failed"], Body()],
        client_id: Annotated[str | None, Body(max_length=64)] = None,
        reading: Annotated[int, Body(ge=1, le=99)] = 1,
        draft: Annotated[str | None, Body(max_length=64)] = None,
    ) -> JSONResponse:
        check_id("image", image)
        params = {"client_id": client_id, "reading": reading, "draft": draft}

        def rate() -> str:
            made = context.app.datastore().rate(image, rating, params)
            handed_in(context, image, params)
            return str(made)

        made = await context.save_for(request, rate)
        return JSONResponse({"submission": made, "rating": rating})


def _add_earlier(api: FastAPI, context: ServerContext) -> None:
    """`/vhi/earlier`: the patient's earlier visit beside the open case; there is none in a blinded study."""

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
