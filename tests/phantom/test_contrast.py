"""Signal equations against values worked out by hand."""

import numpy as np
import pytest

from lib.phantom.contrast import STIR, T1W, TISSUES, InversionRecovery, SpinEcho, Tissue


def test_an_inversion_recovery_nulls_the_tissue_whose_t1_is_ti_over_ln_2():
    # with TR far beyond T1 the signal is PD (1 - 2 exp(-TI / T1)), and exp(-ln 2) = 1/2
    nulled = Tissue(t1_ms=210 / np.log(2), t2_ms=100, proton_density=1)
    assert InversionRecovery(tr_ms=1e6, te_ms=0, ti_ms=210).signal(nulled) == pytest.approx(0, abs=1e-12)


def test_tissue_slower_than_the_null_is_still_inverted_and_faster_tissue_has_recovered():
    sequence = InversionRecovery(tr_ms=1e6, te_ms=0, ti_ms=210)
    assert sequence.signal(Tissue(1000, 100, 1)) < 0 < sequence.signal(Tissue(100, 100, 1))


def test_a_spin_echo_at_tr_equal_to_t1_and_te_equal_to_t2():
    # (1 - 1/e) / e
    assert SpinEcho(tr_ms=600, te_ms=10).signal(Tissue(600, 10, 1)) == pytest.approx(0.6321205588 * 0.3678794412)


def test_proton_density_scales_the_signal():
    assert STIR.signal(Tissue(900, 40, 0.5)) == pytest.approx(STIR.signal(Tissue(900, 40, 1)) / 2)


def test_the_stir_timing_is_the_published_one():
    assert (STIR.tr_ms, STIR.te_ms, STIR.ti_ms) == (5316, 50, 210)


def test_t1w_and_stir_order_the_tissues_as_scans_do():
    def brightness(sequence, *names):
        return [abs(sequence.signal(TISSUES[name])) for name in names]

    t1w = brightness(T1W, "fat", "marrow water", "cortex")
    stir = brightness(STIR, "csf", "oedema", "marrow water", "marrow fat", "cortex")
    assert t1w == sorted(t1w, reverse=True)
    assert stir == sorted(stir, reverse=True)
