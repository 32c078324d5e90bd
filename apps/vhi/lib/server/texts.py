"""The words of the pages for readers: a table for each language in `ohif/texts`, read by the modules beside it and here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import SettingsError

TABLES = Path(__file__).parent / "ohif" / "texts"
ENGLISH = "en"


def languages(tables: Path = TABLES) -> list[str]:
    """The languages that there is a table of, by their codes (ISO 639-1)."""
    return sorted(path.stem for path in tables.glob("*.json"))


@cache
def texts_in(language: str, tables: Path = TABLES) -> Mapping[str, Any]:
    """The texts by their keys; where a table has none the English one.

    Returns
    -------
    mapping
        Of key to a text with `{names}` of values, or, where a count changes the words, to a text for each plural form of the
        Unicode CLDR (`one`, `other`, ...).

    Raises
    ------
    SettingsError
        There is no table of the language.
    """
    known = languages(tables)
    if language not in known:
        raise SettingsError(f"language is {language!r}; the panel has words in {' and '.join(known)}. Choose one of these.")
    english, own = (json.loads((tables / f"{name}.json").read_text(encoding="utf-8")) for name in (ENGLISH, language))
    return {**english, **own}


def module_of(language: str) -> str:
    """The JavaScript module `language.js`, which `ohif/texts.js` imports: `LANGUAGE` and `TEXTS`."""
    values = {"LANGUAGE": language, "TEXTS": texts_in(language)}
    return "".join(f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n" for name, value in values.items())
