"""The sentences of a report: what the number means, how firm it is, what was automatic and what a reader did."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.numbers import normal_bone_slices, printable
from ..core.pipeline import VhiResult
from ..core.setting import SettingInfo
from ..core.settings import VhiSettings
from ..core.stability import LARGEST_STABLE_FACTOR
from ..core.stages import name_of
from ..core.verdict import stability_and_reasons
from .parts import ReaderWork
from .stages import other_stages, stage_sentence
from .wording import counted, mm3, percent, range_mm3, slice_numbers, typeset


def vhi_meaning(result: VhiResult) -> str:
    """The meaning of the number, or why it is zero."""
    if not result.measurement.total.sensitive:
        return no_inflammation(result)
    voxels = counted(result.measurement.total.sensitive, "voxel", "voxels")
    lesions = counted(len(result.lesions), "lesion", "lesions")
    return f"At the sensitive threshold, the primary measure: {voxels} in {lesions}. {stage_sentence(result)}"


def no_inflammation(result: VhiResult) -> str:
    """Why nothing is left."""
    if result.raw is not None and result.raw.sensitive:
        voxels = counted(result.raw.sensitive, "voxel", "voxels")
        if result.stage == "cleaned":
            return f"The reader kept none of {voxels} at the sensitive threshold."
        return f"The cleaning proposal keeps none of {voxels} at the sensitive threshold; no reader has checked it."
    raw = result.measurement.raw_sensitive
    if not raw:
        return "No voxel of the disease region reaches the sensitive threshold."
    reach = "voxel of the disease region reaches" if raw == 1 else "voxels of the disease region reach"
    why = "in a group that is large enough to be kept" if result.settings.is_papers_chain else "that the post-transforms keep"
    return f"{raw:,} {reach} the sensitive threshold, but none {why}."


def vhi_ranges(result: VhiResult) -> Iterable[tuple[str, str]]:
    """Where else the number may lie, and under which change."""
    s, interval = result.stability, result.interval
    if interval is not None:
        # spaces that no line breaks at
        words = f"{100 * interval.level:.0f}% interval from what is known to vary (×\u00a0/\u00a0÷\u00a0{interval.factor:.2f})"
        yield range_mm3((interval.low_mm3, interval.high_mm3)), words
        return
    yield range_mm3(s.five_percent_range_mm3), "with the sensitive threshold 5% higher or lower: no confidence interval"
    if s.slices_left_out_range_mm3 is not None:
        yield range_mm3(s.slices_left_out_range_mm3), "with one slice of normal bone left out"


def stability_sentences(result: VhiResult) -> tuple[str, ...]:
    """How far a changed threshold or normal bone moves the number."""
    s, name = result.stability, name_of(result.stage)
    changed = sorted((moved.change, moved.vhi_mm3) for moved in s.threshold_changes)
    at_each = "; ".join(f"{percent(change)}: {mm3(volume)}" for change, volume in changed)
    sentences = [f"{name} with the sensitive threshold changed: {at_each}."]
    if result.no_interval_because is not None:
        sentences.insert(0, f"No interval is given around the number. {result.no_interval_because}")
    if s.slices_left_out is None:
        sentences.append("Normal bone covers too few slices to tell what each of them contributes.")
    else:
        without = (
            (without_slice.left_out + 1, "no threshold" if without_slice.vhi_mm3 is None else mm3(without_slice.vhi_mm3))
            for without_slice in s.slices_left_out
        )
        without_each = "; ".join(f"slice {number}: {volume}" for number, volume in without)
        sentences.append(f"{name} with one slice of normal bone left out: {without_each}.")
    stable, reasons = stability_and_reasons(result)
    if stable is False:
        sentences.append(f"{name} is unstable: " + typeset("; ".join(reasons)) + ".")
    elif stable is None:
        sentences.append(f"{name}: whether it holds still cannot be told: " + "; ".join(reasons) + ".")
    else:
        cause = "5% of the threshold" if s.slices_left_out is None else "neither 5% of the threshold nor one slice of normal bone"
        verb = "does not change" if s.slices_left_out is None else "changes"
        sentences.append(f"{name} is stable: {cause} {verb} it by more than a factor of {LARGEST_STABLE_FACTOR:g}.")
    return tuple(sentences)


def automatic_sentences(result: VhiResult) -> Iterable[str]:
    """The steps that the program took."""
    region = result.disease_region
    if region.source != "given":
        disagreement, entropy = region.member_disagreement, region.entropy
        differ = "" if disagreement is None else f"; its members differ by {100 * disagreement:.1f}% (1 − mean Dice)"
        differ += "" if region.rank is None else f", more than on {region.rank.above} of {region.rank.of} reference scans"
        unsure = "" if entropy is None else f"; entropy inside it {entropy:.3f} bit (0 sure, 1 a coin toss)"
        yield f"Disease region: found on T1W by the networks ({printable(region.source)}){differ}{unsure}."
    if result.normal_bone_source == "proposed":
        sure = "" if result.normal_bone_confidence is None else f", confidence {result.normal_bone_confidence:.2f} (at most 1)"
        yield f"Normal bone: proposed by the program on {on_slices(result)}{sure}. No reader has checked it."
    yield (
        f"Thresholds: by the {result.thresholds.rule} rule, from {result.thresholds.n_normal_bone:,} voxels of normal bone. "
        "Grading: every voxel of the disease region against them."
    )
    raw, kept = result.measurement.raw_sensitive, (result.raw or result.measurement.total).sensitive
    rule, filling = _clearing_rule(result.settings)
    if kept < raw:
        yield f"Clearing: {raw - kept:,} of {counted(raw, 'voxel', 'voxels')} removed by rule ({rule})."
    elif kept > raw:
        yield f"Filling: {counted(kept - raw, 'voxel', 'voxels')} added by rule ({filling})."
    yield from other_stages(result)


def _clearing_rule(settings: VhiSettings) -> tuple[str, str]:
    """The steps that cleared the thresholded map, and that filled it, in words."""
    if settings.site_chain is not None:
        words = f"the chain {printable(settings.site_chain.name)!r}, not the paper's: {typeset(settings.site_chain.summary)}"
        return words, words
    rule = f"groups of fewer than {settings.values()['min_pixels']} pixels in a slice"
    return rule + ("" if settings.is_papers_chain else " and the changed settings"), "the changed settings"


def reader_sentences(result: VhiResult, reading: ReaderWork | None) -> Iterable[str]:
    """The work of the reader."""
    if result.disease_region.source == "given":
        yield "Disease region: given as a mask and used as drawn."
    if result.normal_bone_source == "given":
        yield f"Normal bone: given as a mask and used as drawn, on {on_slices(result)}."
    if result.normal_bone_source == "clicked":
        clicks = counted(len(result.normal_bone_clicks), "click", "clicks")
        at = "; ".join(f"voxel {i},{j},{k} (slice {k + 1})" for i, j, k in result.normal_bone_clicks)
        yield f"Normal bone: grown by the program from {clicks} of a reader, on {on_slices(result)}. Clicked: {at}."
        if result.normal_bone_with_proposal:
            yield "It holds the program's own proposal of normal bone as well, beyond the clicks; no reader has checked that."
    if reading is not None:
        yield from map(printable, reading.sentences)
    else:
        yield "Correction: none. No reader has removed vessels, joint fluid or artefacts."


def on_slices(result: VhiResult) -> str:
    """The slices of normal bone."""
    slices = normal_bone_slices(result)
    return f"{'slice' if len(slices) == 1 else 'slices'} {slice_numbers(slices)}"


def changed_settings(settings: VhiSettings) -> list[SettingInfo]:
    """Settings that are not at their defaults."""
    values = settings.values()
    return [info for info in settings.describe() if info.name in values and values[info.name] != info.default]
