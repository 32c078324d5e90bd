"""`POST /vhi/rating`: how a reader rates the automatic disease region, without handing in a label map."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse

from .drafts import handed_in
from .requests import check_id
from .server_context import ServerContext


def add_rating(api: FastAPI, context: ServerContext) -> None:
    """The route; `client_id` names the reader where the server asks for no login, as in `/datastore/label`."""

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
        told = {"client_id": client_id, "reading": reading, "draft": draft}

        def rate() -> str:
            made = context.app.datastore().rate(image, rating, told)
            handed_in(context, image, told)
            return str(made)

        made = await context.save_for(request, rate)
        return JSONResponse({"submission": made, "rating": rating})
