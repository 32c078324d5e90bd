"""`demo`: synthetic studies, one measured with its report, and the server over them."""

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

from lib.cli.measure import measure
from lib.cli.phantom import phantom
from lib.cli.serve import APP_DIR, serve

START_WITHIN_S = 180.0
SHAPE = (336, 336, 25)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for studies and report.")] = Path("demo"),
    cases: Annotated[int, typer.Option(min=1, max=20, help="Synthetic studies.")] = 2,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Make synthetic studies, measure one, and serve them all.

    In a terminal the server runs until Ctrl-C. Elsewhere it is started on a free port, asked for its models and one VHI, and
    stopped.
    """
    studies = out / "studies"
    for seed in range(cases):
        phantom(out=studies / f"phantom-{seed + 1}", seed=seed, shape=SHAPE)
    first = studies / "phantom-1"
    measure(t1w=first / "t1w.nii.gz", stir=first / "stir.nii.gz", out=out / "report")
    if sys.stdout.isatty():
        serve(studies=studies, port=port)
    else:
        _try_server(studies, out / "server.log")


def _try_server(studies: Path, log: Path) -> None:
    """Start the server as its own process, ask it, stop it.

    Raises
    ------
    OutputError
        It did not start, or did not answer as it should; the log says more.
    """
    from lib.errors import OutputError

    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(APP_DIR), "serve", "--studies", str(studies), "--port", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            models = _asked(server, f"{url}/info/", None)["models"]
            fields = b"params=" + json.dumps({"client_id": "demo"}).encode()
            facts = _asked(server, f"{url}/infer/vhi?image=phantom-1_STIR&output=json", fields)
        except (OSError, KeyError, ValueError) as error:
            raise OutputError(f"The server did not answer as it should ({error}); see {log}.") from error
        finally:
            server.terminate()
            server.wait(60)
    typer.echo(f"server          {', '.join(models)} answered; VHI of phantom-1 {facts['vhi_mm3']['sensitive']:.0f} mm3; stopped")


def _asked(server: subprocess.Popen[bytes], url: str, fields: bytes | None) -> dict[str, dict[str, float]]:
    """The JSON that the server answers, waiting for it to start."""
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(url, fields, timeout=START_WITHIN_S) as answer:
                content: dict[str, dict[str, float]] = json.load(answer)
                return content
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
