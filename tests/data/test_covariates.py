"""Covariates of a table: which cases get which value, which columns are none and why, and what is refused."""

import pytest

from afl_core.data.covariates import Covariates, load_covariates, participants_covariates
from afl_core.data.patients import decide_patients, recorded
from afl_core.errors import DataError

CASES = {"P1_1": "P1", "P1_2": "P1", "P2_1": "P2", "P3_1": "P3", "P4_1": "P4"}
"""Case to its patient."""


def load(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text)
    return load_covariates(path, CASES)


def test_values_of_cases_and_of_patients(tmp_path):
    by_case = load(tmp_path, "case_id,Site,age\nP1_1.nii.gz,A,50\nP1_2,B,51\nP2_1,A,60\nP3_1,B,70\nP4_1,A,n/a\n")
    assert by_case.table == "table.csv"
    assert by_case.columns["site"] == {"P1_1": "A", "P1_2": "B", "P2_1": "A", "P3_1": "B", "P4_1": "A"}
    assert by_case.columns["age"] == {"P1_1": 50, "P1_2": 51, "P2_1": 60, "P3_1": 70}  # n/a is no value
    assert not by_case.warnings
    by_patient = load(tmp_path, "patient\tsex\nP1\tf\nP2\tm\nP3\t\nP4\tf\n", "table.tsv")
    assert by_patient.columns["sex"] == {"P1_1": "f", "P1_2": "f", "P2_1": "m", "P4_1": "f"}


def test_a_column_case_says_the_case_only_where_it_holds_their_ids(tmp_path):
    rows = "P1_1;P1;50;A\nP1_2.nii.gz;P1;51;B\nP2_1;P2;60;A\nP3_1;P3;70;B\n"
    read = load(tmp_path, f"\ufeffCase;patient;age;site\n{rows}")
    assert list(read.columns) == ["age", "site"]
    assert read.columns["age"] == {"P1_1": 50, "P1_2": 51, "P2_1": 60, "P3_1": 70}
    read = load(tmp_path, "patient,case\nP1,yes\nP2,no\nP3,no\n")  # cases and controls
    assert read.columns == {"case": {"P1_1": "yes", "P1_2": "yes", "P2_1": "no", "P3_1": "no"}}
    with pytest.raises(DataError, match=r"P1: scan P1_1 and P1_2.*or name the column of the case ids case_id"):
        load(tmp_path, "scan,patient,age\nP1_1,P1,50\nP1_2,P1,51\n")


def test_patients_of_a_table_of_cases_that_are_others_than_is_known_are_not_used_and_said(tmp_path):
    rows = [("P1_1", "P1"), ("P1_2", "p1"), ("P2_1", "P2"), ("P3_1", "P2"), ("P4_1", "n/a")]  # P2 has a second scan
    text = "case_id,patient,age\n" + "".join(f"{case},{patient},5{k}\n" for k, (case, patient) in enumerate(rows))
    assert load(tmp_path, text).warnings == (
        "table.csv has a column patient that groups the cases otherwise (2 patients there, 3 here), and is not used: "
        "if it is right, give --patients TABLE (case_id,patient) too.",
    )
    assert "has a column participant_id that" in load(tmp_path, text.replace("patient", "participant_id")).warnings[0]
    assert not load(tmp_path, text.replace("P3_1,P2", "P3_1,Anna")).warnings  # other names of the same patients


@pytest.mark.parametrize("word", ["-", "--", "?", ".", "#N/A", "NULL", "Unknown", "missing", "N.A.", "<NA>", "#DIV/0!"])
def test_words_for_no_value_are_no_bin_and_cost_no_column(tmp_path, word):
    read = load(tmp_path, f"patient,age,site\nP1,{word},{word}\nP2,60,A\nP3,70,B\nP4,80,none\n")
    assert read.columns["age"] == {"P2_1": "60", "P3_1": "70", "P4_1": "80"}
    assert read.columns["site"] == {"P2_1": "A", "P3_1": "B", "P4_1": "none"}  # none may be a treatment


def test_minus_beside_plus_is_a_value(tmp_path):
    read = load(tmp_path, "patient,idh,age\nP1,+,50\nP2,-,-\nP3,+,70\nP4,?,80\n")
    assert read.columns["idh"] == {"P1_1": "+", "P1_2": "+", "P2_1": "-", "P3_1": "+"}
    assert "P2_1" not in read.columns["age"]


def test_few_different_numbers_are_codes(tmp_path):
    read = load(tmp_path, "patient,grade,dose\nP1,2,1\nP2,3.0,2\nP3,3,3\nP4,4,4\n")
    assert read.columns["grade"] == {"P1_1": "2", "P1_2": "2", "P2_1": "3", "P3_1": "3", "P4_1": "4"}
    assert read.columns["dose"]["P4_1"] == 4.0


def test_codes_of_many_digits_stay_apart(tmp_path):
    read = load(tmp_path, "patient,code\nP1,1000001\nP2,1000002\nP3,1000001\nP4,1000002\n")
    assert set(read.columns["code"].values()) == {"1000001", "1000002"}


def test_cases_and_ids_without_a_partner_are_said(tmp_path):
    read = load(tmp_path, "patient,site\nP1,A\nP2,B\nP9,A\n")
    without, unknown = read.warnings
    assert without == "2 cases are not in table.csv and without a value of its columns: P3_1, P4_1."
    assert unknown == "1 id is in table.csv that no case of these has: P9."


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("patient,site\nP1,A\nP1,B\nP2,A\n", "P1: site A and B"),
        ("patient,site\nP1,A\n,B\n", "line 3"),
        ("patient,site\nQ1,A\nQ2,B\n", "names none of the cases"),
        ("patient\nP1\n", "the columns patient"),
        ("site,age\nA,1\n", "the columns site, age"),
        ("patient,site,site\nP1,A,B\n", "has a column twice"),
        ("", "an empty file"),
        ("case_id,site\n", r"no row below it \(received: the columns case_id, site\)\. Write a row"),
        ("patient,site\n,\n,\n", r"no row below it \(received: the columns patient, site\)"),
        ("case_id\tpatient\n", "no row below it"),
        ("\0\0\0\0", r"is no text, so no table of covariates \(received: the byte 0 as sign 1\)\. Give a CSV"),
        ("PK\x03\x04\x14\0", "the byte 3 as sign 3"),
    ],
)
def test_what_is_refused(tmp_path, text, what):
    with pytest.raises(DataError, match=what):
        load(tmp_path, text)


def test_the_same_value_twice_or_beside_none_is_no_contradiction(tmp_path):
    read = load(tmp_path, "patient,site\nP1,A\nP1,A\nP1,\nP2,B\n")
    assert read.columns["site"] == {"P1_1": "A", "P1_2": "A", "P2_1": "B"}


def test_columns_that_are_no_axis_say_why(tmp_path):
    rows = [f"P{k},{'x' if k == 2 else k},2020-01-0{k},one,,{k},{k}" for k in range(1, 5)]
    read = load(tmp_path, "\n".join(["patient,odd,scanned,same,none,size,order", *rows]))
    assert read.columns == {"odd": {"P1_1": "1", "P1_2": "1", "P2_1": "x", "P3_1": "3", "P4_1": "4"}}
    assert read.left_out["scanned"].endswith("it says a time, and results are to hold no dates.")
    assert read.left_out["order"].endswith("it says a time, and results are to hold no dates.")
    assert read.left_out["same"].endswith("its only value is one.")
    assert read.left_out["none"].endswith("no case has a value.")
    assert "one of the workbench's own" in read.left_out["size"]


def test_text_of_many_values_is_left_out(tmp_path):
    cases = {f"C{k}": f"C{k}" for k in range(9)}
    path = tmp_path / "table.csv"
    path.write_text("case_id,note,age\n" + "".join(f"C{k},note {k},{k}\n" for k in range(9)))
    read = load_covariates(path, cases)
    assert list(read.columns) == ["age"]
    assert "it holds text, such as note 0, of 9 values, and 8 is the most" in read.left_out["note"]


@pytest.mark.parametrize(
    "of",
    [
        lambda k: f"{k}.3.1960",
        lambda k: f"03/0{k}/2020",
        lambda k: f"1{k} Mar 2020",
        lambda k: f"March {k}, 2020",
        lambda k: f"2020/0{k}/01",
        lambda k: f"2020010{k}",
        lambda k: f"2020-01-0{k}T10:30",
        lambda k: f"2020-0{k}",
    ],
)
def test_dates_are_no_covariate_however_they_are_written(tmp_path, of):
    read = load(tmp_path, "patient;when\n" + "".join(f"P{k};{of(k)}\n" for k in range(1, 5)))
    assert read.columns == {}
    assert read.left_out["when"].endswith("results are to hold no dates.")


def test_numbers_that_look_a_little_like_dates_are_numbers(tmp_path):
    read = load(tmp_path, "patient,year,cells\nP1,2018,20200101\nP2,2019,5\nP3,2020,7\nP4,2021,19990909\n")
    assert read.columns["year"]["P1_1"] == 2018
    assert read.columns["cells"]["P1_1"] == 20200101


def test_a_column_of_numbers_names_what_is_none(tmp_path):
    cases = {f"C{k}": f"C{k}" for k in range(9)}
    path = tmp_path / "table.csv"
    path.write_text("case_id;age;dose\n" + "".join(f"C{k};{k},5;{'<0.1' if k == 4 else k}\n" for k in range(9)))
    read = load_covariates(path, cases)
    assert read.left_out["age"].endswith("its numbers have a decimal comma, such as 0,5; write 0.5.")
    assert read.left_out["dose"].endswith("it holds numbers, and <0.1, which is none.")


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (["0,9", "1,0", "1,25", "10,0"], "its numbers have a decimal comma, such as 0,9; write 0.9."),
        (["1", "1,25", "3", "1.234,5"], "its numbers have a decimal comma, such as 1,25; write 1.25."),
        (["950", "1,100", "2,107", "1,000,000"], "have commas between thousands, such as 1,000,000; write 1000000."),
        (["1,100.5", "2,107.5", "-3,000.0"], "have commas between thousands, such as -3,000.0; write -3000.0."),
        (
            ["1,100", "2,107", "3,114"],
            "its numbers have a comma, such as 1,100, which can be read in two ways; "
            "write 1.100 where it is decimal, 1100 where it stands between thousands.",
        ),
    ],
)
@pytest.mark.parametrize("times", [1, 4])
def test_numbers_with_commas_are_neither_text_nor_guessed_however_many_they_are(tmp_path, numbers, why, times):
    numbers = [number if k == 0 else f"{k}{number.removeprefix('-')}" for k in range(times) for number in numbers]
    path = tmp_path / "table.csv"
    path.write_text("case_id;dose\n" + "".join(f"C{k};{number}\n" for k, number in enumerate(numbers)))
    read = load_covariates(path, {f"C{k}": f"C{k}" for k in range(len(numbers))})
    assert read.columns == {}
    assert times > 1 or read.left_out["dose"].endswith(why)
    assert "comma" in read.left_out["dose"]


def test_two_spellings_of_an_id_with_two_values_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("case_id,site\n001,S\n1,N\n002,S\n")
    with pytest.raises(DataError, match="site of 001 S, of 1 N"):
        load_covariates(path, {"001": "001", "002": "002"})
    path.write_text("case_id,site\n001,S\n1,S\n002,N\n")
    assert load_covariates(path, {"001": "001", "002": "002"}).columns["site"] == {"001": "S", "002": "N"}


def test_participants_that_give_the_patients_give_covariates(tmp_path):
    cases = ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1"]
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\tsite\nsub-01\t61\tA\nsub-02\t47\tB\n")
    found = participants_covariates(tmp_path, decide_patients(cases, tmp_path))
    assert found.columns["site"] == dict(zip(cases, "AAB", strict=True))
    assert found.table == "participants.tsv"
    template = decide_patients(cases, tmp_path, template="{patient}_*", layout="ours")
    assert participants_covariates(tmp_path, template) == Covariates()  # the table did not decide the patients
    path.write_text("participant_id\tsite\nsub-01\tA\nsub-01\tB\n")
    assert (
        "sub-01: site A and B"
        in participants_covariates(tmp_path, decide_patients(cases, tmp_path)).left_out["participants.tsv"]
    )


def test_a_given_participants_tsv_gives_its_own_covariates_and_never_those_of_the_folder(tmp_path):
    cases = ["sub-01_ses-1", "sub-02_ses-1"]
    given, folder = tmp_path / "mine" / "participants.tsv", tmp_path / "data"
    given.parent.mkdir()
    folder.mkdir()
    given.write_text("participant_id\tsite\nsub-01\tA\nsub-02\tB\n")
    patients = decide_patients(cases, folder, table=given)
    mine = {"site": {"sub-01_ses-1": "A", "sub-02_ses-1": "B"}}
    assert participants_covariates(folder, patients).columns == mine  # the folder has none
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t61\nsub-02\t47\n")
    assert participants_covariates(folder, patients).columns == mine
    assert participants_covariates(folder, recorded(patients.record(), cases)).columns == mine


def test_spellings_of_what_may_be_one_value_are_said(tmp_path):
    read = load(tmp_path, "patient,site,age\nP1,GE,1\nP2,ge,2\nP3,North,3\nP4,North,4\n")
    assert set(read.columns["site"].values()) == {"GE", "ge", "North"}
    assert read.warnings == ("Values of site that count as different and may be one: GE and ge.",)


def test_one_number_in_two_spellings_beside_texts_is_said(tmp_path):
    read = load(tmp_path, "patient,grade\nP1,1\nP2,1.0\nP3,II\nP4,0\n")
    assert read.warnings == ("Values of grade that count as different and may be one: 1 and 1.0.",)
    read = load(tmp_path, "patient,grade\nP1,0\nP2,0.0\nP3,II\nP4,III\n")
    assert read.warnings == ("Values of grade that count as different and may be one: 0 and 0.0.",)
