"""Imported tables on the pages: taken on Data, compared on Overview and Breakdown, and what Compare lacks."""

import json
from pathlib import Path

import pytest
from made_imports import write_nnunet

from afl_core.evaluation.imported.importing import Request, import_tables, parse_files


@pytest.fixture
def tables(tmp_path):
    first = write_nnunet(tmp_path / "FL" / "summary.json")
    second = write_nnunet(tmp_path / "AFL" / "summary.json", gain=0.1)
    return [f"FL={first}", f"A-FL={second}"]


@pytest.fixture
def imported(tmp_path, tables):
    return import_tables(Request(parse_files(tables), voxel_mm3=10.0), tmp_path / "results" / "other")


def texts(at):
    return " ".join(str(e.value) for kind in (at.markdown, at.caption, at.info, at.warning, at.error) for e in kind)


@pytest.mark.parametrize("page", ["overview", "breakdown", "compare", "data", "follow_up", "loss_xray"])
def test_every_page_opens_imported_results_and_says_who_measured(app, imported, page):
    at = app(page, results="other")
    assert "Measured by nnU-Net, imported" in texts(at).replace("\\", "")
    assert not any("no tumour" in str(e.value) for e in at.markdown)


def test_overview_has_the_imported_metrics_alone(app, imported):
    at = app(results="other")
    table = next(frame.value for frame in at.dataframe if "Metric" in frame.value)
    assert table["Metric"].tolist() == ["Dice (nnU-Net) ↑", "IoU (nnU-Net) ↑"]
    assert table["FL mean"].tolist()[0] == "0.650"
    assert table["Difference"].tolist()[0] == "+0.100"


def test_breakdown_offers_the_imported_metrics_alone(app, imported):
    at = app("breakdown", results="other")
    metric = next(box for box in at.selectbox if box.label == "Metric")
    assert metric.options == ["Dice (nnU-Net)", "IoU (nnU-Net)"]
    assert next(box for box in at.selectbox if box.label == "Compare").options == ["Cases"]


def test_compare_says_what_is_missing_and_how_to_get_it(app, imported):
    at = app("compare", results="other")
    assert "without images and masks" in texts(at)
    assert "--source FL=MASKS" in at.code[0].value
    assert at.dataframe[0].value["Dice (nnU-Net)"].notna().sum() == 12


def test_data_page_imports_tables_on_this_machine(app, tables, tmp_path):
    at = app("data")
    next(a for a in at.text_area if a.label.startswith("Or tables")).set_value("\n".join(tables))
    next(t for t in at.text_input if t.label == "Name of the results").set_value("mine")
    next(b for b in at.button if b.label == "Import").click().run()
    assert not at.exception
    record = json.loads((tmp_path / "results" / "mine" / "manifest.json").read_text())
    assert list(record["sources"]) == ["FL", "A-FL"]


def test_data_page_imports_tables_with_covariates(app, tables, tmp_path):
    (tmp_path / "sites.csv").write_text("case_id,site\na,N\nb,S\n")
    at = app("data")
    next(a for a in at.text_area if a.label.startswith("Or tables")).set_value("\n".join(tables))
    next(t for t in at.text_input if t.label == "Table of covariates").set_value(str(tmp_path / "nowhere.csv"))
    next(b for b in at.button if b.label == "Import").click().run()
    assert any("no such table" in e.value for e in at.error)
    assert not (tmp_path / "results" / "imported").exists()
    next(t for t in at.text_input if t.label == "Table of covariates").set_value(str(tmp_path / "sites.csv"))
    next(b for b in at.button if b.label == "Import").click().run()
    assert not at.exception
    record = json.loads((tmp_path / "results" / "imported" / "manifest.json").read_text())
    assert record["covariates"]["columns"] == {"site": {"a": "N", "b": "S"}}


def test_results_keep_uploaded_tables_and_a_wrong_one_leaves_none(app, tables, tmp_path):
    (file,) = {text.partition("=")[2] for text in tables[:1]}
    at = app("data")
    (uploader,) = (u for u in at.file_uploader if u.label.startswith("Tables"))
    uploader.set_value([("FL.json", Path(file).read_bytes(), "application/json")])
    next(t for t in at.text_input if t.label == "Name of the results").set_value("mine")
    next(b for b in at.button if b.label == "Import").click().run()
    assert not at.exception
    record = json.loads((tmp_path / "results" / "mine" / "manifest.json").read_text())
    kept = Path(record["sources"]["FL"]["path"])
    assert kept.is_relative_to(tmp_path / "results" / "mine")
    assert kept.read_bytes() == Path(file).read_bytes()


def test_data_page_says_why_a_table_is_none(app, tmp_path):
    (tmp_path / "t.csv").write_text("case_id,d\na,0.5\n")
    at = app("data")
    next(a for a in at.text_area if a.label.startswith("Or tables")).set_value(str(tmp_path / "t.csv"))
    next(b for b in at.button if b.label == "Import").click().run()
    assert any("no column is chosen" in e.value for e in at.error)
    assert not (tmp_path / "results" / "imported").exists()


def test_uploaded_tables_take_the_names_that_are_typed(tmp_path):
    from types import SimpleNamespace

    from afl_core.errors import UsageError
    from afl_core.ui.data.tables import _uploaded

    uploads = [SimpleNamespace(name="../summary.json", getvalue=lambda: b"{}") for _ in range(2)]
    files = _uploaded(uploads, "FL, A-FL", tmp_path)
    assert [name for name, _ in files] == ["FL", "A-FL"]
    assert all(path.is_relative_to(tmp_path) and ".." not in path.parts for _, path in files)
    with pytest.raises(UsageError, match="one a table"):
        _uploaded(uploads, "a, b, c", tmp_path / "other")
