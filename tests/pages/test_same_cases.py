"""One results folder: pages, command line, report and job see the same cases of it, also once a split narrows it."""

import json
import re
import sys
import time

import pandas as pd
import pytest

from afl_core.cli import main
from afl_core.data.layouts import load_cohort
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.job import EVERY, job_status, start_job
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources

SOURCES = ("FL", "A-FL")
EVERYTHING = ("gained", "healthy", "lost", "missed")


@pytest.fixture
def afl(monkeypatch):
    """Run a command in this process."""

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["afl", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main.main()
        assert not left.value.code

    return run


@pytest.mark.parametrize("split", [(), ("gained", "healthy", "missed")])
def test_all_see_the_same_cases(app, afl, tmp_path, cohort_folder, split):
    wanted = sorted(split or EVERYTHING)
    cohort = load_cohort(cohort_folder)
    sources = parse_sources([f"{name}={tmp_path / name}" for name in SOURCES])
    results = Results(tmp_path / "results" / "small")
    results.describe_cohort(cohort, sources)
    evaluate_into(results, [case for case in cohort.cases if case.case_id == "lost"], sources)
    results.describe_cohort(cohort, sources, cases=split)  # "lost" may count no longer; its rows stay in the folder

    start_job(results, data=cohort_folder, case_id=EVERY, sources=sources)
    while (status := job_status(results, EVERY)).state == "running":
        time.sleep(0.05)
    assert (status.state, status.total) == ("finished", len(wanted))
    assert sorted(results.cases()["case_id"].unique()) == sorted({"lost", *wanted})

    opened = open_comparison(results.folder)
    assert sorted(opened.rows["case_id"].unique()) == wanted
    means = opened.rows.groupby("source")["dsc"].mean()

    at = app("compare", results="small", sort="By name")
    shown = next(frame.value for frame in at.dataframe if "case" in frame.value)
    assert list(shown["case"]) == wanted
    assert shown[list(SOURCES)].mean().to_dict() == pytest.approx(means.to_dict())

    afl("breakdown", results.folder, "--out", tmp_path / "out")
    units = pd.read_csv(tmp_path / "out" / "units.csv")
    assert sorted(units["case_id"]) == wanted
    exported = json.loads((tmp_path / "out" / "breakdown.json").read_text())

    afl("report", results.folder, "--out", tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    (embedded,) = re.findall(r'<script[^>]*id="breakdown"[^>]*>(.*?)</script>', page, re.DOTALL)
    document = json.loads(embedded)
    assert document["reference_units"] == exported["reference_units"] == len(wanted)
    assert document["records"] == exported["records"]
    overall = {record["source"]: record["mean"] for record in document["records"] if record["axis"] == "all"}
    assert overall == pytest.approx(means.to_dict())
