"""Ten thousand studies in an archive: how long a list, the next case and a look at the archive take.

    PYTHONPATH=apps/vhi:tests python benchmarks/pacs_studies.py [--archive orthanc] [--studies 10000] [--stored 300]

Every study holds a T1W and a STIR series of two tiny slices. A part of them is found by asking the archive for their headers, as
the server does it; what is known of the others is written into the register as it would have been found, since that takes the
archive's time, not the server's. With fewer `--stored` than `--studies` the others are in the register alone, and looks at the
archive are left out, which would find them gone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from archives import ARCHIVES
from lib.core.volume import Grid, Volume
from lib.datastores.case_datastore import CaseDatastore
from lib.pacs.archive_cases import PacsCases, PacsConfig
from lib.pacs.client import Archive
from lib.pacs.register import ArchivedStudy, SeriesPair, key_of
from lib.service.service import VhiService
from lib.studies.pairing import ROLES, Archived
from mrseries import mr_series

PHYSICS = {
    "T1W": {"RepetitionTime": 600, "EchoTime": 10, "ScanningSequence": "SE"},
    "STIR": {"RepetitionTime": 4000, "EchoTime": 40, "InversionTime": 210, "ScanningSequence": ["SE", "IR"]},
}
SLICES = 2
BATCH = 200


def uid_of(*parts: object) -> str:
    return generate_uid(entropy_srcs=["benchmark", *map(str, parts)])


def study(number: int) -> Iterator[Dataset]:
    """The instances of one study."""
    scan = Volume(np.arange(16.0 * SLICES).reshape(4, 4, SLICES), Grid((4, 4, SLICES), np.diag([1.0, 1.0, 3.0, 1.0])))
    for role in ROLES:
        labels = {"StudyInstanceUID": uid_of(number), "PatientID": f"P{number}", "SeriesInstanceUID": uid_of(number, role)}
        for k, one in enumerate(mr_series(scan, role, **PHYSICS[role], **labels)):
            one.SOPInstanceUID = uid_of(number, role, k)
            yield one


def known(number: int) -> SeriesPair:
    """What is found out about a study."""
    series = Archived(uid_of(number), uid_of(number, "T1W"), uid_of(number, "STIR"))
    return SeriesPair(series, key_of(series, {role: [uid_of(number, role, k) for k in range(SLICES)] for role in ROLES}))


def seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", choices=sorted(ARCHIVES), default="embedded")
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--stored", type=int, default=None)
    parser.add_argument("--examined", type=int, default=100)
    options = parser.parse_args()
    stored = options.studies if options.stored is None else min(options.stored, options.studies)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        archive = ARCHIVES[options.archive](work / "archive")
        archive.start()
        try:
            measure(archive, work / "data", options.studies, stored, options.examined)
        finally:
            archive.stop()


def measure(archive: Any, data: Path, studies: int, stored: int, examined: int) -> None:
    client = Archive(archive.url, archive.user or None, archive.password or None, timeout_s=600)
    for first in range(0, stored, BATCH):
        client.store(one for number in range(first, min(stored, first + BATCH)) for one in study(number))
    config = PacsConfig(pacs_settle_s=0, pacs_look_s=0)
    cases = PacsCases(client, data, config=config)
    rows = [(f"the archive lists the {stored} studies in it", seconds(lambda: client.studies(ModalitiesInStudy="MR")))]

    # a first look, of which only `examined` studies are asked for; the others as they would have been found
    cases._list()
    numbers = {uid_of(number): number for number in range(studies)}
    asked = cases.register.all()[:examined]
    examined_studies: list[ArchivedStudy] = []
    took = seconds(lambda: examined_studies.extend(cases._examined(one, lambda _: False) for one in asked))
    assert all(one.pair == known(numbers[one.uid]) for one in examined_studies)
    rows.append((f"headers of one study are asked for and paired (mean of {examined})", took / max(1, examined)))
    beside = [ArchivedStudy(uid_of(number), "20250601", "2/4", examined=time.time()) for number in range(stored, studies)]
    listed = [replace(one, examined=time.time()) for one in cases.register.all()]
    cases.register.put(replace(one, pair=known(numbers[one.uid])) for one in (*listed, *beside) if one.uid in numbers)
    cases.register.close()

    began: list[VhiService] = []
    rows.append(
        (
            "start: what is known is read",
            seconds(lambda: began.append(VhiService(PacsCases(client, data, config=config), data=data))),
        )
    )
    service = began[0]
    store = CaseDatastore(service)
    assert len(service.cases.index.cases) == studies
    rows += [
        ("list of all images", seconds(store.list_images)),
        ("state of the studies, as /info tells it", seconds(store.status)),
        ("next case of a reader", seconds(lambda: service.next_case("anna"))),
        ("next case of another reader, in random order", seconds(lambda: service.next_case("ben", order="random"))),
    ]
    # what it takes for a study that arrives: one search, and the requests of that study
    if stored == studies:
        rows.append(("a look at the archive, nothing new", seconds(service.cases.look)))
        client.store(study(studies))
        rows.append(("a look at the archive, one study new", seconds(service.cases.look)))
    else:
        cases_now = service.cases.source
        assert isinstance(cases_now, PacsCases)
        cases_now.register.put([ArchivedStudy(uid_of(studies), examined=time.time(), pair=known(studies))])
    rows.append(("the list of cases is made again, with one more", seconds(service.cases.refresh)))
    assert len(service.cases.index.cases) == studies + 1
    print(f"{studies} studies, {stored} of them in the {archive.name} archive\n")
    print("| | seconds |\n|---|---|")
    for what, took in rows:
        print(f"| {what} | {took:.3f} |")


if __name__ == "__main__":
    main()
