"""Advice on the Data page is in terms of the page, whatever the command line calls them."""

import pytest

from afl_core.data.patients import ADVICE, NEAR_ADVICE
from afl_core.ui.data.wording import on_page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "If they are masks alone, give --references FOLDER, or afl data check --masks.",
            'choose Layout: "Masks alone".',
        ),
        ("If: afl data check --masks '/a b/c'; else describe", "Folder: '/a b/c' with Layout: \"Masks alone\"; else"),
        ("as a data set: --data /a/b, or", 'as a data set: Folder: /a/b with Layout: "Recognise it", or'),
        (
            "tumour. To count a lesion alone: --region tumor, or --region cyst.",
            "alone: Region: tumor, or Region: cyst.",
        ),
        ("alone: --labels liver=1,tumor=2 --region tumor.", 'Labels: "Own codes", liver=1,tumor=2, and Region: tumor.'),
        ("such as --labels et=1,ncr=2,ed=3. Known", 'such as Labels: "Own codes", et=1,ncr=2,ed=3. Known'),
        ("for example --labels brats2024, or", 'Labels: "BraTS 2024 with cavity (1, 2, 3, 4)", or'),
        ("until one is named: --labels with --region", 'named: "Labels" with "Region"'),
        ("give --trust-voxel-order; if it lies", 'tick "Trust the order of voxels"; if'),
        ("give --patients TABLE (case_id,patient), a", 'fill in "Table of patients" (case_id,patient), a'),
        (
            f"{ADVICE}.",
            'scans of one: fill in "Table of patients" with the columns case_id and patient, or a participants.tsv,',
        ),
        (f"{NEAR_ADVICE}.", 'such as by "Table of patients".'),
        ("a model's: --source a=/b/c.", "a model's: afl evaluate --source a=/b/c."),
        ("or name the layout: --layout NAME.", 'or name the layout: "Layout".'),
    ],
)
def test_an_option_is_a_control(text, said):
    found = on_page(text)
    assert said in found
    assert "--" not in found.replace("afl evaluate --source", "")
