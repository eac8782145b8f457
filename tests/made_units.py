"""Made-up cases or lesions of several sources, and their breakdown, for the figures."""

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.measures import build_measure
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.units import Units

SIZE = Binning("size", (2.0, 8.0), "own edges")
ROUGH = Binning("roughness", (0.1, 0.2), "own edges")
PAIR = ("FL", "A-FL")


def make_units(n=30, sources=PAIR, *, level="case", metric="dsc", per_patient=1):
    """Sizes from 0.5 to 16 ml, roughness repeating 0.05, 0.15, 0.25, none; values without ties."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "case_id": [f"c{k // per_patient}" for k in range(n)],
            "patient": [f"p{k // per_patient}" for k in range(n)],
            "lesion_id": [k % per_patient + 1 if level == "lesion" else 0 for k in range(n)],
            "size": np.geomspace(0.5, 16, n),
            "roughness": [(0.05, 0.15, 0.25, np.nan)[k % 4] for k in range(n)],
            "released_smoothness": np.linspace(0.1, 0.3, n),
        }
    )
    values = pd.DataFrame({name: rng.uniform(0.3, 0.9, n) for name in sources})
    return Units(level, build_measure(level, metric), tuple(sources), table, table, values, {})


def breakdown(units=None):
    return compute_breakdown(make_units() if units is None else units, (SIZE, ROUGH))
