"""The tables of a report: volumes, thresholds, lesions, other sequences, settings, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.anatomy import PartExtent, ZoneExtent
from ..core.measurement import Extent
from ..core.numbers import printable
from ..core.pipeline import VhiResult
from ..core.propagation import ImageStatistics, RegionStatistics
from ..core.settings import VhiSettings
from ..core.stages import name_of
from ..core.thresholds import PAPER
from .parts import Table
from .sentences import changed_settings, no_inflammation, on_slices
from .stages import proposal_cells
from .wording import slice_numbers, typeset, value_words

MOST_PARTS = 6


def volumes_table(result: VhiResult) -> Table:
    """Both grades by side."""
    m = result.measurement
    sides = (("Both sides", m.total), ("Patient's right", m.right), ("Patient's left", m.left))
    left_out = ((f"Left out: {zone.zone}", zone) for zone in m.left_out)
    rows: list[tuple[str, Extent | PartExtent | ZoneExtent]] = [*sides, *_largest_parts(result), *left_out]
    return Table(
        "Volumes",
        (f"{name_of(result.stage)} (mm³)", "sensitive", "conservative"),
        tuple((name, f"{part.sensitive_mm3:,.0f}", f"{part.conservative_mm3:,.0f}") for name, part in rows),
        f"Sensitive counts every voxel at or above {result.thresholds.sensitive:.1f}, conservative those at or above "
        f"{result.thresholds.conservative:.1f}. Volumes use the spacing between slices.",
    )


def _largest_parts(result: VhiResult) -> list[tuple[str, PartExtent]]:
    """Where most of it lies, by part of the pelvis and side; vhi.json has all of them."""
    largest = sorted(result.measurement.parts, key=lambda part: -part.sensitive_mm3)[:MOST_PARTS]
    return [(f"{part.part.capitalize()}, {part.side}", part) for part in largest if part.sensitive_mm3]


def thresholds_table(result: VhiResult) -> Table:
    """Both thresholds and what they follow from."""
    t = result.thresholds
    upper = f"{result.settings.threshold_rule.upper_limit(t.rule)} of normal bone"
    share = result.thresholds.sensitive - t.q3
    return Table(
        "Thresholds",
        ("", "STIR intensity", "how"),
        (
            ("Rule", t.rule, "Hepburn et al. 2023, section 2.5.2" if t.rule == PAPER else "not the paper's; docs/thresholds.md"),
            ("Sensitive", f"{t.sensitive:.4f}", f"Q3 + {t.multiple:.5g} × IQR = {t.q3:.4f} + {share:.4f}"),
            ("Conservative", f"{t.conservative:.4f}", upper),
            ("Q1, Q3", f"{t.q1:.4f}, {t.q3:.4f}", "quartiles of normal bone"),
            ("IQR", f"{t.iqr:.4f}", "Q3 − Q1"),
            ("Normal bone", f"{t.n_normal_bone:,} voxels", f"{on_slices(result)} ({printable(result.normal_bone_source)})"),
        ),
        text_columns=3,
    )


def lesions_table(result: VhiResult) -> Table:
    """All lesions, the largest first."""
    proposed = proposal_cells(result)
    return Table(
        "Lesions",
        (
            *("no.", "side", "slices", "mm³", "voxels", "× sensitive", "conservative", "centre x, y, z (mm)"),
            *(() if proposed is None else ("proposal",)),
        ),
        tuple(
            (
                str(lesion.id),
                lesion.side,
                slice_numbers(lesion.slices),
                f"{lesion.mm3:,.1f}",
                f"{lesion.voxels:,}",
                f"{lesion.relative_to_sensitive:.2f}",
                f"{100 * lesion.conservative_share:.0f}%",
                ", ".join(f"{mm:.1f}" for mm in lesion.centroid_mm),
                *(() if proposed is None else (proposed[n],)),
            )
            for n, lesion in enumerate(result.lesions)
        ),
        "A lesion is a group of voxels that touch in three dimensions. × sensitive: its mean STIR intensity over the sensitive "
        "threshold; conservative: share of its voxels at or above that threshold; centre: RAS+ (right, anterior, superior "
        "positive); side: the patient's; slices are counted from 1."
        if result.lesions
        else no_inflammation(result),
        text_columns=3,
    )


def image_tables(statistics: ImageStatistics, files: Mapping[str, str]) -> Iterable[Table]:
    """The regions on another sequence of the visit."""
    name = printable(files.get(statistics.image, statistics.image))
    header = ("voxels", "in view", "mean", "median", "5%", "25%", "75%", "95%")
    yield Table(
        f"Other sequence: {name}",
        ("region", *header),
        tuple(_region_row(region) for region in statistics.regions),
        "Regions of this report at the same place in the patient; intensities in the units of that sequence.",
    )
    if statistics.lesions:
        yield Table(f"Lesions on {name}", ("lesion", *header), tuple(_region_row(lesion) for lesion in statistics.lesions))


def _region_row(statistics: RegionStatistics) -> tuple[str, ...]:
    share = "–" if statistics.inside_share is None else f"{100 * statistics.inside_share:.0f}%"
    values = (statistics.mean, statistics.median, statistics.p5, statistics.p25, statistics.p75, statistics.p95)
    return (statistics.region, f"{statistics.voxels:,}", share, *("–" if value is None else f"{value:.4g}" for value in values))


def settings_table(settings: VhiSettings) -> Table:
    """Settings that differ from the default."""
    values, changed = settings.values(), changed_settings(settings)
    return Table(
        "Settings",
        ("changed setting", "value", "default", "meaning"),
        tuple((info.name, value_words(values[info.name]), value_words(info.default), typeset(info.meaning)) for info in changed),
        _settings_note(settings, bool(changed)),
        text_columns=4,
    )


def _settings_note(settings: VhiSettings, changed: bool) -> str:
    defaults = (
        f"Every {'other ' if changed else ''}setting has its default: the paper's method (Hepburn et al. 2023), and the robust "
        "rule of the thresholds where normal bone was proposed."
    )
    if settings.site_chain is None:
        return defaults
    return (
        f"The thresholded map went through the chain of post-transforms {printable(settings.site_chain.name)!r}, not the "
        f"paper's. {defaults.replace('setting has', 'setting of the thresholds has')}"
    )


def _chain_table(record: Mapping[str, Any]) -> Table:
    """Every step of the chain of post-transforms, as it was recorded."""
    steps = record["config"]["postprocessing"]["transforms"]
    rows = tuple(
        (
            f"Step {n}",
            step["_target_"],
            ", ".join(f"{key} {value_words(argument)}" for key, argument in step.items() if key != "_target_"),
        )
        for n, step in enumerate(steps, start=1)
    )
    return Table(
        "Post-transforms", ("", "", ""), (("Chain", record["name"], f"sha256 {record['sha256']}"), *rows), text_columns=3
    )


def provenance_tables(source: Mapping[str, Any]) -> Iterable[Table]:
    """The programs, model, settings and inputs that made the result."""
    inputs = source.get("inputs") or []
    if inputs:
        rows = tuple(tuple(value_words(file.get(name)) for name in ("role", "file", "sha256")) for file in inputs)
        yield Table("Inputs", ("", "file", "sha256"), rows, text_columns=3)
    if source.get("post_transforms") is not None:
        yield _chain_table(source["post_transforms"])
    titles = {
        "created": "Measured",
        "command": "Command",
        "versions": "Versions",
        "model": "Model",
        "models": "Models",
        "settings": "All settings",
    }
    rows = tuple((title, value_words(source[name])) for name, title in titles.items() if source.get(name) is not None)
    if source.get("model", source.get("models")) is None:
        rows += (("Model", "none was used"),)
    yield Table("Provenance", ("", ""), rows, text_columns=2)
