#!/bin/sh
# pingouin 0.7.0: `intraclass_corr` gives no confidence interval (nan, nan) for absolute agreement, ICC(A,1) and ICC(A,k), and for
# consistency of single ratings, ICC(C,1), where two readers differ by the same amount on every scan; ICC(C,k) of the same table has
# (1, 1). The estimates are right: 0.996 for five scans where the second reader is 1 above the first. The residual mean square is exactly
# 0 there, and the limits divide infinity by infinity. Half a unit's difference in one scan, and all six have limits.
#
# Expected were the limits of absolute agreement's formula as the residual goes to 0. It matters in reader studies of few scans with whole
# units (counts of lesions, scores of joints): two readers of whom one always counts one more are an ordinary outcome, and a report then
# prints "nan to nan" beside an agreement of 0.996.
#
# Seen (Python 3.11, numpy 2.4.6, pandas 3.1.1, scipy 1.17.1, x86-64): as `expected` below. Ends with 1 where that changed. Needs python3
# (3.11 or later) with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PY'
import numpy as np
import pandas as pd
import pingouin

first = np.array([5.0, 9.0, 14.0, 20.0, 33.0])
print(f"pingouin {pingouin.__version__}")
for name, second in (("one more on every scan", first + 1), ("half more on the last", first + [0, 0, 0, 0, 0.5])):
    table = pd.DataFrame({"scan": [*range(5)] * 2, "reader": ["a"] * 5 + ["b"] * 5, "score": np.r_[first, second]})
    for row in pingouin.intraclass_corr(table, targets="scan", raters="reader", ratings="score").itertuples():
        low, high = row.CI95
        print(f"{name}: {row.Type} {row.ICC:.3f}, interval {low:.2f} to {high:.2f}")
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pingouin==0.7.0 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
"$folder/env/bin/python" -W ignore "$folder/look.py" | tee "$folder/seen"
cat >"$folder/expected" <<'TXT'
pingouin 0.7.0
one more on every scan: ICC(1,1) 0.996, interval 0.97 to 1.00
one more on every scan: ICC(A,1) 0.996, interval nan to nan
one more on every scan: ICC(C,1) 1.000, interval nan to nan
one more on every scan: ICC(1,k) 0.998, interval 0.98 to 1.00
one more on every scan: ICC(A,k) 0.998, interval nan to nan
one more on every scan: ICC(C,k) 1.000, interval 1.00 to 1.00
half more on the last: ICC(1,1) 1.000, interval 1.00 to 1.00
half more on the last: ICC(A,1) 1.000, interval 1.00 to 1.00
half more on the last: ICC(C,1) 1.000, interval 1.00 to 1.00
half more on the last: ICC(1,k) 1.000, interval 1.00 to 1.00
half more on the last: ICC(A,k) 1.000, interval 1.00 to 1.00
half more on the last: ICC(C,k) 1.000, interval 1.00 to 1.00
TXT
diff "$folder/expected" "$folder/seen"
