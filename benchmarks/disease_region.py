"""The shipped ensemble against three plain passes of the paper's network, warm, two-dimensional slices of one scan in memory.

The reference runs as the authors' notebook does: float32, all slices at once, full resolution, plain PyTorch, three networks one
after the other. Its weights are untrained, which changes no time. Each row has a process of its own, so that the peak memory is
its own too. With VHI_DATA set the scan is a published one (1016), else a phantom.

    PYTHONPATH=apps/vhi python benchmarks/disease_region.py
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

MODEL_DIR = Path(__file__).resolve().parents[1] / "apps" / "vhi" / "model" / "disease_region"
CASES = {
    "paper": "three networks of the paper, float32",
    "float32": "shipped ensemble, float32",
    "shipped": "shipped ensemble, as this CPU runs it",
}
REPEATS = {"paper": 2, "float32": 7, "shipped": 7}


def measure(case: str) -> dict[str, object]:
    """Median seconds of the warm network passes and peak memory of this process; the mean probability goes to a file."""
    import torch

    from lib.core.normalise import NetworkFrame, normalise_t1w
    from lib.core.volume import Volume
    from lib.nets.unet import UNet
    from lib.nets.weights import load_members
    from lib.phantom.study import make_phantom
    from lib.studies.nifti import read_volume

    def scan() -> Volume:
        if "VHI_DATA" in os.environ:
            return read_volume(Path(os.environ["VHI_DATA"]) / "images_study/T1W/1016_T1W.nii.gz", "T1W")
        return make_phantom().t1w

    t1w = scan()
    slices = NetworkFrame.of(t1w.grid).slices(normalise_t1w(t1w))
    if case == "paper":
        nets = [UNet().eval() for _ in range(3)]
        batch = torch.from_numpy(slices)[:, None]

        @torch.no_grad()
        def run() -> np.ndarray:
            return np.mean([net(batch).sigmoid().numpy() for net in nets], axis=0)
    else:
        members = load_members(MODEL_DIR, dtype=torch.float32 if case == "float32" else None)

        def run() -> np.ndarray:
            return np.mean([member(slices) for member in members], axis=0)

    run()
    seconds = []
    for _ in range(REPEATS[case]):
        start = time.perf_counter()
        probability = run()
        seconds.append(time.perf_counter() - start)
    answer = Path(os.environ["ANSWERS"]) / f"{case}.npy"
    np.save(answer, probability >= 0.5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": statistics.median(seconds), "peak_mb": peak, "shape": slices.shape, "threads": torch.get_num_threads()}


def main() -> None:
    import tempfile

    from rich.console import Console
    from rich.table import Table

    from lib.nets.cpu import bf16_matrix_units

    with tempfile.TemporaryDirectory() as answers:
        found = {}
        for case in CASES:
            command = [sys.executable, __file__, case]
            output = subprocess.run(command, env=os.environ | {"ANSWERS": answers}, check=True, capture_output=True, text=True)
            found[case] = json.loads(output.stdout)
        a, b = (np.load(Path(answers) / f"{case}.npy") for case in ("float32", "shipped"))
    table = Table("networks", "time [s]", "times faster", "peak memory [MB]")
    for case, title in CASES.items():
        row = found[case]
        ratio = found["paper"]["seconds"] / row["seconds"]
        table.add_row(title, f"{row['seconds']:.2f}", f"{ratio:.1f}", f"{row['peak_mb']:.0f}")
    console = Console()
    console.print(table)
    dice = 2 * (a & b).sum() / (a.sum() + b.sum())
    paper = found["paper"]
    console.print(f"slices {tuple(paper['shape'])}, {paper['threads']} threads, bfloat16 matrix units: {bf16_matrix_units()}")
    console.print(f"Dice of the last two rows' masks: {dice:.5f}")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
