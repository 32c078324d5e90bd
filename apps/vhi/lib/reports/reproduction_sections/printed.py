"""The numbers that the paper prints: its own arithmetic, and those that no public file allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...reproduction.comparison import Comparison, paper
from ...reproduction.comparisons import ARITHMETIC
from ..cohort_content import PAPER, Section
from ..parts import Table
from .shared import printed_table


def arithmetic_section(groups: Mapping[str, Sequence[Comparison]]) -> Section:
    own = groups.get(ARITHMETIC, [])
    return Section(
        key="arithmetic",
        title="The paper's own arithmetic",
        n=f"{len(own)} numbers",
        method="Printed numbers recomputed from other printed numbers: middles of intervals, sums, P values by Student's t.",
        source=PAPER,
        findings=(
            "The gain over manual reading, printed as 28-31%, is in hundredths of Dice; relative to manual it is 50 to 58%.",
            "SPARCC non-responders are counted of 12 where VHI counts 13; with 13 the sum of 18 agreeing subjects is of 29.",
        ),
        tables=(printed_table("Recomputed", own),),
    )


def not_public_section() -> Section:
    rows = tuple(
        (item["where"], item["what"], item["published"].replace("-", "−"), item["why"]) for item in paper()["not_public"]
    )
    return Section(
        key="not_public",
        title="What cannot be reproduced from public data",
        n=f"{len(rows)} results",
        method="From the paper's list of results, what no file of the repository allows.",
        source=PAPER,
        tables=(Table("Not reproducible, and why", ("paper", "what", "published", "why not"), rows, text_columns=4),),
    )
