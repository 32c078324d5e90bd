"""The model card says what the manifest holds."""

from dataclasses import replace

from lib.versions import Manifest, TrainingCase
from lib.versions.card import card_text

ENTRY = {
    "what": "ensembles of the folds", "slices": 5, "mean_slice_dice": 0.76, "lowest_slice_dice": 0.5,
    "member_mean_slice_dice": [0.72, 0.6333], "seed_spread": 0.0867,
    "cases": {
        "1007": {
            "fold": "fold0", "slices": 2, "mean_slice_dice": 0.85, "lowest_slice_dice": 0.8, "member_mean_slice_dice": [0.8, 0.53],
            "seed_spread": 0.27, "lowest_slice": 3, "slice_dice": [0.9, None, 0.8], "member_slice_dice": [[0.9, None, 0.7], [0.8, 0.0, 0.8]],
        },
        "1012": {
            "fold": "fold1", "slices": 3, "mean_slice_dice": 0.7, "lowest_slice_dice": 0.5, "member_mean_slice_dice": [0.67, 0.73],
            "seed_spread": 0.06, "lowest_slice": 2, "slice_dice": [1.0, 0.5, 0.6], "member_slice_dice": [[1.0, 0.4, 0.6], [1.0, 0.6, 0.6]],
        },
    },
}  # fmt: skip
MANIFEST = Manifest(
    version="v-1", created="2024-01-01T00:00:00+00:00", code_version="1.2.3", sha256="ab" * 32,
    network=[{"widths": [16, 32], "shuffle": 2, "bias": False}, {"widths": [32, 64], "shuffle": 4, "bias": False}], members=2,
    pixel_spacing_mm=0.5952, recipes=[{"name": "a", "steps": 3, "augmentation": {"noise": 0.1}}, {"name": "b", "steps": 4}],
    seeds=[0, 7], training_cases=[TrainingCase("1007", "cd" * 32)], unlabelled_cases=["9001"], flip=False,
    metrics={"cross_validation": ENTRY, "test": None, "baseline": {"recipe": "paper", "cross_validation": ENTRY | {"mean_slice_dice": 0.7}}},
)  # fmt: skip


def test_the_card_holds_fields_settings_and_every_number_of_every_slice():
    text = card_text(
        MANIFEST, {"torch": "2.0"}, "## Data\n\nOne centre.",
        plot="plot.svg", curves="curves.svg", pictures=[("1012, slice 2: Dice 0.50", "failure.png")],
    )  # fmt: skip
    for line in (
        "# Model card: disease region, version v-1",
        "| torch_version | 2.0 |",
        "| network | 2-D U-Nets, probabilities averaged: 1 of 2 x 2 pixel blocks, 16, 32 filters; 1 of 4 x 4 pixel blocks, 32, 64 "
        "filters; no mirror images |",
        "One centre.",
        "| seed | 0 | 7 |",
        "| steps | 3 | 4 |",
        "| augmentation.noise | 0.1 |  |",
        "| cross_validation | 5 | **0.7600** | 0.500 | 0.7200, 0.6333 | 0.0867 |",
        "| paper: cross_validation | 5 | **0.7000** | 0.500 | 0.7200, 0.6333 | 0.0867 |",
        "- against the baseline, on the same scans: +0.0000 (cross_validation, 2 of 2 scans)",
        "| 1012 | cross_validation | fold1 | 0.7000 | 0.500 | 2 | 0.6700, 0.7300 | 0.7000 |",
        "| 1007 | 0.90 |  | 0.80 |",
        "Slices under 0.75: 1012 slice 2: 0.50; 1012 slice 3: 0.60.",
        "![Dice per slice](plot.svg)",
        "![Learning curves](curves.svg)",
        "![1012, slice 2: Dice 0.50](failure.png)",
    ):
        assert line in text, line
    assert "fold0: 1007; fold1: 1012" in text


def test_a_version_of_which_nothing_was_measured_says_so():
    text = card_text(replace(MANIFEST, metrics=None), {})
    assert "Nothing was measured." in text
    assert "Failures" not in text


def test_a_baseline_is_compared_on_the_scans_that_both_were_measured_on():
    lower = ENTRY["cases"]["1007"] | {"mean_slice_dice": 0.6, "slice_dice": [0.7, None, 0.5]}
    other = {"recipe": "paper", "cross_validation": ENTRY | {"cases": {"1007": lower}}}
    text = card_text(replace(MANIFEST, metrics={"cross_validation": ENTRY, "baseline": other}), {})
    assert "- against the baseline, on the same scans: +0.2500 (cross_validation, 1 of 2 scans)" in text
    assert "| 1007 | cross_validation | fold0 | 0.8500 | 0.800 | 3 | 0.8000, 0.5300 | 0.6000 |" in text
    assert "| 1012 | cross_validation | fold1 | 0.7000 | 0.500 | 2 | 0.6700, 0.7300 |  |" in text
