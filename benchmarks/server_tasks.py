"""How long a viewer waits for each inference task: request to label map, over HTTP, on one 336 x 336 x 25 pair.

A phantom, a server of its own, the client code of 3D Slicer. "first" is asked as soon as the server answers, while it loads its
networks and precomputes the case; "changed" asks with another setting each time, so that VHI is measured anew; "same" asks again
for what was answered before.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lib.cli.phantom import write_phantom
from lib.phantom.study import make_phantom
from serving import serving

REPEATS = 15
SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Print one table."""
    table = Table("task", "first s", "changed: median s", "worst s", "same: median s", "worst s", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    with tempfile.TemporaryDirectory(prefix="vhi-bench-") as name:
        folder = Path(name)
        write_phantom(make_phantom(3), folder / "studies" / "p3")
        with serving(folder / "studies", folder) as server:
            client = server.client("bench", folder)
            for task in ("disease_region", "normal_bone", "vhi", "vhi_clean"):
                clicks = {"label": "inflammation", "background": [[0, 0, 0]]} if task == "vhi_clean" else {}

                def ask(settings: dict[str, Any], task: str = task, clicks: dict[str, Any] = clicks) -> None:
                    client.infer(task, "p3_STIR", {**SLICER, **clicks, **settings})

                first = seconds(lambda: ask({}))
                same = [seconds(lambda: ask({})) for _ in range(REPEATS)]
                columns = [f"{first:.2f}"]
                if task.startswith("vhi"):
                    changed = [seconds(lambda n=n: ask({"min_pixels": n})) for n in range(5, 5 + REPEATS)]  # type: ignore[misc]
                    columns += [f"{statistics.median(changed):.3f}", f"{max(changed):.3f}"]
                else:
                    columns += ["", ""]
                table.add_row(task, *columns, f"{statistics.median(same):.3f}", f"{max(same):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
