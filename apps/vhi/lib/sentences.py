"""Sentences as readers are shown them."""

from __future__ import annotations

import re

_DOTTED = r"(?:2\.25\.\d{9,}|\d+(?:\.\d+){4,})"  # those made of UUIDs have three numbers
_KIND = r"[Cc]ase|[Ss]tudy|[Ss]eries|[Ii]mage|[Ss]egmentation"
_NAMED = re.compile(rf"\b(?P<none>no )?(?P<kind>{_KIND}) '?{_DOTTED}(?:_T1W|_STIR)?'?")
_UID = re.compile(rf" ?\(?'?{_DOTTED}'?\)?")
_AT_ADDRESS = re.compile(r"\bAt https?://[^\s,;()]*[^\s,;().]")
_ADDRESS = re.compile(r" '?https?://[^\s,;()]*[^\s,;().']'?")


def without_uids(text: str) -> str:
    """A sentence without UIDs and addresses, which say nothing to a reader.

    What a UID names is named by its kind: "Case 1.2.840.1.2 is ..." becomes "This case is ...".
    """
    text = _ADDRESS.sub("", _AT_ADDRESS.sub("At its address", text))
    return _UID.sub("", _NAMED.sub(_by_kind, text))


def _by_kind(match: re.Match[str]) -> str:
    kind = match["kind"]
    if match["none"]:
        return f"no such {kind}"
    article = "a" if kind.lower() in ("series", "segmentation") else "this"
    return f"{article.capitalize() if kind[0].isupper() else article} {kind.lower()}"
