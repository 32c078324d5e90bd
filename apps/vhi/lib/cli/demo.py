"""`demo`: synthetic studies, one measured with its report, and the server with the viewer over them as DICOM."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer

from .measure import measure
from .phantom import phantom
from .serve import APP_DIR, serve

START_WITHIN_S = 180.0
SHAPE = (336, 336, 25)
STUDY_DATE = "20250601"
# nothing else sends to this archive, so that nothing is waited for
AT_ONCE = ["pacs_settle_s=0"]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for studies and report.")] = Path("demo"),
    cases: Annotated[int, typer.Option(min=1, max=20, help="Synthetic studies.")] = 2,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Make synthetic studies, measure one, and serve them all.

    In a terminal the server runs until Ctrl-C, with the viewer for a browser. Elsewhere it is started on a free port, asked for
    its models, one VHI and the viewer, and stopped.
    """
    studies = out / "studies"
    for seed in range(cases):
        phantom(out=studies / f"phantom-{seed + 1}", seed=seed, shape=SHAPE)
    first = studies / "phantom-1"
    measure(t1w=first / "t1w.nii.gz", stir=first / "stir.nii.gz", out=out / "report")
    for folder in sorted(studies.glob("phantom-*")):
        _store(folder, out / "archive" / folder.name)
    if sys.stdout.isatty():
        serve(archive=out / "archive", data=out / "data", port=port, change=AT_ONCE)
    else:
        _try_server(out)


def _store(pair: Path, study: Path) -> None:
    """Write a pair as a DICOM study; one that is there, with what readers stored beside it, stays."""
    from ..studies.dicomize import Labels, write_dicom_study
    from .status import status

    if not study.exists():
        with status(f"Writing {pair.name} as DICOM"):
            write_dicom_study(study, pair / "t1w.nii.gz", pair / "stir.nii.gz", Labels(pair.name, STUDY_DATE))


def _try_server(out: Path) -> None:
    """Start the server as its own process, ask it, stop it.

    Raises
    ------
    OutputError
        It did not start, or did not answer as it should; the log says more.
    """
    from ..bound_socket import bound_socket
    from ..errors import OutputError

    with bound_socket("127.0.0.1", 0, "The demo", "stop other programs that listen") as free:
        port = free.getsockname()[1]
    log = out / "server.log"
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(APP_DIR), "serve", "--archive", str(out / "archive"), "--data", str(out / "data")]
    command += ["--port", str(port), *(word for one in AT_ONCE for word in ("--set", one))]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            models = _asked(server, f"{url}/info/", None)["models"]
            fields = b"params=" + json.dumps({"client_id": "demo"}).encode()
            series = _series_of(out / "archive" / "phantom-1" / "STIR")
            facts = _asked(server, f"{url}/infer/vhi?image={series}&output=json", fields)
            with urllib.request.urlopen(f"{url}/ohif/", timeout=START_WITHIN_S) as page:
                viewer = b"OHIF" in page.read()
        except (OSError, KeyError, ValueError) as error:
            raise OutputError(f"The server did not answer as it should ({error}); see {log}.") from error
        finally:
            server.terminate()
            server.wait(60)
    if not viewer:
        raise OutputError(f"The server did not answer with the viewer at {url}/ohif/; see {log}.")
    number = facts["vhi_mm3"]["sensitive"]
    typer.echo(f"server          {', '.join(models)} and viewer answered; phantom-1 uncleaned volume {number:.0f} mm3; stopped")


def _series_of(folder: Path) -> str:
    from ..studies.dicom_series import read_series

    return read_series(folder, "STIR")[1].series_uid


def _asked(server: subprocess.Popen[bytes], url: str, fields: bytes | None) -> dict[str, dict[str, float]]:
    """The JSON that the server answers, waiting for it to start and to know its studies."""
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(url, fields, timeout=START_WITHIN_S) as answer:
                content: dict[str, dict[str, float]] = json.load(answer)
                return content
        except urllib.error.URLError as error:
            # not found: the archive's studies are looked through soon after the start
            waits = not isinstance(error, urllib.error.HTTPError) or error.code == 404
            if not waits or server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
