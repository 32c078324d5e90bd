"""Which case a reader is offered next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from ..core.setting import option_cell
from ..datastores.reader import reader_of, sees_all
from ..service.ranking import DEFAULTS
from ..service.service import VhiService

# who looks around without a name is kept from nothing and keeps nothing
ANONYMOUS = "anonymous"
DESCRIPTIONS = {
    "first": "Next case, in the order of their names",
    "random": "Next case, in random order",
    # what both reached in simulation: docs/retraining.md
    "uncertain": "The case that the networks are least sure of; in simulation they learnt no more by it than by random cases",
    "diverse": "A case that the networks are unsure of and that is unlike labelled ones; in simulation no better than random",
    "review": "A submitted case whose disease region the networks dispute",
}


class NextCase(Strategy):
    """Offers cases, each by its STIR series, in one of the service's orders."""

    def __init__(self, service: VhiService, order: str, description: str) -> None:
        super().__init__(description)
        self._service = service
        self._order = order

    def config(self) -> dict[str, Any]:
        """The option table that viewers show."""
        options = DEFAULTS[self._order].items()
        return {name: option_cell(one[0], one) if isinstance(one, tuple) else option_cell(one) for name, one in options}

    def info(self) -> dict[str, Any]:
        return {**super().info(), "config": self.config()}

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The image to read next and why; without `id`, where there is none, and then `reason` says why."""
        reader = reader_of(request) or ANONYMOUS
        asked: dict[str, Any] = {
            "order": self._order,
            "reading": request.get("reading", 1),
            "values": request,
            "everyone": sees_all(),
        }
        offer = self._service.next_case(reader, **asked)
        if offer is None:
            return {"strategy": self._order, "reason": self._service.why_no_case(reader, **asked)}
        return {"id": offer.case.image_id("STIR"), "strategy": self._order, "reason": offer.reason, **offer.facts}


def strategies(service: VhiService) -> dict[str, Strategy]:
    """All strategies by name."""
    return {order: NextCase(service, order, words) for order, words in DESCRIPTIONS.items()}
