"""`afl contrast`: the page's numbers, axes of every command afterwards, and what is said of bad cases."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from afl_core import evaluate
from afl_core.evaluation.contrast_rows import CONTRAST, load_contrast


@pytest.fixture
def ran(call):
    """`ran(*arguments)` gives exit status, standard output and standard error, which is one line."""

    def run(*arguments):
        code, out, err = call(*arguments)
        return code, out, " ".join(err.split())

    return run


@pytest.fixture
def out(cohort, masks, tmp_path):
    evaluate({"A": masks, "B": masks}, tmp_path / "out", data=cohort)
    return tmp_path / "out"


def test_it_measures_says_on_what_and_gives_the_axes_of_a_breakdown(ran, out, tmp_path):
    code, _, err = ran("breakdown", out, "--by", "size,contrast")
    assert code != 0
    assert "Contrast is not known of these cases" in err
    assert "afl contrast RESULTS" in err
    code, shown, err = ran("contrast", out)
    assert code == 0, err
    assert "Lesions on t1ce, against the voxels within 5 mm around them" in err
    table = load_contrast(out)
    cases = table[table["lesion_id"] == 0]
    assert f"contrast_to_noise 4 {cases['contrast_to_noise'].median():.3g}" in " ".join(shown.split())
    code, _, err = ran("breakdown", out, "--by", "size,contrast", "--out", tmp_path / "b")
    assert code == 0, err
    assert "contrast is measured" not in err
    units = pd.read_csv(tmp_path / "b" / "units.csv").set_index("case_id")
    assert units["contrast"].to_dict() == pytest.approx(cases.set_index("case_id")["contrast"].to_dict())
    document = json.loads((tmp_path / "b" / "breakdown.json").read_text())
    (of_contrast,) = [part for part in document["bins"] if part["axis"] == "contrast"]
    assert of_contrast["exploratory"]
    code, shown, err = ran("breakdown", out, "--level", "lesion", "--by", "contrast_to_noise")
    assert code == 0, err
    assert "Contrast to noise on t1ce (exploratory)" in shown


def test_the_json_has_a_row_a_case_and_lesion(call, out):
    code, shown, _ = call("contrast", out, "--sequence", "FLAIR", "--json")
    assert code == 0
    document = json.loads(shown)
    assert document["sequence"] == "flair"
    assert [row["lesion_id"] for row in document["rows"] if row["case_id"] == "Case_B"] == [0, 1, 2]


def test_bad_cases_are_named_and_a_breakdown_says_that_they_lack_it(ran, out, cohort):
    (cohort / "HGG" / "Case_A" / "Case_A_t1ce.nii.gz").unlink()
    code, _, err = ran("contrast", out)
    assert code == 0, err
    assert "Case_A has no t1ce image" in err
    code, _, err = ran("breakdown", out, "--by", "contrast")
    assert "Contrast and signal to noise are measured on 3 of 4 cases with a tumour" in err


def test_scores_have_contrast_to_noise_alone_and_that_is_said(ran, out, cohort):
    for path in cohort.glob("*/*/*_t1ce.nii.gz"):
        image = nib.load(path)
        values = np.asarray(image.dataobj, np.float32)
        nib.save(nib.Nifti1Image(np.where(values > 0, (values - 150) / 30, 0), image.affine), path)
    code, _, err = ran("contrast", out)
    assert code == 0, err
    assert "Warning: 4 cases have intensities without a true zero, as z-scores or CT, so contrast_to_noise alone" in err
    code, _, err = ran("breakdown", out, "--by", "contrast")
    assert code != 0
    assert ran("breakdown", out, "--by", "contrast_to_noise")[0] == 0


def test_what_cannot_be_measured_is_one_message(ran, out, cohort, masks, tmp_path):
    code, _, err = ran("contrast", out, "--sequence", "adc")
    assert code == 2
    assert "There is no sequence of that name" in err
    evaluate({"A": masks}, tmp_path / "alone", references=masks)
    code, _, err = ran("contrast", tmp_path / "alone")
    assert code == 2
    assert "has no images" in err
    cohort.rename(tmp_path / "away")
    code, _, err = ran("contrast", out)
    assert code == 2
    assert "cannot be opened" in err
    assert not (out / CONTRAST).exists()


def test_where_no_case_can_be_read_the_command_fails_and_says_why(ran, out, cohort):
    for path in cohort.glob("*/*/*_t1ce.nii.gz"):
        path.write_bytes(b"")
    code, _, err = ran("contrast", out, "--sequence", "t1ce")
    assert code == 2
    assert "No case could be measured" in err
    assert "Case_A" in err


def test_a_report_has_its_section(ran, out, tmp_path):
    assert ran("contrast", out)[0] == 0
    code, _, err = ran("report", out, "--by", "size,contrast,signal_to_noise", "--out", tmp_path / "report.html")
    assert code == 0, err
    page = (tmp_path / "report.html").read_text()
    assert "Signal to noise on t1ce" in page
