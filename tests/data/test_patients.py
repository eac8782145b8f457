"""Scans of one patient are recognised by their names or as declared; where neither says so, likely ones are named."""

import json
import os

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.patient_names import look_alike, patient_id
from afl_core.data.patient_table import load_patients
from afl_core.data.patients import by_names, decide_patients, parted_patients, recorded, template_pattern
from afl_core.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("case_id", "patient"),
    [
        ("10000_1000000", "10000"),
        ("11475_1001499", "11475"),
        ("BraTS-GLI-00002-000", "BraTS-GLI-00002"),
        ("BraTS-GLI-00002-001", "BraTS-GLI-00002"),
        ("BraTS-MET-01234-002", "BraTS-MET-01234"),
        ("BraTS-SSA-00158-000", "BraTS-SSA-00158"),
        ("brats-gli-00002-000", "brats-gli-00002"),
        ("BraTS_GLI_00002_001", "BraTS_GLI_00002"),
        ("BraTS2024_SSA-00002-000", "BraTS2024_SSA-00002"),
        ("BraTS-MEN-RT-0001-1", "BraTS-MEN-RT-0001"),
        ("sub-01_ses-2", "sub-01"),
        ("sub-01_run-1_T1w", "sub-01"),
        ("UCSF_100302_1", "UCSF_100302"),
        ("UCSF-PDGM-0429_FU003d", "UCSF-PDGM-0429"),
        ("100302_time2", "100302"),
        ("UPENN-GBM-00001_21", "UPENN-GBM-00001"),
        ("Patient-002-week-003", "Patient-002"),
        ("Patient-002-week-003-1", "Patient-002"),
        ("PatientID_0003_Timepoint_1", "PatientID_0003"),
        ("P7_tp1", "P7"),
        ("P7tp2", "P7"),
        ("Smith_visit2", "Smith"),
        ("Smith_baseline", "Smith"),
        ("Smith_Follow-up_1", "Smith"),
        ("P7_20190101", "P7"),
        ("P7-2019-01-31", "P7"),
        ("P7_day_3", "P7"),
        ("P7_preop", "P7"),
    ],
)
def test_cases_of_a_known_numbering(case_id, patient):
    assert patient_id(case_id) == patient


@pytest.mark.parametrize(
    "case_id",
    [
        "Brats18_TCIA08_242_1",
        "BraTS2021_00002",
        "BraTS20_Training_001",
        "BRATS_001",
        "Case_A",
        "10000",
        "10000_100000",
        "10000_10000001",
        "1000_1000000",
        "10000_1000000_t2w",
        "x10000_1000000",
        "BraTS-GLI-00002",
        "BraTS-GLI-00002-0000",
        "case_1",
        "P01_T1",
        "brain_day_3",
        "P7_20191332",
        "UCSF-PDGM-0429",
        "prostate_00",
        "timepoint_1",
        "10000_1000000\n",
        "",
    ],
)
def test_any_other_case_is_a_patient_of_its_own(case_id):
    assert patient_id(case_id) == case_id


@pytest.fixture
def save_mask():
    def save(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), path)

    return save


def of(*case_ids):
    return {case_id: case_id for case_id in case_ids}


@pytest.mark.parametrize(
    ("case_ids", "groups"),
    [
        (("P01_T1", "P01_T2", "P02_T1"), (("P01_T1", "P01_T2"),)),
        (("pat07_1", "pat07_2"), (("pat07_1", "pat07_2"),)),
        (("training01_01", "training01_02", "training02_01"), (("training01_01", "training01_02"),)),
        (("002_S_0295_m00", "002_S_0295_m12"), (("002_S_0295_m00", "002_S_0295_m12"),)),
        (("glioma_pre", "glioma_post"), (("glioma_post", "glioma_pre"),)),
        (("smith_20190101", "smith_20200101"), (("smith_20190101", "smith_20200101"),)),
        (("doe_2019-01-01", "doe_2020-02-03", "roe_2020-02-03"), (("doe_2019-01-01", "doe_2020-02-03"),)),
        (("P10_01-02-2019", "P10_05-07-2020"), (("P10_01-02-2019", "P10_05-07-2020"),)),
        (("P10_1.2.2019", "P10_13.7.2020"), (("P10_1.2.2019", "P10_13.7.2020"),)),
        (("P1_3-Feb-2019", "P1_Mar2020"), (("P1_3-Feb-2019", "P1_Mar2020"),)),
        (("P1-screening", "P1-relapse"), (("P1-relapse", "P1-screening"),)),
        (("visit1_P1", "visit2_P1", "visit1_P2"), (("visit1_P1", "visit2_P1"),)),
        (("pre_007", "post_007"), (("post_007", "pre_007"),)),
        (("2019-01-01_doe", "2020-02-02_doe"), (("2019-01-01_doe", "2020-02-02_doe"),)),
        (
            ("Patient_001_0000", "Patient_001_0001", "Patient_002_0000"),
            (("Patient_001_0000", "Patient_001_0001"),),
        ),
        (("A-t1", "A-t2", "B-t1", "B-t2", "B-t10"), (("A-t1", "A-t2"), ("B-t1", "B-t10", "B-t2"))),
        (("TCGA-02-0003", "TCGA-02-0006", "TCGA-06-0125"), ()),  # a hospital and its patients
        (("Case_0000", "Case_0001", "Case_0002"), ()),
        (("case_001_0000", "case_002_0000", "case_003_0000"), ()),  # the channel of nnU-Net's images
        (("brain_t1", "brain_t2"), ()),
        (("20190101_1", "20190102_1"), ()),
        (("final_001", "final_002"), ()),
        (("TCGA-02-2001", "TCGA-02-2002"), ()),
        (("case_1", "case_2"), ()),
        (("BRATS_001", "BRATS_002"), ()),
        (("ISLES2022_001", "ISLES2022_002"), ()),
        (("BraTS20_Training_001", "BraTS20_Training_002"), ()),
        (("Brats18_2013_10_1", "Brats18_2013_11_1", "Brats18_TCIA08_242_1"), ()),
        (("BraTS2021_00001", "BraTS2021_00002"), ()),
    ],
)
def test_cases_that_look_like_scans_of_one_patient(case_ids, groups):
    assert look_alike(of(*case_ids)) == groups


def test_cases_that_are_grouped_already_look_like_nothing():
    assert look_alike({"P01_T1": "P01", "P01_T2": "P01"}) == ()


def test_who_says_so_is_said(tmp_path):
    ids = ["sub-1_ses-1", "sub-1_ses-2", "sub-2_ses-1"]
    assert by_names(ids).sentence() == "3 cases of 2 patients, by their names (BIDS)"
    assert by_names(["a"]).sentence() == "1 case of 1 patient"
    assert by_names(["a", "b"]).sentence() == "2 cases, each a patient of its own"
    assert by_names(ids).sentence(ids[:2]) == "2 cases of 1 patient, by their names (BIDS)"
    (tmp_path / "t.csv").write_text("case_id,patient\nsub-1_ses-1,x\nsub-1_ses-2.nii.gz,y\ngone,z\n")
    said = decide_patients(ids, tmp_path, table=tmp_path / "t.csv")
    assert dict(said.of) == {"sub-1_ses-1": "x", "sub-1_ses-2": "y", "sub-2_ses-1": "sub-2"}
    assert said.sentence() == "3 cases of 3 patients, by t.csv"
    assert said.warnings == (
        "1 case not in the declaration of patients, so their names decide: sub-2_ses-1.",
        "The table of patients names 1 case not in the data set: gone.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subject,session\na,1\n", "the columns subject, session"),
        ("", "an empty file"),
        ("case_id,patient\n", "no row below it (received: the columns case_id, patient)"),
        ("participant_id\tage\n", "no row below it (received: the columns participant_id, age)"),
        ("\x01\x02,\x03\n", "is no text, so no table of patients (received: the byte 1 as sign 1)"),
        ("case_id,patient\na,\n", "line 2"),
        ("case_id,patient\na,x\na,y\n", "a: x and y"),
    ],
)
def test_a_table_that_is_none_is_refused_with_what_is_accepted(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        decide_patients(["a"], tmp_path, table=tmp_path / "t.csv")
    assert said in str(caught.value)
    if said.startswith("the columns"):
        assert "case_id and patient" in str(caught.value)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_table_that_never_ends_is_refused(tmp_path, kind):
    path = tmp_path / "patients.csv"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"cannot be read as a table of patients .*no regular file"):
        load_patients(path, ["a"])


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_tables_of_any_separator_with_a_byte_order_mark(tmp_path, mark):
    (tmp_path / "t.tsv").write_text(f"\ufeffCase_ID{mark}Patient\r\na{mark} x \r\n\r\nb{mark}x\r\n", encoding="utf-8")
    assert dict(decide_patients(["a", "b"], tmp_path, table=tmp_path / "t.tsv").of) == {"a": "x", "b": "x"}


def test_a_column_case_that_holds_their_ids_is_case_id(tmp_path):
    said = patients_by(tmp_path, "Case;Patient;order\na.nii.gz;P;2\nb;P;1\n", "a", "b")
    assert dict(said.of) == {"a": "P", "b": "P"}
    assert said.order == {"a": 1.0, "b": 0.0}
    assert dict(patients_by(tmp_path, "case_id,patient,case\na,P,b\nb,Q,a\n", "a", "b").of) == {"a": "P", "b": "Q"}
    with pytest.raises(DataError, match=r"no table of patients \(received: the columns case, patient\)"):
        patients_by(tmp_path, "case,patient\nyes,P\nno,Q\n", "a", "b")


def patients_by(tmp_path, text, *case_ids, encoding="utf-8"):
    (tmp_path / "t.csv").write_text(text, encoding=encoding)
    return decide_patients(case_ids, tmp_path, table=tmp_path / "t.csv")


@pytest.mark.parametrize("told", ["1", "0001", " 001 ", "001\u00a0", "\u200b001", "001.nii.gz"])
def test_a_case_id_that_the_table_spells_otherwise_is_found(tmp_path, told):
    said = patients_by(tmp_path, f"case_id,patient\n{told},P\nCase_B,Q\n", "001", "case_b")
    assert dict(said.of) == {"001": "P", "case_b": "Q"}
    assert (said.unlisted, said.unknown) == ((), ())
    assert said.warnings[-1].startswith("The declaration of patients spells")
    assert "Case_B for case_b" in said.warnings[-1]


@pytest.mark.parametrize(
    ("told", "case_ids", "of"),
    [
        (("1", "01"), ("001",), {"001": "001"}),  # which row is meant cannot be told
        (("1",), ("01", "001"), {"01": "01", "001": "001"}),
        (("1", "01"), ("1", "01"), {"1": "P1", "01": "P01"}),  # as they are, all are there
    ],
)
def test_a_case_id_that_may_be_two_is_none(tmp_path, told, case_ids, of):
    rows = "".join(f"{own},P{own}\n" for own in told)
    said = patients_by(tmp_path, f"case_id,patient\n{rows}", *case_ids)
    assert dict(said.of) == of
    assert not said.respelt
    assert bool(said.unlisted) == bool(said.unknown) == (told != case_ids)


@pytest.mark.parametrize(
    ("one", "other"), [("001", "1"), ("P-7", "p-7"), ("P 7", "P7"), ("Pat-07", "pat_7"), ("A_B", "a-b")]
)
def test_patients_that_differ_in_zeros_case_or_signs_are_named(tmp_path, one, other):
    said = patients_by(tmp_path, f"case_id,patient\na,{one}\nb,{other}\nc,9\n", "a", "b", "c")
    pair = " and ".join(sorted((one, other)))
    assert len(set(said.of.values())) == 3
    assert any(pair in text and "count as different patients" in text for text in said.warnings)
    kept = recorded(json.loads(json.dumps(said.record())), ["a", "b", "c"])
    assert any(pair in text for text in kept.warnings)


@pytest.mark.parametrize("blank", ["\u00a0", "  ", "\u2009", "\u200b \ufeff"])
def test_blanks_that_look_alike_are_the_same(tmp_path, blank):
    said = patients_by(tmp_path, f"case_id,patient\na,P{blank}7\nb,P 7{blank}\n", "a", "b")
    assert dict(said.of) == {"a": "P 7", "b": "P 7"}


@pytest.mark.parametrize(
    "text",
    [
        "case_id,patient,note;more\na,P,x;y\nb,P,\n",
        'case_id,patient,"age; years"\na,P,"3; 4"\nb,P,5\n',
        'case_id;"pat, id";patient\na;"x, y";P\nb;;P\n',
        '"case_id"\t"patient"\t"a;b,c"\n"a"\t"P"\t"1;2,3"\nb\tP\n',
        'case_id,patient,"two\nlines;"\na,P,\nb,P,\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_sign_between_cells_is_the_one_by_which_the_columns_are_there(tmp_path, text, encoding):
    assert dict(patients_by(tmp_path, text, "a", "b", encoding=encoding).of) == {"a": "P", "b": "P"}


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_the_sign_that_the_first_line_names_stands_between_cells(tmp_path, first):
    text = f"{first}\ncase_id;patient;case_id,patient\na;P;1,2\nb;Q;\n"
    assert dict(patients_by(tmp_path, text, "a", "b").of) == {"a": "P", "b": "Q"}


def test_a_table_that_is_not_utf_8_says_how_to_save_it(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv is not UTF-8 text .*Save the table as UTF-8"):
        patients_by(tmp_path, "case_id,patient\na,M\u00fcller\n", "a", encoding="latin-1")


def test_a_table_that_is_missing_is_told(tmp_path):
    with pytest.raises(DataError, match=r"There is no such table .*gone\.csv\)\. Check the path") as caught:
        load_patients(tmp_path / "gone.csv", ["a"])
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize(("case_id", "patient", "other"), [("001", "p1", "1"), ("1", "p9", "001")])
def test_two_spellings_of_a_case_in_a_table_are_told(tmp_path, case_id, patient, other):
    said = patients_by(tmp_path, "case_id,patient\n001,p1\n1,p9\n", case_id)
    assert dict(said.of) == {case_id: patient}
    (warning,) = said.warnings
    assert f"two spellings of an id: {case_id} (taken) and {other}." in warning
    assert not patients_by(tmp_path, "case_id,patient\n001,p1\n1,p9\n", "1", "001").twice


def test_a_row_with_more_cells_than_columns_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"more cells than columns .*4 cells in line 3, and 3 columns.*quotation"):
        patients_by(tmp_path, "case_id,note,patient\na,,P\nb,x,y,Q\n", "a", "b")


def test_participants_that_are_spelt_otherwise(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tnote\nsub-001\ta;b\nSUB-A\t\n", encoding="utf-8-sig")
    said = decide_patients(["sub-1_ses-1", "sub-a_ses-1", "other_1"], tmp_path)
    assert dict(said.of) == {"sub-1_ses-1": "sub-001", "sub-a_ses-1": "SUB-A", "other_1": "other_1"}
    assert "001 for 1" in said.warnings[-2 if said.unlisted else -1]


def test_participants_of_bids_in_the_folder(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-1\t3\nsub-1A\t3\nsub-9\t4\n")
    said = decide_patients(["sub-1_x", "sub-1A-2", "1_y", "other_1"], tmp_path)
    assert dict(said.of) == {"sub-1_x": "sub-1", "sub-1A-2": "sub-1A", "1_y": "sub-1", "other_1": "other_1"}
    assert said.how == "by participants.tsv"
    assert said.unlisted == ("other_1",)


@pytest.mark.parametrize("text", ["name\nx\n", "participant_id\nsub-7\n", "\x00"])
def test_participants_that_say_nothing_leave_the_names_and_are_named(tmp_path, text):
    (tmp_path / "participants.tsv").write_text(text)
    said = decide_patients(["sub-1_ses-1", "sub-1_ses-2"], tmp_path)
    assert set(said.of.values()) == {"sub-1"}
    assert "participants.tsv" in said.warnings[0]


def test_a_pattern_takes_the_shortest_patient():
    assert template_pattern("{patient}_*").fullmatch("a_b_c")["patient"] == "a"
    assert template_pattern("*-{patient}.{*}").fullmatch("x-P7.1")["patient"] == "P7"
    assert template_pattern("{patient}_*").fullmatch("ab") is None


@pytest.mark.parametrize("template", ["", "case_*", "{patient}{patient}", "{patient}_*_*_*", "{patient}" + "x" * 200])
def test_a_pattern_that_is_none_or_would_take_long_is_refused(template):
    with pytest.raises(UsageError):
        template_pattern(template)


def test_a_record_gives_the_same_patients_again():
    ids = ["sub-1_ses-1", "sub-1_ses-2", "a"]
    own = by_names(ids)
    kept = json.loads(json.dumps(own.record()))
    assert kept["of"] == {"sub-1_ses-1": "sub-1", "sub-1_ses-2": "sub-1"}
    again = recorded(kept, ids)
    assert dict(again.of) == dict(own.of)
    assert again.sentence() == own.sentence()
    assert recorded({"of": 7}, ids).of == own.of  # edited by hand: the names decide


def test_a_declaration_that_takes_scans_apart_survives_the_record(tmp_path):
    (tmp_path / "t.csv").write_text("case_id,patient\nsub-1_ses-1,sub-1_ses-1\n")
    said = decide_patients(["sub-1_ses-1"], tmp_path, table=tmp_path / "t.csv")
    assert recorded(said.record(), ["sub-1_ses-1"])["sub-1_ses-1"] == "sub-1_ses-1"


def test_patients_in_several_splits():
    splits = {"train": ["a", "b"], "test": ["c", "sub-1_ses-1"], "validation": ["sub-1_ses-2"]}
    assert parted_patients(splits, {"a": "P", "b": "b", "c": "P"}) == {
        "P": ("test", "train"),
        "sub-1": ("test", "validation"),
    }


def test_every_way_to_open_a_data_set_decides_alike(tmp_path, save_mask):
    for case_id in ("x1_a", "x1_b", "x2_a"):
        save_mask(tmp_path / "masks" / f"{case_id}.nii.gz")
    table = tmp_path / "t.csv"
    table.write_text("case_id,patient\nx1_a,1\nx1_b,1\nx2_a,2\n")
    assert [case.patient for case in references_cohort(tmp_path / "masks", patients=table).cases] == ["1", "1", "2"]
    (tmp_path / "masks" / "afl-layout.toml").write_text('reference = "{case}.nii.gz"\npatient = "{patient}_*"\n')
    cohort = load_cohort(tmp_path / "masks")
    assert [case.patient for case in cohort.cases] == ["x1", "x1", "x2"]
    assert "by the pattern {patient}_*" in cohort.patients.sentence()
    declared = load_cohort(tmp_path / "masks", patients=table)
    assert [case.patient for case in declared.cases] == ["1", "1", "2"]
    assert declared.options.load(tmp_path / "masks").patients == declared.patients


def test_a_table_may_give_the_order_of_time_points_as_numbers(tmp_path):
    text = "case_id,patient,order\na,P,10\nb,P,2.5\nc,Q,\n"
    said = patients_by(tmp_path, text, "a", "b", "c")
    assert (said.order, said.order_by) == ({"a": 7.5, "b": 0}, "the column order of t.csv")
    kept = recorded(said.record(), ["a", "b", "c"])
    assert (kept.order, kept.order_by) == (said.order, said.order_by)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "case_id,patient,date\na,P,2021-01-01\nb,P,01.02.2021\n",
            "01.02.2021 in line 3 of t.csv is no date YYYY-MM-DD",
        ),
        ("case_id,patient,order\na,P,1\nb,P,inf\n", "inf in line 3 of t.csv is no number"),
        ("case_id,patient,order\na,P,1\na,P,2\nb,P,3\n", "2 in line 3 of t.csv is the second order of a"),
    ],
)
def test_an_order_that_cannot_be_read_leaves_patients_and_is_a_warning(tmp_path, text, cause):
    said = patients_by(tmp_path, text, "a", "b")
    assert dict(said.of) == {"a": "P", "b": "P"}
    assert set(said.order) < {"a", "b"}  # so the names give the order of P
    assert f"{cause}, so the names of the cases say the order of time points of P." in said.warnings[0]


def test_a_cell_that_is_no_date_leaves_the_order_of_the_other_patients(tmp_path):
    text = "case_id,patient,date\na,P,2019-02-30\nb,P,2019-02-01\nc,Q,2019-03-01\nd,Q,2019-01-01\n"
    said = patients_by(tmp_path, text, "a", "b", "c", "d")
    assert said.order == {"b": 0, "c": 59, "d": 0}
    assert said.order_in_days
    (warning,) = said.warnings
    assert warning.endswith("is no date YYYY-MM-DD, so the names of the cases say the order of time points of P.")
    kept = recorded(json.loads(json.dumps(said.record())), ["a", "b", "c", "d"])
    assert (kept.order, kept.order_in_days) == (said.order, True)


@pytest.mark.parametrize("text", ["case_id|patient\na|p1\nb|p1\n", "case_id,patient\ra,p1\rb,p1\r", "sep=|\r\nx|y\r\n"])
def test_tables_with_bars_and_with_the_line_ends_of_an_old_mac_are_read(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.replace("x|y", "case_id|patient\r\na|p1\r\nb|p1").encode())
    assert load_patients(tmp_path / "t.csv", ["a", "b"]).of == {"a": "p1", "b": "p1"}
