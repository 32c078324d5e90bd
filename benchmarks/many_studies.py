"""What a server costs that knows very many studies: start, next case, the worklist's page and memory, for several numbers.

    PYTHONPATH=apps/vhi python benchmarks/many_studies.py [--studies 5000 50000] [--source archive folder]

Studies of an archive are written into the register as they would have been found, since finding them takes the archive's time;
the archive itself is not there and is not asked. Those of a folder are files of two tiny slices. Nobody has handed anything in.
Every number is measured in a process of its own. The slope is what 1,000 studies more cost, between the smallest and the largest
number.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 5
PAGE = 200  # rows that the worklist's page asks for
ROWS = ("start (s)", "next case (s)", "next case of another reader (s)", "worklist page (s)", "look again (s)", "memory (MB)")


def seconds(act: Callable[[], Any], repeats: int = REPEATS) -> float:
    """CPU seconds of this process, the median."""
    took = []
    for _ in range(repeats):
        began = time.process_time()
        act()
        took.append(time.process_time() - began)
    return float(np.median(took))


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def write_register(data: Path, studies: int) -> None:
    """Studies of an archive as they are known once they were found."""
    from lib.pacs.register import ArchivedStudy, Register, SeriesPair, key_of
    from lib.studies.pairing import ROLES, Archived

    def known_studies() -> Iterator[ArchivedStudy]:
        for n in range(studies):
            study, t1w, stir = (f"2.25.{n + 1}{end}" for end in ("", "01", "02"))
            series = Archived(study, t1w, stir)
            key = key_of(series, {role: [f"{series.series_uid(role)}.{k}" for k in range(2)] for role in ROLES})
            yield ArchivedStudy(study, "20250601", "2/4", examined=time.time(), pair=SeriesPair(series, key))

    (data / "pacs").mkdir(parents=True)
    register = Register(data / "pacs" / "studies.sqlite")
    register.put(known_studies())
    register.close()


def write_folder(folder: Path, studies: int) -> None:
    """Files of two slices, 100 cases a folder."""
    import nibabel as nib

    image = nib.Nifti1Image(np.arange(32, dtype=np.int16).reshape(4, 4, 2), np.diag([1.0, 1.0, 3.0, 1.0]))
    content = image.to_bytes()
    for n in range(studies):
        place = folder / f"{n // 100:04d}"
        if n % 100 == 0:
            place.mkdir(parents=True)
        for role in ("T1W", "STIR"):
            (place / f"S{n:06d}_{role}.nii").write_bytes(content)


def measured(source: str, work: Path, studies: int) -> dict[str, float]:
    """In a process of its own: what a service costs that knows them."""
    from lib.pacs.archive_cases import PacsCases, PacsConfig
    from lib.pacs.client import Archive
    from lib.service.service import VhiService

    before, began = resident_mb(), time.process_time()
    if source == "archive":
        nobody = Archive("http://127.0.0.1:9/dicom-web", None, None, timeout_s=1)
        service = VhiService(PacsCases(nobody, work / "data", config=PacsConfig()), data=work / "data")
    else:
        service = VhiService(work / "studies", data=work / "data")
    start = time.process_time() - began
    assert len(service.cases.index.cases) == studies, len(service.cases.index.cases)
    return dict(
        zip(
            ROWS,
            (
                start,
                seconds(lambda: service.next_case("anna")),
                seconds(lambda: service.next_case("ben", order="random")),
                seconds(lambda: service.reading_list.page("anna", limit=PAGE)),
                seconds(service.cases.refresh),
                resident_mb() - before,
            ),
            strict=True,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--source", nargs="+", choices=("archive", "folder"), default=["archive", "folder"])
    parser.add_argument("--measure", nargs=2, metavar=("SOURCE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measured(asked.measure[0], Path(asked.measure[1]), asked.studies[0])))
        return
    for source in asked.source:
        by_size = {}
        for studies in sorted(asked.studies):
            with tempfile.TemporaryDirectory() as name:
                work = Path(name)
                (work / "data").mkdir()
                write_register(work / "data", studies) if source == "archive" else write_folder(work / "studies", studies)
                command = [sys.executable, __file__, "--studies", str(studies), "--measure", source, str(work)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(done.stderr[-2000:])
                by_size[studies] = json.loads(done.stdout.splitlines()[-1])
        few, many = min(by_size), max(by_size)
        print(f"\nStudies of {'an archive' if source == 'archive' else 'a folder'}, CPU seconds\n")
        print("| | " + " | ".join(f"{studies:,}" for studies in by_size) + " | per 1,000 more |")
        print("|---|" + "---|" * (len(by_size) + 1))
        for row in ROWS:
            slope = 1000 * (by_size[many][row] - by_size[few][row]) / max(many - few, 1)
            print(f"| {row} | " + " | ".join(f"{one[row]:.3g}" for one in by_size.values()) + f" | {slope:.2g} |")


if __name__ == "__main__":
    main()
