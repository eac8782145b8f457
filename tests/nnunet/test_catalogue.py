"""The trainers for nnU-Net: what a name says."""

import pytest

from afl_core.nnunet.catalogue import TRAINERS, find_trainer


@pytest.mark.parametrize("name", TRAINERS)
def test_a_name_of_the_catalogue_is_its_entry(name):
    assert find_trainer(name) == TRAINERS[name]


def test_endings_are_read_in_their_order():
    spec = find_trainer("nnUNetTrainerAFL_scale_free_case_50epochs_20iterations")
    assert (spec.factors_from, spec.own_levels, spec.epochs, spec.iterations) == ("case", False, 50, 20)
    levels = find_trainer("nnUNetTrainerAFL_scale_free_levels")
    assert (levels.factors_from, levels.own_levels, levels.epochs) == ("patch", True, None)
    assert spec.settings == TRAINERS["nnUNetTrainerAFL_scale_free"].settings
    assert find_trainer("nnUNetTrainerBlob_3epochs").epochs == 3


@pytest.mark.parametrize(
    "name",
    [
        "nnUNetTrainer",
        "nnUNetTrainerAFL",
        "nnUNetTrainerAFL_paper_case_levels",  # those of the case are the same at every level
        "nnUNetTrainerAFL_paper_2epochs_case",  # one training has one name
        "nnUNetTrainerAFL_paper_0epochs",
        "nnUNetTrainerAFL_paper_case_case",
        "nnUNetTrainerAFL_paper_mine",
        "nnUNetTrainerDiceFocal_case",  # takes nothing from the reference
        "nnUNetTrainerFL_levels",
        "__path__",
    ],
)
def test_other_names_are_not_ours(name):
    assert find_trainer(name) is None
