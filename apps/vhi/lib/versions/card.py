"""The model card of a version: what its manifest holds, in words and tables (Markdown)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.protocol import Protocol
from .manifest import Manifest

# slices below this are listed as failures
FAILED = 0.75
_FIELDS = {
    "task": "segmentation of the disease region on T1W: all bone in the imaged pelvis, sacroiliac and facet joint spaces",
    "intended_use": "step (iii) of the VHI workflow: the region decides where hyperintensity may count as inflammation; a reader "
    "checks it. Research use only, not a medical device; not for other planes, contrasts or body parts, nor for diagnosis",
    "image_classes": "T1-weighted oblique coronal slices of the sacroiliac joints, one channel",
    "label_classes": "0 background, 1 disease region",
    "pred_classes": "probability of the region, mean of the members; 0.5 and more is bone; pieces under 2% of the largest drop",
    "eval_metrics": "2-D Dice per slice on the scan's own grid; slices empty in both masks left out",
    "network_data_format.inputs": "float32 slices, (slices, 1, rows, columns); T1W over three standard deviations of the volume; "
    "rows superior to inferior, columns patient's right to left; any size; resampled where the spacing differs by over 10%",
    "network_data_format.outputs": "float32 logits of the same shape",
}


def card_text(
    manifest: Manifest,
    libraries: Mapping[str, str],
    notes: str = "",
    *,
    plot: str | None = None,
    curves: str | None = None,
    pictures: Sequence[tuple[str, str]] = (),
) -> str:
    """The card as Markdown, with the fields of a MONAI bundle's metadata and the items of CLAIM.

    Parameters
    ----------
    libraries : mapping
        Versions of the libraries that run the networks.
    notes : str
        What no manifest knows (patients, reference standard, limits), as Markdown sections.
    plot, curves : str, optional
        File names of the plot of Dice per slice and of the learning curves.
    pictures : sequence of (caption, file name)
        Of failures.
    """
    metrics = manifest.metrics or {}
    parts = [
        f"# Model card: disease region, version {manifest.version}",
        f"Written by `python main.py models card` from the manifest of the version, sha256 of its weights `{manifest.sha256}`.",
        _fields(manifest, libraries),
        notes.strip(),
        _partition(manifest, metrics),
        _training(manifest, metrics, curves),
        _results(metrics),
        _per_slice(metrics, plot),
        _failures(metrics, pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _fields(manifest: Manifest, libraries: Mapping[str, str]) -> str:
    kinds = {
        f"for scans with {Protocol.from_dict(kind['protocol']).description()}": manifest.of_kind(kind["name"])
        for kind in manifest.kinds
    }
    fields = {
        "name": "disease_region",
        "version": manifest.version,
        "created": manifest.created,
        "program": manifest.code_version,
        **{f"{name}_version": version for name, version in libraries.items()},
        **_FIELDS,
        "network": _ensemble(manifest),
        "spacing": f"{manifest.pixel_spacing_mm:.4f} mm in plane",
        **{f"network {name}": f"{_ensemble(own)}; spacing {own.pixel_spacing_mm:.4f} mm" for name, own in kinds.items()},
    }
    return _table(["field", "value"], list(fields.items()))


def _ensemble(manifest: Manifest) -> str:
    networks = [_network(layout) for layout in manifest.networks]
    layouts = "; ".join(f"{networks.count(layout)} of {layout}" for layout in dict.fromkeys(networks))
    kind = "" if any("name" in layout for layout in manifest.networks) else "2-D U-Nets, "
    mirrored = "each averages a slice and its mirror image" if manifest.flip else "no mirror images"
    return f"{kind}probabilities averaged: {layouts}; {mirrored}"


def _network(layout: Mapping[str, Any]) -> str:
    if "name" in layout:
        arguments = ", ".join(f"{name} {value}" for name, value in layout["arguments"].items())
        return f"{layout['name']} of MONAI ({arguments})"
    kernel = f" of {layout['kernel']} x {layout['kernel']}" if "kernel" in layout else ""
    filters = ", ".join(str(width) for width in layout["widths"])
    return f"{layout['shuffle']} x {layout['shuffle']} pixel blocks, {filters} filters{kernel}"


def _partition(manifest: Manifest, metrics: Mapping[str, Any]) -> str:
    lines = [
        "## Data partition",
        f"Learnt by the ensemble: {len(manifest.training_cases)} labelled scans (sha256 of every mask in the manifest): "
        f"{', '.join(case.case_id for case in manifest.training_cases) or 'not recorded'}.",
    ]
    if manifest.unlabelled_cases:
        lines.append(f"Learnt with masks by its own first members: {', '.join(manifest.unlabelled_cases)}.")
    folds: dict[str, list[str]] = {}
    for key in ("cross_validation", "cross_validation_atypical"):
        for case_id, entry in ((metrics.get(key) or {}).get("cases") or {}).items():
            folds.setdefault(str(entry.get("fold")), []).append(case_id)
    if any(name != "None" for name in folds):
        lines.append(
            "Cross-validation: by subject; every network of a fold trained without these scans, the teachers of the others "
            "included: " + "; ".join(f"{name}: {', '.join(sorted(ids))}" for name, ids in sorted(folds.items())) + "."
        )
    return "\n\n".join(lines)


def _training(manifest: Manifest, metrics: Mapping[str, Any], curves: str | None) -> str:
    names = list(dict.fromkeys(key for recipe in manifest.recipes for key in recipe if key != "augmentation"))
    head = ["setting", *(f"member {n}" for n in range(manifest.members))]
    rows: list[list[object]] = [["seed", *manifest.seeds]] if manifest.seeds else []
    rows += [[name, *(recipe.get(name, "") for recipe in manifest.recipes)] for name in names]
    augmentation = [recipe.get("augmentation") or {} for recipe in manifest.recipes]
    rows += [
        [f"augmentation.{name}", *(entry.get(name, "") for entry in augmentation)]
        for name in dict.fromkeys(k for a in augmentation for k in a)
    ]
    parts = ["## Training", _table(head, rows)]
    networks = (metrics.get("budget") or {}).get("networks") or {}
    if networks:
        parts.append("CPU time of the networks, the folds' included:")
        columns = ("count", "mean_cpu_minutes", "mean_cpu_s_per_step")
        parts.append(
            _table(
                ["recipe", "networks", "CPU minutes each", "CPU s per step"],
                [[name, *(entry.get(c) for c in columns)] for name, entry in networks.items()],
            )
        )
    for name, content in (("This recipe", metrics), ("The baseline", metrics.get("baseline") or {})):
        for recipe, curve in (content.get("dice_against_cpu") or {}).items():
            best = max(curve["points"], key=lambda point: point["mean_slice_dice"])
            minutes = curve["cpu_minutes_to_goal"]
            reached = "is not reached" if minutes is None else f"is reached after {minutes} CPU minutes"
            parts.append(
                f"{name}, {recipe}: {curve['what']}: {curve['goal']} {reached}; the best point is "
                f"{best['mean_slice_dice']:.4f} after {best['cpu_minutes']} CPU minutes."
            )
    if curves:
        parts.append(f"![Learning curves]({curves})")
    return "\n\n".join(parts)


def _evaluations(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (name, entry)
        for name, entry in metrics.items()
        if isinstance(entry, Mapping) and isinstance(entry.get("mean_slice_dice"), float) and entry.get("cases")
    ]


def _results(metrics: Mapping[str, Any]) -> str:
    evaluations = _evaluations(metrics)
    if not evaluations:
        return "## Results\n\nNothing was measured."
    baseline = metrics.get("baseline") or {}
    rows = [(name, entry) for name, entry in evaluations]
    rows += [(f"{baseline.get('recipe', 'baseline')}: {name}", entry) for name, entry in _evaluations(baseline)]
    summary = _table(
        ["evaluation", "slices", "mean slice Dice", "lowest", "members alone", "largest minus smallest"],
        [
            [
                name, entry["slices"], f"**{entry['mean_slice_dice']:.4f}**", f"{entry['lowest_slice_dice']:.3f}",
                ", ".join(f"{dice:.4f}" for dice in entry.get("member_mean_slice_dice", [])), entry.get("seed_spread", ""),
            ]
            for name, entry in rows
        ],
    )  # fmt: skip
    meanings = "\n".join(f"- `{name}`: {entry.get('what', '')}" for name, entry in evaluations)
    return f"## Results\n\n{summary}\n\n{meanings}\n{_above(evaluations, baseline)}\n{_scans(evaluations, baseline)}"


def _above(evaluations: Sequence[tuple[str, Mapping[str, Any]]], baseline: Mapping[str, Any]) -> str:
    """How far the version lies above the baseline, over the slices of the scans that both were measured on."""
    others = dict(_evaluations(baseline))
    gains = []
    for name, entry in evaluations:
        both = [case_id for case_id in entry["cases"] if case_id in others.get(name, {"cases": {}})["cases"]]
        if both:
            gain = _mean_of(entry, both) - _mean_of(others[name], both)
            gains.append(f"{gain:+.4f} ({name}, {len(both)} of {len(entry['cases'])} scans)")
    return f"- against the baseline, on the same scans: {', '.join(gains)}\n" if gains else ""


def _mean_of(entry: Mapping[str, Any], case_ids: Sequence[str]) -> float:
    dices = [dice for case_id in case_ids for dice in entry["cases"][case_id]["slice_dice"] if dice is not None]
    return sum(dices) / len(dices)


def _scans(evaluations: Sequence[tuple[str, Mapping[str, Any]]], baseline: Mapping[str, Any]) -> str:
    """A row for each scan; the baseline's mean beside it where there is one."""
    others = {case_id: case["mean_slice_dice"] for _, entry in _evaluations(baseline) for case_id, case in entry["cases"].items()}
    head = ["scan", "evaluation", "fold", "mean", "lowest", "in slice", "members alone"]
    rows = [
        [
            case_id, name, case.get("fold") or "", f"{case.get('mean_slice_dice', case.get('mean', float('nan'))):.4f}",
            f"{case.get('lowest_slice_dice', case.get('lowest', float('nan'))):.3f}", case.get("lowest_slice", ""),
            ", ".join(f"{dice:.4f}" for dice in case.get("member_mean_slice_dice", [])),
        ]
        + ([f"{others[case_id]:.4f}" if case_id in others else ""] if others else [])
        for name, entry in evaluations
        for case_id, case in entry["cases"].items()
    ]  # fmt: skip
    return _table(head + ([str(baseline.get("recipe", "baseline"))] if others else []), rows)


def _sliced(metrics: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """Dice of every slice, by scan."""
    return {
        case_id: case["slice_dice"]
        for _, entry in _evaluations(metrics)
        for case_id, case in entry["cases"].items()
        if "slice_dice" in case
    }


def _per_slice(metrics: Mapping[str, Any], plot: str | None) -> str:
    sliced = _sliced(metrics)
    if not sliced:
        return ""
    most = max(len(dices) for dices in sliced.values())
    rows = [[case_id, *("" if dice is None else f"{dice:.2f}" for dice in dices)] for case_id, dices in sliced.items()]
    picture = f"![Dice per slice]({plot})\n\n" if plot else ""
    table = _table(["scan", *(str(k + 1) for k in range(most))], [row + [""] * (most + 1 - len(row)) for row in rows])
    return f"## Every slice\n\n{picture}2-D Dice of the ensemble, slices numbered along the stack from 1.\n\n{table}"


def _failures(metrics: Mapping[str, Any], pictures: Sequence[tuple[str, str]]) -> str:
    failed = sorted(
        (dice, case_id, k + 1)
        for case_id, dices in _sliced(metrics).items()
        for k, dice in enumerate(dices)
        if dice is not None and dice < FAILED
    )
    parts = ["## Failures"]
    if failed:
        parts.append(
            f"Slices under {FAILED}: " + "; ".join(f"{case_id} slice {k}: {dice:.2f}" for dice, case_id, k in failed) + "."
        )
    elif _sliced(metrics):
        parts.append(f"No slice lies under {FAILED}.")
    else:
        return ""
    parts.append(
        "`models card --data DATA --results WORK` draws the lowest slices with both outlines, for those who have the data."
    )
    parts += [f"![{caption}]({name})\n\n{caption}" for caption, name in pictures]
    return "\n\n".join(parts)
