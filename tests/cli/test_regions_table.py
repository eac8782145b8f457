"""What `afl evaluate` prints of several regions."""

import json

import numpy as np
from made_regions import CODES, PREDICTED, REFERENCE, write_cases

from afl_core.data.formats.files import save_volume


def test_regions_are_compared_on_the_cases_that_all_sources_have(call, tmp_path):
    """The second source lacks case b, in which the first is right: over a alone both have a core of 10 / 12."""
    folder = write_cases(tmp_path)
    save_volume(folder / "labels" / "b.nii.gz", REFERENCE, np.eye(4))
    save_volume(folder / "few" / "a.nii.gz", PREDICTED, np.eye(4))
    sources = [word for name in ("labels", "few", "masks") for word in ("--source", f"{name}={folder / name}")]
    words = ("--references", folder / "references", *sources, "--labels", CODES, "--regions", "whole,tc")
    code, out, err = call("evaluate", *words, "--out", folder / "out")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    at = next(k for k, line in enumerate(lines) if line[:2] == ["mean", "Dice"] and "reference" in line)
    assert lines[at + 1] == ["whole", "0.941", "0.941", "0.941", "1", "of", "2", "patients", "1", "of", "1", "case"]
    assert lines[at + 2] == ["tc", "0.833", "0.833", "–", "1", "of", "2", "patients", "1", "of", "1", "case"]
    document = json.loads(call("evaluate", *words, "--out", folder / "out", "--json")[1])
    assert [of["mean_dsc"] for of in document["regions"]["tc"]][:1] == [(1 + 10 / 12) / 2]
