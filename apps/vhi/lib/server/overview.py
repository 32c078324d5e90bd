"""The state of the server, beside MONAI Label's own addresses: reports, submissions, cases, the archive."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from .identity import current_identity
from .refusals import Refusal, finite, for_readers
from .requests import check_id
from .server_context import ServerContext

FORMS = {"json": "application/json", "html": "text/html; charset=utf-8", "pdf": "application/pdf"}


def add_overview(api: FastAPI, context: ServerContext) -> None:
    """The routes `/vhi/report`, `study`, `submissions`, `share`, `cases` and `archive`."""

    @api.get("/vhi/report", tags=["VHI"], summary="The report of a reader's newest submission, or of one of them")
    async def report(
        request: Request,
        image: str,
        reader: Annotated[str | None, Query(max_length=64)] = None,
        form: Literal["json", "html", "pdf"] = "json",
        submission: Annotated[str | None, Query(max_length=80)] = None,
    ) -> Response:
        check_id("image", image)
        asked = _reader_asked(reader)

        by = current_identity().name

        def read() -> bytes:
            service = context.app.service
            content = Path(service.report(image, asked, form, by=by, submission=submission)).read_bytes()
            return content if form != "html" else with_fate(content, service.fate(image, asked, submission))

        return Response(await context.quickly(request, read), media_type=FORMS[form])

    @api.get(
        "/vhi/study", tags=["VHI"], summary="The T1W and STIR series of a study in the archive, or why it cannot be read yet"
    )
    async def study(request: Request, study: str) -> Response:
        check_id("study", study)
        return JSONResponse(await context.quickly(request, lambda: _series_of(context.app.service.cases.index, study)))

    @api.get("/vhi/submissions", tags=["VHI"], summary="Submissions of a case: this reader's; all of them for an administrator")
    async def submissions(request: Request, image: str, reader: Annotated[str | None, Query(max_length=64)] = None) -> Response:
        check_id("image", image)
        asked = _reader_asked(reader)

        def look() -> list[dict[str, Any]]:
            handed_in, known = context.app.service.submissions(image, asked), context.app.service.fates()
            rows = [
                {"id": submission.submission_id, **asdict(submission), "fate": known.of(submission, handed_in)}
                for submission in handed_in
            ]
            # of a blinded study the UID of the Segmentation that one was read from would lead to the patient
            return [{**submission, "source": None} for submission in rows] if context.is_blinded else rows

        return JSONResponse(finite(await context.quickly(request, look)))

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
        await context.quickly(request, lambda: context.app.service.share(image, submission, admin=admin, **parts))
        return JSONResponse({"shared": submission})

    @api.get("/vhi/cases", tags=["VHI"], summary="Every case and its state; what waits, and why")
    async def cases(request: Request) -> Response:
        return JSONResponse(finite(await context.quickly(request, lambda: _states(context.app.service))))

    @api.get(
        "/vhi/archive", tags=["VHI"], summary="What waits to be stored in the archive; segmentations there that were refused"
    )
    async def archive(request: Request, reader: Annotated[str | None, Query(max_length=64)] = None) -> Response:
        asked = _reader_asked(reader)

        def state() -> dict[str, Any]:
            archive_sync = getattr(context.app, "archive_sync", None)
            if archive_sync is None:
                raise Refusal(404, "The studies of this server are a folder; there is no archive.")
            return dict(archive_sync.state(asked))

        return JSONResponse(finite(await context.quickly(request, state)))


def _series_of(index: Any, study_uid: str) -> dict[str, str | None]:
    """UIDs of T1W and STIR; None both where the study is no case, with the reason."""
    viewed = next((case.viewed for case in index.cases if case.viewed and case.viewed.study_uid == study_uid), None)
    if viewed is not None:
        return {"t1w": viewed.t1w_uid, "stir": viewed.stir_uid, "why": None}
    return {"t1w": None, "stir": None, "why": for_readers(index.why_waiting(study_uid) or "") or None}


def _reader_asked(reader: str | None) -> str | None:
    """Whose work is meant: one's own; an administrator may name another reader, or nobody for all."""
    who = current_identity()
    if who.is_admin:
        return reader
    if reader not in (None, who.name):
        raise Refusal(403, "Readers see their own work alone; an administrator sees that of others.")
    return who.name


def with_fate(report: bytes, sentence: str | None) -> bytes:
    """A report in HTML with what became of the region since it was handed in, at its end: the stored file stays as it was."""
    if sentence is None:
        return report
    body, end, rest = report.rpartition(b"</body>")
    return body + f'<p id="fate">What became of the disease region: {escape(sentence)}</p>'.encode() + end + rest


def _states(service: Any) -> dict[str, Any]:
    """Every case with who submitted what, and what waits with its reason."""
    index, ratings = service.cases.index, service.readings.ratings()
    cases, known = [], service.fates()
    for case in index.cases:
        made = service.readings.of_case(case.case_id)
        handed_in = [
            {
                "id": submission.submission_id,
                "reader": submission.reader,
                "reading": submission.reading,
                "created": submission.created,
                "measured": submission.measured,
                "fate": known.of(submission, made),
            }
            for submission in made
        ]
        cases.append({"case": case.case_id, "submissions": handed_in, "ratings": ratings.get(case.case_id, {})})
    return {
        "cases": cases,
        "waiting": [{"name": waiting.name, "reason": waiting.reason} for waiting in index.waiting],
        "damaged": [{"name": finding.name, "files": list(finding.files)} for finding in service.findings() if finding.files],
    }
