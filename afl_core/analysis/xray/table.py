"""What A-FL takes from each case of a cohort: its alpha, its gammas under each reading, size and roughness.

Masks alone are enough. The numbers are those of `afl_core.loss.factors`, without PyTorch; that both agree is tested.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.xray.focusing import SETTINGS, Setting, gammas
from afl_core.base.workers import finished
from afl_core.data.layouts import load_case
from afl_core.data.mask_grid import Grid, Resize, crop_mask, resample_mask, resize_mask
from afl_core.errors import AflError, DataError
from afl_core.regions import edge_strength
from afl_core.shape import roughness
from afl_core.volume import Case, Mask, Spacing

Row = dict[str, Any]
Report = Callable[[str], None]

COLUMNS = MappingProxyType(
    {
        "case_id": "str",
        "patient": "str",
        "size": "float64",
        "roughness": "float64",
        "voxels": "int64",
        "tumour_voxels": "int64",
        "boundary": "float64",
        "grid_ml": "float64",
        "gamma_va": "float64",
        "alpha_va": "float64",
        "released": "float64",
        "surface": "float64",
        "scale_free": "float64",
    }
)
"""Columns of a case. On its own grid: size in ml, roughness. On the loss's grid: voxels, those of the tumour, the sum
of |grad(mask)|, the tumour's volume in ml, gamma_va, alpha_va, and gamma_mSa under its three readings."""

QUANTITIES = MappingProxyType(
    {
        "alpha_va": "alpha_va",
        "gamma_va": "gamma_va",
        "released": "gamma_mSa released",
        "surface": "gamma_mSa boundary",
        "scale_free": "gamma_mSa scale-free",
        "gamma_adaptive": "gamma_adaptive",
    }
)
"""Column of `xray_table` to its name in tables."""


@dataclass(frozen=True)
class Preparation:
    """What is done to a mask before the loss sees it, in this order; a None is left out.

    Attributes:
        title: Name to show.
        spacing_mm: Voxel size to resample to.
        crop: Voxels around the centre that are kept; padded where there are fewer.
        grid: Voxels to resize to, whatever the field of view.
        resize: Method of the last step (`resize_mask`).
    """

    title: str
    spacing_mm: Spacing | None = None
    crop: Grid | None = None
    grid: Grid | None = None
    resize: Resize = "nearest"

    def apply(self, mask: Mask) -> Mask:
        """The mask that the loss sees."""
        if self.spacing_mm:
            mask = resample_mask(mask, self.spacing_mm)
        if self.crop:
            mask = crop_mask(mask, self.crop)
        return resize_mask(mask, self.grid, how=self.resize) if self.grid else mask


PREPARATIONS: Mapping[str, Preparation] = MappingProxyType(
    {
        "own": Preparation("each case's own grid"),
        "picai_paper": Preparation(
            "PI-CAI's crop (0.5 x 0.5 x 3 mm, centre 256 x 256 x 20), by area to 160 x 128 x 24 as released",
            (0.5, 0.5, 3.0),
            (256, 256, 20),
            (160, 128, 24),
            "area",
        ),
        "picai_grid": Preparation("the whole field of view, 160 x 128 x 24 voxels", grid=(160, 128, 24)),
        "brats_paper": Preparation(
            "BraTS as released, but from the centre: 1 mm, 224 x 224 x 144", (1.0, 1.0, 1.0), (224, 224, 144)
        ),
    }
)
"""Ways in which a case reaches the loss. The crop of `picai_paper` is that of the challenge's baseline (picai_prep);
the paper's code begins with the resizing. A tumour's share of the voxels, and gamma with it, hangs on the crop."""


def xray_table(
    cases: Sequence[Case],
    preparation: Preparation = PREPARATIONS["own"],
    *,
    executor: Executor | None = None,
    report: Report = lambda case_id: None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Measure the reference of every case; a case that fails becomes a problem, the others go on.

    Args:
        cases: The cases of the cohort; those without a reference are problems.
        preparation: The steps that the masks go through before the loss sees them.
        executor: Executor that runs the cases; without one they run here.
        report: Function that is called with every finished case.

    Returns:
        A row a case, columns COLUMNS and `gamma_adaptive` as released; and case id to what went wrong.
    """
    measured: dict[str, Row] = {}
    problems: dict[str, str] = {}
    for case, row in finished(
        partial(_measure, preparation=preparation),
        cases,
        of=lambda case: f"measuring the reference of {case.case_id}",
        executor=executor,
    ):
        if isinstance(row, AflError):
            problems[case.case_id] = str(row)
        else:
            measured[case.case_id] = row
        report(case.case_id)
    rows = [measured[case.case_id] for case in cases if case.case_id in measured]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict(COLUMNS))
    return table.assign(gamma_adaptive=gammas(SETTINGS["A-FL released"], table)), problems


def measure_mask(mask: Mask, preparation: Preparation = PREPARATIONS["own"]) -> Row:
    """The numbers of COLUMNS from `size` on, of one reference.

    An empty mask, or one that is lost on the grid of the loss, has alpha_va 1 and every gamma 0.
    """
    seen = preparation.apply(mask)
    rough = roughness(mask.array, spacing_mm=mask.spacing_mm)
    same = seen is mask
    scale_free = rough if same else roughness(seen.array, spacing_mm=seen.spacing_mm)
    edges = edge_strength(seen.array)
    boundary, band = float(edges.sum(dtype=np.float64)), int(np.count_nonzero(edges))
    voxels, tumour = seen.array.size, int(np.count_nonzero(seen.array))
    return {
        "size": mask.volume_ml,
        "roughness": rough,
        "voxels": voxels,
        "tumour_voxels": tumour,
        "boundary": boundary,
        "grid_ml": tumour * seen.voxel_ml,
        "gamma_va": tumour / voxels,
        "alpha_va": 1 - tumour / voxels,
        "released": boundary / voxels,
        "surface": boundary / max(band, 1),
        "scale_free": 0.0 if math.isnan(scale_free) else scale_free,
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Distribution of every quantity over the cases with a tumour, and its rank correlations.

    Returns:
        A row a quantity of QUANTITIES: `min`, `q1`, `median`, `q3`, `p95`, `max`; `rho_size` and `rho_roughness`,
        Spearman's with volume and with the size-free roughness (over the cases that carry one), NaN below 3 cases or
        where something does not vary.
    """
    there = tumours(table)
    marks = {"min": 0, "q1": 0.25, "median": 0.5, "q3": 0.75, "p95": 0.95, "max": 1}
    rows = {
        column: {name: there[column].quantile(at) for name, at in marks.items()}
        | {
            "rho_size": spearman(there[column], there["size"]),
            "rho_roughness": spearman(there[column], there["roughness"]),
        }
        for column in QUANTITIES
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def tumours(table: pd.DataFrame) -> pd.DataFrame:
    """The cases whose tumour is there on the grid of the loss."""
    return table[table["tumour_voxels"] > 0].reset_index(drop=True)


def spearman(a: "pd.Series[float]", b: "pd.Series[float]") -> float:
    """Spearman's rank correlation of the pairs that both have a value; NaN below 3, or where one does not vary."""
    both = pd.DataFrame({"a": a.to_numpy(), "b": b.to_numpy()}).dropna()
    if len(both) < 3 or both["a"].nunique() < 2 or both["b"].nunique() < 2:
        return math.nan
    return float(np.corrcoef(both["a"].rank(), both["b"].rank())[0, 1])


def focusing_by_bin(table: pd.DataFrame, settings: Mapping[str, Setting], bins: NDArray[np.int64]) -> pd.DataFrame:
    """Median gamma of each loss in each bin.

    Args:
        table: Cases with a tumour.
        settings: Name of the loss to its settings.
        bins: Number of the bin of each case (`Binning.assign`).

    Returns:
        A table with a column for each loss; its index holds the numbers of the bins that hold a case.
    """
    values = pd.DataFrame({name: gammas(setting, table) for name, setting in settings.items()})
    return values.groupby(bins).median()


def _measure(case: Case, preparation: Preparation) -> Row:
    reference = load_case(case, sequences=()).reference
    if reference is None:
        raise DataError(f"{case.case_id} has no reference segmentation")
    return {"case_id": case.case_id, "patient": case.patient} | measure_mask(reference, preparation)
