"""Which case a reader is offered next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from lib.datastores.reader import reader_of
from lib.service.service import VhiService

# who looks around without a name is kept from nothing and keeps nothing
ANONYMOUS = "anonymous"


class NextCase(Strategy):
    """Offers cases, each by its STIR series, in one of the service's orders."""

    def __init__(self, service: VhiService, order: str, description: str) -> None:
        super().__init__(description)
        self._service = service
        self._order = order

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The image to read next, or nothing when every case is finished or with somebody else."""
        case = self._service.next_case(reader_of(request) or ANONYMOUS, order=self._order)
        return {"id": case.image_id("STIR")} if case else {}


def strategies(service: VhiService) -> dict[str, Strategy]:
    """All strategies by name."""
    return {
        "first": NextCase(service, "first", "Next case, in the order of their names"),
        "random": NextCase(service, "random", "Next case, in random order"),
    }
