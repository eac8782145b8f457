"""A checkpoint's probabilities on one case, from a process of its own, so that the caller never loads PyTorch."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afl_core.base import processes
from afl_core.data.layouts import load_case
from afl_core.errors import CheckpointError
from afl_core.evaluation.sources import Source, parse_sources, source_text
from afl_core.volume import Case

TIMEOUT_S = 600


def case_probabilities(
    source: Source, case: Case, *, waiting: Callable[[float], None] = lambda spent: None
) -> NDArray[np.float32]:
    """Sigmoid probabilities of the background and of the tumour channel on the case's own grid.

    Args:
        source: A checkpoint, or weights of the paper's authors.
        case: Case with the sequences that the source needs.
        waiting: Called while waiting, as `processes.ask` does: it may end the wait, and the process with it.

    Returns:
        Shape (2, X, Y, Z).

    Raises:
        CheckpointError: If it cannot be done; says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "probabilities.npy"
        spec = {
            "source": source_text(source.name, source.path.resolve(), source.option),
            "case": {
                "case_id": case.case_id,
                "sequences": {name: str(path.resolve()) for name, path in case.sequences.items()},
                "grid": case.grid,
                "channels": dict(case.channels),
                "trust_voxel_order": case.trust_voxel_order,
            },
            "out": str(out),
        }
        try:
            done = processes.ask(
                "afl_core.evaluation.probabilities", json.dumps(spec), seconds=TIMEOUT_S, waiting=waiting
            )
        except TimeoutError as error:
            raise CheckpointError("The prediction took too long", received=error) from error
        if not out.is_file():
            what = f"{source.name} could not predict {case.case_id}"
            raise CheckpointError(what, received=processes.last_words(done))
        return np.asarray(np.load(out, allow_pickle=False), np.float32)


def _predict(text: str) -> str:
    """The process's own work; the answer is the file that it writes."""
    spec = json.loads(text)
    (source,) = parse_sources([spec["source"]])
    case = Case(**spec["case"] | {"sequences": {name: Path(path) for name, path in spec["case"]["sequences"].items()}})
    present = [name for name in source.sequences() if name in case.sequences]
    probabilities = source.predict(case, load_case(case, sequences=present).images, None).probabilities
    np.save(spec["out"], probabilities, allow_pickle=False)  # type: ignore[arg-type]  # a checkpoint always gives them
    return ""


if __name__ == "__main__":
    processes.answer(_predict)
