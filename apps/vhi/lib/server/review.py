"""The review of finished cases, for administrators: where two readings differ, and what was recorded of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Body, FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from .identity import current_identity
from .refusals import finite
from .requests import check_id
from .server_context import ServerContext

Name = Annotated[str, Query(max_length=80)]


def add_review(api: FastAPI, context: ServerContext) -> None:
    """Add the routes `/vhi/review` and `/vhi/reviews`."""

    @api.get("/vhi/review", tags=["VHI"], summary="The finished readings of a case, and what was recorded of their differences")
    async def review(request: Request, image: str) -> Response:
        check_id("image", image)
        return JSONResponse(finite(await context.quickly(request, lambda: context.app.service.reviewing.facts(image))))

    @api.get("/vhi/review/differences", tags=["VHI"], summary="The slices in which two readings of a case differ")
    async def differences(request: Request, image: str, first: Name, second: Name) -> Response:
        check_id("image", image)
        compared = await context.quickly(request, lambda: context.app.service.reviewing.differences(image, first, second))
        return JSONResponse(finite(compared))

    @api.get("/vhi/review/labels", tags=["VHI"], summary="Both masks on STIR: 1 the first reading, 2 the second, 3 both")
    async def labels(request: Request, image: str, first: Name, second: Name) -> Response:
        check_id("image", image)

        content = await context.quickly(request, lambda: context.app.datastore().review_labels(image, first, second))
        return Response(content, media_type="application/gzip")

    @api.post("/vhi/review", tags=["VHI"], summary="Record the class of a difference, or of the case")
    async def record(  # noqa: PLR0913 parts of a request
        request: Request,
        image: Annotated[str, Body()],
        first: Annotated[str, Body(max_length=80)],
        second: Annotated[str, Body(max_length=80)],
        reason: Annotated[str, Body(max_length=80)],
        slice_number: Annotated[int | None, Body(alias="slice", ge=0)] = None,
        note: Annotated[str, Body(max_length=100_000)] = "",
    ) -> Response:
        check_id("image", image)
        by = current_identity().name or "local"
        review = await context.save_for(
            request, lambda: context.app.service.reviewing.record(image, (first, second), slice_number, reason, note, by)
        )
        return JSONResponse(asdict(review))

    @api.get("/vhi/reviews", tags=["VHI"], summary="Everything that was recorded, as JSON or CSV")
    async def reviews(request: Request, form: Literal["json", "csv"] = "json") -> Response:
        reviewing = context.app.service.reviewing
        if form == "json":
            return JSONResponse({"reviews": await context.quickly(request, reviewing.all)})
        headers = {"Content-Disposition": 'attachment; filename="reviews.csv"'}
        return Response(await context.quickly(request, reviewing.as_csv), media_type="text/csv; charset=utf-8", headers=headers)
