"""`afl import`, and the commands that read what it made."""

import json

import pytest
from made_imports import write_nnunet
from typer.testing import CliRunner

from afl_core.cli.main import app


@pytest.fixture
def tables(tmp_path):
    first = write_nnunet(tmp_path / "FL" / "summary.json")
    return [str(first), f"A-FL={write_nnunet(tmp_path / 'net' / 'summary.json', gain=0.1)}"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_import_prints_means_and_what_they_are(tmp_path, tables):
    done = run("import", *tables, "--voxel-mm3", 10, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "Dice (nnU-Net)" in done.output
    assert "0.650" in done.output
    assert "0.750" in done.output
    assert "6 of 7 patients" in done.output
    assert "Measured by nnU-Net, imported" in done.output


def test_json_holds_the_means(tmp_path, tables):
    done = run("import", *tables, "--json", "--quiet", "--out", tmp_path / "out")
    metrics = {m["metric"]: m["means"] for m in json.loads(done.stdout)["metrics"]}
    assert metrics["nnunet.dice"] == pytest.approx({"FL": 0.65, "A-FL": 0.75})


def test_breakdown_and_report_read_what_was_imported(tmp_path, tables):
    assert run("import", *tables, "--voxel-mm3", 10, "--out", tmp_path / "out").exit_code == 0
    done = run("breakdown", tmp_path / "out", "--metric", "iou (nnu-net)", "--out", tmp_path / "b")
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "b" / "breakdown.json").read_text())
    assert document["metric"]["label"] == "IoU (nnU-Net)"
    assert document["options"]["metric"] == "nnunet.iou"
    assert document["settings"] is None
    done = run("report", tmp_path / "out", "--out", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    html = (tmp_path / "r.html").read_text()
    assert "Dice (nnU-Net)" in html
    assert "Measured by nnU-Net, imported" in html
    assert "Surface tolerance" not in html


def test_a_wrong_metric_of_imported_results_names_those_there_are(tmp_path, tables):
    run("import", *tables, "--out", tmp_path / "out")
    done = run("breakdown", tmp_path / "out", "--metric", "hd95_mm", "--out", tmp_path / "b")
    assert done.exit_code != 0
    assert "nnunet.dice, nnunet.iou" in str(done.exception)


def test_a_folder_with_results_is_refused(tmp_path, tables):
    run("import", *tables, "--out", tmp_path / "out")
    done = run("import", *tables, "--out", tmp_path / "out")
    assert "holds results already" in str(done.exception)


def test_covariates_of_a_table_are_kept_and_axes_of_what_was_imported(tmp_path, tables):
    table = tmp_path / "sites.csv"
    table.write_text("case_id,site,day\na,N,2020-01-02\nb,S,2020-01-03\nc,N,\nelsewhere,S,\n")
    given = ("import", *tables, "--voxel-mm3", 10, "--covariates", table)
    done = run(*given, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "Covariates (sites.csv, for 3 of 7 cases): site." in done.output
    assert "1 id is in sites.csv that no case of these has: elsewhere." in done.stderr
    assert "day of sites.csv is no axis: it says a time" in done.stderr
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert record["covariates"]["columns"] == {"site": {"a": "N", "b": "S", "c": "N"}}
    done = run("breakdown", tmp_path / "out", "--by", "site", "--out", tmp_path / "b")
    assert "Site (exploratory)" in done.output
    table.write_text("case_id,site\na,N\na,S\n")
    done = run(*given, "--out", tmp_path / "none")
    assert "a: site N and S" in str(done.exception)
    assert not (tmp_path / "none").exists()


def test_a_participants_tsv_beside_a_table_gives_its_covariates(tmp_path):
    file = write_nnunet(tmp_path / "FL" / "summary.json")
    (file.parent / "participants.tsv").write_text(
        "participant_id\tage\n" + "".join(f"{c}\t4{k}\n" for k, c in enumerate("abcdefg"))
    )
    assert run("import", file, "--out", tmp_path / "out").exit_code == 0
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert record["covariates"]["columns"] == {"age": {c: 40.0 + k for k, c in enumerate("abcdefg")}}


@pytest.mark.parametrize(
    ("command", "todo"),
    [
        ("curves", "Imported tables hold none: measure maps of probabilities with afl evaluate, into another folder."),
        ("confidence", "Imported tables hold none: measure maps of probabilities with afl evaluate"),
        ("follow-up", "or import the tables again with --patients CSV"),
    ],
)
def test_errors_about_imported_results_give_advice_that_fits_them(call, tmp_path, command, todo):
    (tmp_path / "t.csv").write_text("case_id,dice\na,0.5\nb,0.75\n")
    assert call("import", tmp_path / "t.csv", "--metric", "dice=higher", "--out", tmp_path / "out")[0] == 0
    code, out, err = call(command, tmp_path / "out")
    assert code != 0
    assert todo in " ".join((out + err).split())
