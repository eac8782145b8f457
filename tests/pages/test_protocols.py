"""A challenge's rules on the Overview and in the report: the same numbers, and none that is stale."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import streamlit as st
from made_protocols import save_block

from afl_core import evaluate
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.cli.opened import open_compared
from afl_core.data.layouts import DataOptions
from afl_core.metrics.protocols import PROTOCOLS
from afl_core.report.build import Findings, build_report

TITLE = "BraTS 2023 lesion-wise (metastases)"
REGIONS = ("whole", "tc", "et")
HD95 = "6.33"
"""(0 + 3 + 16) / 3: whole blocks that are moved by 3 and by 16 voxels."""


@pytest.fixture
def measured(tmp_path):
    """`measured(*protocols)` evaluates a block of 216 voxels: found, shifted by three, and missed with a false one."""
    for case, (mine, theirs) in {"a": (4, 4), "b": (7, 4), "c": (20, 20)}.items():
        save_block(tmp_path / "references" / f"{case}.nii.gz", 4)
        save_block(tmp_path / "mine" / f"{case}.nii.gz", mine)
        save_block(tmp_path / "theirs" / f"{case}.nii.gz", theirs)

    def run(*protocols, labels="brats2023", regions=REGIONS):
        sources = {name: tmp_path / name for name in ("mine", "theirs")}
        options = DataOptions(labels=labels)
        for protocol in protocols or (None,):
            folder, references = tmp_path / "results" / "made", tmp_path / "references"
            evaluate(sources, folder, references=references, options=options, regions=regions, protocol=protocol)
        return folder

    return run


def opened(app):
    at = app()
    at.session_state["protocols of made"] = True
    return at.run()


def table_of(at):
    return next(of.value for of in at.dataframe if "Lesion Dice" in of.value).set_index(["Source", "Region"])


def text(at) -> str:
    return " ".join(str(of.value) for kind in (at.caption, at.warning, at.error) for of in kind).replace("\\", "")


def test_means_over_cases_by_source_and_region(app, measured):
    """By hand: lesion-wise Dice (1 + 1/2 + 0) / 3, HD95 (0 + 3 + 374) / 3, the last of a missed and a false lesion."""
    measured("brats2023_met")
    at = opened(app)
    assert not at.exception
    assert f"By the rules of {TITLE}" in {of.label for of in at.expander}
    table = table_of(at)
    assert table.index.tolist() == [(s, r) for s in ("mine", "theirs") for r in ("WT", "TC", "ET")]
    assert table.loc[("mine", "WT")].to_dict() == {
        **{"Cases": "3", "Lesion Dice": "0.500", "Lesion HD95": "125.67"},
        **{"Found": "0.67", "Missed": "0.33", "False": "0.33", "Ignored": "0.00"},
        **{"Dice": "0.500", "HD95": HD95},
    }
    assert PROTOCOLS["brats2023_met"].definition in text(at)
    assert "Means over cases, as the challenge has them" in text(at)
    assert "Challenge" not in {of.label for of in at.selectbox}


def test_a_stale_row_is_not_shown(app, measured, tmp_path):
    measured("brats2023_met")
    save_block(tmp_path / "mine" / "c.nii.gz", 4)
    at = opened(app)
    assert table_of(at).loc[("mine", "WT"), ["Cases", "Lesion Dice"]].tolist() == ["2", "0.750"]
    assert "1 prediction has no row: not measured yet, changed since, or not measurable." in text(at)
    assert "cannot be compared: mine 2, theirs 3" in text(at)
    (tmp_path / "references").rename(tmp_path / "gone")
    st.cache_resource.clear()
    at = opened(app)
    assert not [of for of in at.dataframe if "Lesion Dice" in of.value]
    assert "cannot be opened" in text(at)


@pytest.mark.parametrize(("column", "value"), [("labels", "abc"), ("lesion_dsc", "7.5"), ("tp", "many")])
def test_a_damaged_table_is_named_and_the_rest_goes_on(app, measured, column, value):
    folder = measured("brats2023_met")
    path = folder / "protocols" / "brats2023_met.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(path, index=False)
    at = opened(app)
    assert not at.exception
    assert f"The table {path} " in text(at)
    assert "7.5" not in text(at)
    comparison, options = open_compared(folder), Options()
    found = choose_breakdown((comparison.rows, comparison.lesions), comparison.manifest, options)
    html = build_report(Findings(found, options, comparison, "afl report"))
    assert "what is damaged is left out." in html.split('<section id="protocols">')[1].split("</section>")[0]


def test_several_challenges_have_a_selector(app, measured):
    measured("brats2023_met", "brats2025_goat")
    at = opened(app)
    assert "By the rules of a challenge" in {of.label for of in at.expander}
    at.selectbox(next(of.key for of in at.selectbox if of.label == "Challenge")).select("brats2025_goat").run()
    assert table_of(at).loc[("mine", "WT"), "Lesion HD95"] == "125.33"


def test_results_without_rows_have_the_command_alone(app, measured):
    folder = measured()
    at = app()
    assert not [of for of in at.expander if of.label.startswith("By the rules")]
    assert f"`afl protocol brats2023_gli --out {folder}`" in text(at)


@pytest.mark.parametrize(("labels", "regions"), [("brats2023", ("whole",)), ("a=1,b=2,c=3", ("whole", "a", "b"))])
def test_no_command_where_it_would_not_do(app, measured, labels, regions):
    """Results of one region, and labels whose regions no protocol has."""
    measured(labels=labels, regions=regions)
    assert "afl protocol" not in text(app())


def test_own_codes_are_measured_by_their_names(app, measured):
    """The block of label 3 is edema by these codes: of the whole tumour, and of nothing else."""
    measured("brats2023_met", labels="et=1,ncr=2,ed=3")
    at = opened(app)
    assert "own labels: WT 1+2+3, TC 1+2, ET 1." in text(at)
    table = table_of(at)
    assert table.loc[("mine", "WT"), ["Lesion Dice", "Found"]].tolist() == ["0.500", "0.67"]
    assert table.loc[("mine", "ET"), ["Lesion Dice", "Found"]].tolist() == ["1.000", "0.00"]


def test_the_report_has_the_same_table(app, measured):
    folder = measured("brats2023_met")
    comparison, options = open_compared(folder), Options()
    found = choose_breakdown((comparison.rows, comparison.lesions), comparison.manifest, options)
    html = build_report(Findings(found, options, comparison, "afl report"))
    section = html.split('<section id="protocols">')[1].split("</section>")[0]
    assert TITLE in section
    assert PROTOCOLS["brats2023_met"].definition in section
    for row in table_of(opened(app)).reset_index().to_numpy().tolist():
        cells = [f"<td>{cell}</td>" for cell in row[:2]] + [f'<td class="number">{cell}</td>' for cell in row[2:]]
        assert "".join(cells) in section


def test_detection_maps_have_their_scores_on_page_and_in_the_report(app, measured, tmp_path):
    """Two lesions found with 0.5 and 0.9, one missed beside a false positive of 0.7: AP (1 + 2/3) / 3."""
    folder = tmp_path / "results" / "made"
    for case, (first, confidence) in {"a": (4, 0.5), "b": (4, 0.9), "c": (20, 0.7)}.items():
        save_block(tmp_path / "references" / f"{case}.nii.gz", 4, label=1)
        save_block(tmp_path / "maps" / f"{case}.nii.gz", first, label=1)
        image = nib.load(tmp_path / "maps" / f"{case}.nii.gz")
        values = image.get_fdata(dtype=np.float32) * np.float32(confidence)
        nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "maps" / f"{case}.nii.gz")
    evaluate({"maps": tmp_path / "maps"}, folder, references=tmp_path / "references", protocol="picai")
    said = "AP 0.556 and AUROC –; sensitivity 0.667 at 0.5, 0.667 at 1, 0.667 at 2 false positives a case. 3 lesions"
    at = opened(app)
    assert not at.exception
    assert said in " ".join(str(of.value) for of in at.markdown).replace("\\", "")
    comparison, options = open_compared(folder), Options()
    found = choose_breakdown((comparison.rows, comparison.lesions), comparison.manifest, options)
    assert said in build_report(Findings(found, options, comparison, "afl report"))
