"""`afl export`: the tables of every region, and those of a challenge."""

import pandas as pd
import pytest
from made_regions import write_cases

from afl_core.data.layouts import references_cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources


@pytest.fixture
def two_regions(tmp_path):
    """Results of labels in the whole tumour and in ET."""
    folder = write_cases(tmp_path / "cases")
    cohort = with_regions(references_cohort(folder / "references", labels="brats2023"), ("whole", "et"))
    results, sources = Results(tmp_path / "out"), parse_sources([f"A={folder / 'labels'}", f"B={folder / 'masks'}"])
    cases, decided = begin(results, cohort, cohort.cases, sources)
    evaluate_into(results, cases, decided)
    return results.folder


def test_each_region_has_its_own_tables_and_they_say_which(call, two_regions, tmp_path):
    code, _, err = call("export", two_regions, "--regions", "all", "--out", tmp_path / "kit", "--markdown")
    assert code == 0, err
    assert "whole, et, a folder a region, written to" in " ".join(err.split())
    for region, title in (("whole", "whole tumour"), ("et", "enhancing tumour")):
        for table in ("sources", "bins"):
            caption = (tmp_path / "kit" / region / f"table_{table}.md").read_text().split("\n")[0]
            assert title in caption, table
    code, _, err = call("export", two_regions, "--out", tmp_path / "one")
    assert code == 0, err
    code, _, err = call("export", two_regions, "--region", "et", "--out", tmp_path / "one")
    assert code == 2
    assert "holds the tables of another region (received: whole)" in " ".join(err.split())


def test_a_challenge_has_a_table_with_its_rule(call, two_regions, tmp_path):
    code, _, err = call("protocol", "brats2023_gli", "--out", two_regions)
    assert code == 0, err
    code, _, err = call("export", two_regions, "--out", tmp_path / "kit")
    assert code == 0, err
    text = (tmp_path / "kit" / "table_brats2023_gli.md").read_text()
    assert "50 mm3" in text
    exact = pd.read_csv(tmp_path / "kit" / "table_brats2023_gli.csv")
    assert exact[["source", "region", "cases"]].head(3).to_numpy().tolist() == [
        ["A", "wt", 2],
        ["A", "tc", 2],
        ["A", "et", 2],
    ]
    assert exact.loc[0, "dsc"] == pytest.approx(2 * 8 / (8 + 9)), "slabs of the whole: 8, predicted 9"
