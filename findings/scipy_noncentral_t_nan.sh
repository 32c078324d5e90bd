#!/bin/sh
# scipy 1.17.1: `stats.nct.cdf`, the noncentral t distribution, is nan for some ordinary arguments, among them a t of 8 with 8 degrees
# of freedom and a noncentrality of -9. The probability there is 1 to the last digit; `stats.nct.sf` of the same arguments is 0, and
# neighbours have their values.
#
# Expected was a probability. It matters where a standardised response mean gets its interval: the limits are the noncentralities that
# give the t seen a probability of 2.5% and of 97.5%, and the search for them goes through such arguments. Below, a mean fall of 2 standard
# deviations in nine patients (t = 6) has no lower limit by scipy's distribution, with an ordinary bracket; by its defining integral it has,
# and `special.nctdtrinc`, which goes another way, finds the same 0.820.
#
# Seen (Python 3.11, numpy 2.4.6, x86-64): as `expected` below. Ends with 1 where that changed. Needs python3 (3.11 or later) with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PY'
import numpy as np
import scipy
from scipy import integrate, optimize, special, stats


def by_integral(t, df, noncentrality):
    """P(T <= t) as it is defined: a normal value over the root of a chi-squared one."""

    def share(square):
        return stats.norm.cdf(t * np.sqrt(square / df) - noncentrality) * stats.chi2.pdf(square, df)

    return integrate.quad(share, 0, np.inf, epsabs=0, epsrel=1e-11, limit=500)[0]


def lower_limit(distribution):
    """Of a standardised mean of 2 in 9 patients, 95%."""
    n, t = 9, 6.0
    try:
        limit = optimize.brentq(lambda shift: distribution(t, n - 1, shift) - 0.975, -t - 2, t + 20)
    except ValueError as error:
        return f"ValueError: {str(error).partition('x=')[0]}x=...{str(error).partition(' is ')[2]}"
    return f"{limit / np.sqrt(n):.3f}"


print(f"scipy {scipy.__version__}")
for t, shift in ((2, -9), (6, -6), (8, -8), (8, -9), (-8, 9)):
    row = (stats.nct.cdf(t, 8, shift), by_integral(t, 8, shift), stats.nct.sf(t, 8, shift))
    print("t {}, df 8, noncentrality {}: cdf {:.6f}, by its integral {:.6f}, sf {:.6f}".format(t, shift, *row))
print("lower limit by scipy:", lower_limit(stats.nct.cdf))
print("lower limit by the integral:", lower_limit(by_integral))
print(f"lower limit by nctdtrinc: {special.nctdtrinc(8, 0.975, 6) / 3:.3f}")
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/env/bin/python" -W ignore "$folder/look.py" | tee "$folder/seen"
cat >"$folder/expected" <<'TXT'
scipy 1.17.1
t 2, df 8, noncentrality -9: cdf 1.000000, by its integral 1.000000, sf 0.000000
t 6, df 8, noncentrality -6: cdf nan, by its integral 1.000000, sf 0.000000
t 8, df 8, noncentrality -8: cdf nan, by its integral 1.000000, sf 0.000000
t 8, df 8, noncentrality -9: cdf nan, by its integral 1.000000, sf 0.000000
t -8, df 8, noncentrality 9: cdf nan, by its integral 0.000000, sf 1.000000
lower limit by scipy: ValueError: The function value at x=...NaN; solver cannot continue.
lower limit by the integral: 0.820
lower limit by nctdtrinc: 0.820
TXT
diff "$folder/expected" "$folder/seen"
