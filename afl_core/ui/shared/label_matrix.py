"""The matrix of labels of the reference against labels of a source, as text."""

import pandas as pd

from afl_core.analysis.label_errors import NO_TUMOUR, matrix
from afl_core.base.numbers import NOTHING, volume


def shown_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Shares and volumes in words; of what is no tumour in the reference the volumes alone.

    Args:
        table: Rows of `label_errors`.
    """
    shares, ml = matrix(table), matrix(table, shares=False)
    cells = {
        predicted: [
            _cell(name, shares.loc[name, predicted], ml.loc[name, predicted])
            if ml.loc[name, predicted] > 0
            else NOTHING
            for name in ml.index
        ]
        for predicted in ml.columns
    }
    return pd.DataFrame(cells, index=pd.Index(ml.index, name="reference"))


def _cell(name: str, share: float, ml: float) -> str:
    return volume(ml) if name == NO_TUMOUR else f"{100 * share:.0f} % ({volume(ml)})"
