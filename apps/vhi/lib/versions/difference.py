"""Differences between two trained versions, by their manifests."""

from __future__ import annotations

from typing import Any, TypeGuard

from .manifest import Manifest

_FIELDS = ("parent", "code_version", "members", "pixel_spacing_mm", "flip", "seeds")


def case_changes(a: Manifest, b: Manifest) -> dict[str, list[str]]:
    """Ids of the cases that `b` added, removed, or learnt with another mask, and of unlabelled ones added or removed."""
    old = {case.case_id: case.label_sha256 for case in a.training_cases}
    new = {case.case_id: case.label_sha256 for case in b.training_cases}
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "label changed": sorted(case for case in old.keys() & new.keys() if old[case] != new[case]),
        "unlabelled, added": sorted(set(b.unlabelled_cases) - set(a.unlabelled_cases)),
        "unlabelled, removed": sorted(set(a.unlabelled_cases) - set(b.unlabelled_cases)),
    }


def setting_changes(a: Manifest, b: Manifest) -> list[tuple[str, Any, Any]]:
    """`(name, value in a, value in b)` of every network, recipe and seed field that differs; None where there is none."""
    first, second = _settings(a), _settings(b)
    return [(name, first.get(name), second.get(name)) for name in first | second if first.get(name) != second.get(name)]


def metric_rows(a: Manifest, b: Manifest) -> list[tuple[str, Any, Any, float | None]]:
    """`(name, value in a, value in b, b - a)` of every number, and of every text that differs; lists are left out.

    A text says what was measured: where it differs, the numbers beside it cannot be compared as they stand.
    """
    first, second = _flat(a.metrics or {}), _flat(b.metrics or {})
    rows: list[tuple[str, Any, Any, float | None]] = []
    for name in first | second:
        x, y = first.get(name), second.get(name)
        if _is_number(x) and _is_number(y):
            # metrics have four decimals, and the difference of two floats has fifteen
            rows.append((name, x, y, round(y - x, 6)))
        elif isinstance(x, list) or isinstance(y, list):
            continue  # slice by slice: that is for programs and for the model card
        elif _is_number(x) or _is_number(y) or x != y:
            rows.append((name, x, y, None))
    return rows


def _settings(manifest: Manifest) -> dict[str, Any]:
    """Everything that made a version, by dotted name."""
    own = {name: getattr(manifest, name) for name in _FIELDS}
    return own | _per_member(manifest.networks, "network.") | _per_member(manifest.recipes, "recipe.")


def _per_member(entries: list[dict[str, Any]], prefix: str) -> dict[str, Any]:
    """A field once where all members share it, else a list of each one's."""
    members = [_flat(entry) for entry in entries]
    fields = {}
    for name in dict.fromkeys(name for member in members for name in member):
        values = [member.get(name) for member in members]
        fields[prefix + name] = values[0] if all(value == values[0] for value in values) else values
    return fields


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
