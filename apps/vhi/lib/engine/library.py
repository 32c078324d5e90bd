"""OpenVINO without its converter, which as it is loaded reports to its makers that it is used, unless it was told not to.

Whoever measures a scan tells nobody. It also takes a tenth of a second.
"""

from __future__ import annotations

from ..absent import absent

with absent("openvino.tools.ovc"):
    import openvino as ov

__all__ = ["ov"]
