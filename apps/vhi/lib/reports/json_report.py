"""`vhi.json`: the numbers, strictly JSON, documented and versioned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .content import ReportContent

SCHEMA_FILE = Path(__file__).with_name("vhi.schema.json")


def json_text(content: ReportContent) -> str:
    """The text of `vhi.json`; no nan, no infinity, every number at full double precision."""
    return json.dumps(content.numbers, allow_nan=False, indent=1) + "\n"


def vhi_schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) that every `vhi.json` follows."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
