"""What a report says: every word and number, made once, printed by every form alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..core.pipeline import VhiResult
from ..core.propagation import ImageStatistics, RegionStatistics
from ..core.setting import SettingInfo
from ..core.settings import VhiSettings
from ..core.stability import LARGEST_STABLE_FACTOR
from ..core.thresholds import PAPER
from .numbers import normal_bone_slices, plain, printable, vhi_numbers
from .stages import other_stages, proposal_cells, stage_sentence

TITLE = "Volume of STIR-hyperintense inflammation (VHI)"
NOT_A_DEVICE = "For research. Not a medical device: no diagnosis or treatment may rest on it."
CHART_MM = (58.0, 46.0)
CHART_DPI = 220.0


@dataclass(frozen=True)
class Reading:
    """What a reader did: `facts` for `vhi.json`, and the same in sentences."""

    facts: Mapping[str, Any]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One picture of the report: an image file, its words for who sees it and for who does not."""

    name: str
    caption: str
    alternative: str
    file: bytes
    media_type: str


@dataclass(frozen=True)
class Table:
    """Rows of texts under a header; the first `text_columns` columns are words, the others numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text_columns: int = 1


@dataclass(frozen=True)
class ReportContent:
    """One measurement, ready to be written in any form.

    Parameters
    ----------
    scan : tuple of (str, str)
        What was measured and when.
    vhi : str
        The primary number, at the sensitive threshold, with its unit.
    vhi_ranges : tuple of (str, str)
        Where else it may lie, and under which change; the first is 5% of the sensitive threshold.
    stability, automatic, reader, warnings : tuple of str
        Sentences.
    volumes, lesions, thresholds, images, settings, provenance : Table, or several
        `lesions` holds all of them, the largest first; `lesion_mm3` the volume of each row.
    numbers : mapping
        What `vhi.json` holds.
    result : VhiResult
        For the figures alone.
    """

    title: str
    scan: tuple[tuple[str, str], ...]
    vhi: str
    vhi_meaning: str
    vhi_ranges: tuple[tuple[str, str], ...]
    stability: tuple[str, ...]
    warnings: tuple[str, ...]
    volumes: Table
    automatic: tuple[str, ...]
    reader: tuple[str, ...]
    lesions: Table
    lesion_mm3: tuple[float, ...]
    thresholds: Table
    images: tuple[Table, ...]
    settings: Table
    provenance: tuple[Table, ...]
    disclaimer: str
    numbers: Mapping[str, Any] = field(repr=False)
    result: VhiResult = field(repr=False)

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """`mosaic`, `projection`, `histogram` and `stability`, drawn when first asked for: JSON needs none of them."""
        return {figure.name: figure for figure in _figures(self.result, self)}

    def further_lesions(self, shown: int) -> str:
        """What a form says that prints the `shown` largest lesions only; empty where that is all of them."""
        rest = self.lesion_mm3[shown:]
        return f"And {_counted(len(rest), 'smaller one', 'smaller ones')}, {_mm3(sum(rest))} together." if rest else ""


def report_content(
    result: VhiResult,
    provenance: Mapping[str, Any],
    image_statistics: Sequence[ImageStatistics] = (),
    reading: Reading | None = None,
) -> ReportContent:
    """The report of one measurement.

    Parameters
    ----------
    result : VhiResult
    provenance : mapping
        `versions`, `model` (None where no network was used), `settings`, `inputs` (role, file, sha256 of each), `created`
        (UTC, ISO 8601) and `command`.
    image_statistics : sequence of ImageStatistics
        Other sequences of the visit, as `lib.core.propagation` describes them.
    reading : Reading, optional
        Where a reader corrected the result.
    """
    source = plain(provenance)
    files = {one["role"]: one["file"] for one in source.get("inputs") or [] if "role" in one and "file" in one}
    return ReportContent(
        title=TITLE,
        scan=_scan(files, source),
        vhi=_mm3(result.measurement.total.sensitive_mm3),
        vhi_meaning=_vhi_meaning(result),
        vhi_ranges=tuple(_vhi_ranges(result)),
        stability=_stability(result),
        warnings=tuple(_typeset(printable(warning)) for warning in result.warnings),
        volumes=_volumes(result),
        automatic=tuple(_automatic(result)),
        reader=tuple(_reader(result, reading)),
        lesions=_lesions(result),
        lesion_mm3=tuple(lesion.mm3 for lesion in result.lesions),
        thresholds=_thresholds(result),
        images=tuple(table for one in image_statistics for table in _image(one, files)),
        settings=_settings(result.settings),
        provenance=tuple(_provenance(source)),
        disclaimer=NOT_A_DEVICE,
        numbers=vhi_numbers(result, provenance, image_statistics, None if reading is None else reading.facts),
        result=result,
    )


def _mm3(value: float) -> str:
    return f"{value:,.0f} mm³"


def _typeset(words: str) -> str:
    """Units as they are printed."""
    return words.replace("mm3", "mm³").replace("mm2", "mm²")


def _slices(slices: Iterable[int]) -> str:
    """Slice indices as a reader counts them, from 1, neighbours joined: `(4, 5, 6, 9)` is "5–7, 10"."""
    runs: list[list[int]] = []
    for k in sorted(slices):
        if runs and k == runs[-1][1] + 1:
            runs[-1][1] = k
        else:
            runs.append([k, k])
    return ", ".join(f"{a + 1}" if a == b else f"{a + 1}–{b + 1}" for a, b in runs)


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _scan(files: Mapping[str, str], provenance: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    known = [(role, files[role]) for role in ("T1W", "STIR") if role in files]
    created = provenance.get("created")
    return (*known, *((("Measured", str(created).replace("T", " ").replace("+00:00", " UTC")),) if created else ()))


def _vhi_meaning(result: VhiResult) -> str:
    if not result.measurement.total.sensitive:
        return _no_inflammation(result)
    voxels = _counted(result.measurement.total.sensitive, "voxel", "voxels")
    lesions = _counted(len(result.lesions), "lesion", "lesions")
    return f"At the sensitive threshold, the primary measure: {voxels} in {lesions}. {stage_sentence(result)}"


def _no_inflammation(result: VhiResult) -> str:
    if result.raw is not None and result.raw.sensitive:
        return f"None of {_counted(result.raw.sensitive, 'voxel', 'voxels')} was kept. {stage_sentence(result)}"
    raw = result.measurement.raw_sensitive
    if not raw:
        return "No voxel of the disease region reaches the sensitive threshold."
    reach = "voxel of the disease region reaches" if raw == 1 else "voxels of the disease region reach"
    why = "in a group that is large enough to be kept" if result.settings.is_papers_chain else "that the post-transforms keep"
    return f"{raw:,} {reach} the sensitive threshold, but none {why}."


def _range(ends: tuple[float, float]) -> str:
    low, high = _mm3(ends[0]), _mm3(ends[1])
    return high if low == high else f"{ends[0]:,.0f} to {high}"


def _vhi_ranges(result: VhiResult) -> Iterable[tuple[str, str]]:
    s = result.stability
    yield _range(s.five_percent_range_mm3), "with the sensitive threshold 5% higher or lower"
    if s.slices_left_out_range_mm3 is not None:
        yield _range(s.slices_left_out_range_mm3), "with one slice of normal bone left out"


def _stability(result: VhiResult) -> tuple[str, ...]:
    s = result.stability
    changed = sorted((one.change, one.vhi_mm3) for one in s.threshold_changes)
    at_each = "; ".join(f"{_percent(change)}: {_mm3(mm3)}" for change, mm3 in changed)
    sentences = [f"VHI with the sensitive threshold changed: {at_each}."]
    if s.slices_left_out is None:
        sentences.append("Normal bone covers too few slices to tell what each of them contributes.")
    else:
        without = ((one.left_out + 1, "no threshold" if one.vhi_mm3 is None else _mm3(one.vhi_mm3)) for one in s.slices_left_out)
        without_each = "; ".join(f"slice {number}: {found}" for number, found in without)
        sentences.append(f"VHI with one slice of normal bone left out: {without_each}.")
    if s.unstable_because:
        sentences.append("VHI is unstable: " + _typeset("; ".join(s.unstable_because)) + ".")
    else:
        cause = "5% of the threshold" if s.slices_left_out is None else "neither 5% of the threshold nor one slice of normal bone"
        verb = "does not change" if s.slices_left_out is None else "changes"
        sentences.append(f"VHI is stable: {cause} {verb} it by more than a factor of {LARGEST_STABLE_FACTOR:g}.")
    return tuple(sentences)


def _percent(change: float) -> str:
    return f"{100 * change:+.0f}%".replace("-", "−")


def _volumes(result: VhiResult) -> Table:
    m = result.measurement
    parts = (("Both sides", m.total), ("Patient's right", m.right), ("Patient's left", m.left))
    return Table(
        "Volumes",
        ("VHI (mm³)", "sensitive", "conservative"),
        tuple((name, f"{part.sensitive_mm3:,.0f}", f"{part.conservative_mm3:,.0f}") for name, part in parts),
        f"Sensitive counts every voxel at or above {result.thresholds.sensitive:.1f}, conservative those at or above "
        f"{result.thresholds.conservative:.1f}. Volumes use the spacing between slices.",
    )


def _automatic(result: VhiResult) -> Iterable[str]:
    region = result.disease_region
    if region.source != "given":
        disagreement, entropy = region.member_disagreement, region.entropy
        differ = "" if disagreement is None else f"; its members differ by {100 * disagreement:.1f}% (1 − mean Dice)"
        unsure = "" if entropy is None else f"; entropy inside it {entropy:.3f} bit (0 sure, 1 a coin toss)"
        yield f"Disease region: found on T1W by the networks ({printable(region.source)}){differ}{unsure}."
    if result.normal_bone_source != "given":
        sure = "" if result.normal_bone_confidence is None else f", confidence {result.normal_bone_confidence:.2f} (at most 1)"
        yield f"Normal bone: proposed by the program on {_on_slices(result)}{sure}. No reader has checked it."
    yield (
        f"Thresholds: by the {result.thresholds.rule} rule, from {result.thresholds.n_normal_bone:,} voxels of normal bone. "
        "Grading: every voxel of the disease region against them."
    )
    raw, kept = result.measurement.raw_sensitive, (result.raw or result.measurement.total).sensitive
    rule, filling = _clearing_rule(result.settings)
    if kept < raw:
        yield f"Clearing: {raw - kept:,} of {_counted(raw, 'voxel', 'voxels')} removed by rule ({rule})."
    elif kept > raw:
        yield f"Filling: {_counted(kept - raw, 'voxel', 'voxels')} added by rule ({filling})."
    yield from other_stages(result)


def _clearing_rule(settings: VhiSettings) -> tuple[str, str]:
    """What cleared the thresholded map, and what filled it, in words."""
    if settings.site_chain is not None:
        words = f"the chain {printable(settings.site_chain.name)!r}, not the paper's: {_typeset(settings.site_chain.summary)}"
        return words, words
    rule = f"groups of fewer than {settings.values()['min_pixels']} pixels in a slice"
    return rule + (" and the changed settings" if _changed(settings) else ""), "the changed settings"


def _reader(result: VhiResult, reading: Reading | None) -> Iterable[str]:
    if result.disease_region.source == "given":
        yield "Disease region: given as a mask and used as drawn."
    if result.normal_bone_source == "given":
        yield f"Normal bone: given as a mask and used as drawn, on {_on_slices(result)}."
    if reading is not None:
        yield from map(printable, reading.sentences)
    else:
        yield "Correction: none. No reader has removed vessels, joint fluid or artefacts from this VHI."


def _on_slices(result: VhiResult) -> str:
    slices = normal_bone_slices(result)
    return f"{'slice' if len(slices) == 1 else 'slices'} {_slices(slices)}"


def _thresholds(result: VhiResult) -> Table:
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
            ("Normal bone", f"{t.n_normal_bone:,} voxels", f"{_on_slices(result)} ({printable(result.normal_bone_source)})"),
        ),
        text_columns=3,
    )


def _lesions(result: VhiResult) -> Table:
    proposed = proposal_cells(result)
    return Table(
        "Lesions",
        (
            *("no.", "side", "slices", "mm³", "voxels", "× sensitive", "conservative", "centre x, y, z (mm)"),
            *(() if proposed is None else ("proposal",)),
        ),
        tuple(
            (
                str(one.id),
                one.side,
                _slices(one.slices),
                f"{one.mm3:,.1f}",
                f"{one.voxels:,}",
                f"{one.relative_to_sensitive:.2f}",
                f"{100 * one.conservative_share:.0f}%",
                ", ".join(f"{mm:.1f}" for mm in one.centroid_mm),
                *(() if proposed is None else (proposed[n],)),
            )
            for n, one in enumerate(result.lesions)
        ),
        "A lesion is a group of voxels that touch in three dimensions. × sensitive: its mean STIR intensity over the sensitive "
        "threshold; conservative: share of its voxels at or above that threshold; centre: RAS+ (right, anterior, superior "
        "positive); side: the patient's; slices are counted from 1."
        if result.lesions
        else _no_inflammation(result),
        text_columns=3,
    )


def _image(statistics: ImageStatistics, files: Mapping[str, str]) -> Iterable[Table]:
    name = printable(files.get(statistics.image, statistics.image))
    header = ("voxels", "in view", "mean", "median", "5%", "25%", "75%", "95%")
    yield Table(
        f"Other sequence: {name}",
        ("region", *header),
        tuple(_region_row(one) for one in statistics.regions),
        "Regions of this report at the same place in the patient; intensities in the units of that sequence.",
    )
    if statistics.lesions:
        yield Table(f"Lesions on {name}", ("lesion", *header), tuple(_region_row(one) for one in statistics.lesions))


def _region_row(one: RegionStatistics) -> tuple[str, ...]:
    share = "–" if one.inside_share is None else f"{100 * one.inside_share:.0f}%"
    values = (one.mean, one.median, one.p5, one.p25, one.p75, one.p95)
    return (one.region, f"{one.voxels:,}", share, *("–" if value is None else f"{value:.4g}" for value in values))


def _changed(settings: VhiSettings) -> list[SettingInfo]:
    values = settings.values()
    return [info for info in settings.describe() if info.name in values and values[info.name] != info.default]


def _settings(settings: VhiSettings) -> Table:
    values, changed = settings.values(), _changed(settings)
    return Table(
        "Settings",
        ("changed setting", "value", "default", "meaning"),
        tuple((info.name, _value(values[info.name]), _value(info.default), _typeset(info.meaning)) for info in changed),
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
        (f"Step {n}", step["_target_"], ", ".join(f"{name} {_value(one)}" for name, one in step.items() if name != "_target_"))
        for n, step in enumerate(steps, start=1)
    )
    return Table(
        "Post-transforms", ("", "", ""), (("Chain", record["name"], f"sha256 {record['sha256']}"), *rows), text_columns=3
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else "–" if value is None else str(value)


def _provenance(source: Mapping[str, Any]) -> Iterable[Table]:
    inputs = source.get("inputs") or []
    if inputs:
        rows = tuple(tuple(_value(one.get(name)) for name in ("role", "file", "sha256")) for one in inputs)
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
    rows = tuple((title, _value(source[name])) for name, title in titles.items() if source.get(name) is not None)
    if source.get("model", source.get("models")) is None:
        rows += (("Model", "none was used"),)
    yield Table("Provenance", ("", ""), rows, text_columns=2)


def _figures(result: VhiResult, content: ReportContent) -> Iterable[Figure]:
    from .. import figures as draw

    mosaic, dpi = draw.mosaic_figure(result)
    shown = _slices(draw.most_involved_slices(result))
    chosen = "inflammation" if result.lesions else "disease region"
    yield Figure(
        "mosaic",
        f"STIR, slices {shown} of {result.stir.grid.shape[2]}, counted from 1: those with most normal bone and those with most "
        f"{chosen}. Patient's right is on the left of the picture.",
        f"STIR slices {shown} with inflammation in yellow and red, {content.vhi} in all, and the outlines of normal bone and "
        "disease region.",
        draw.jpeg_bytes(mosaic, dpi),
        "image/jpeg",
    )
    m = result.measurement
    charts = (
        (
            "projection",
            draw.draw_projection,
            "Where it is: all slices seen from the front, grey the disease region. The dashed line divides the sides.",
            f"Projection of the inflammation: {_mm3(m.right.sensitive_mm3)} on the patient's right, "
            f"{_mm3(m.left.sensitive_mm3)} on the left.",
        ),
        (
            "histogram",
            draw.draw_normal_bone_histogram,
            "What normal is: STIR intensities of normal bone and the two thresholds that follow from them.",
            f"Histogram of normal bone with the sensitive threshold {result.thresholds.sensitive:.1f} and the conservative "
            f"threshold {result.thresholds.conservative:.1f}.",
        ),
        (
            "stability",
            draw.draw_stability,
            "How firm it is: VHI with the sensitive threshold changed, and with each slice of normal bone left out.",
            " ".join(content.stability),
        ),
    )
    for name, draw_chart, caption, alternative in charts:
        chart = draw.new_chart(*CHART_MM)
        draw_chart(result, chart.add_subplot())
        yield Figure(name, caption, alternative, draw.png_bytes(chart, CHART_DPI), "image/png")
