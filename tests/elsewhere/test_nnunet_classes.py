"""The labels of a data set as nnU-Net has them; what its own LabelManager asks of them is written out here."""

from types import MappingProxyType

import pytest

from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import SCHEMES, WHOLE, Scheme
from afl_core.elsewhere.nnunet_classes import CLASSES
from afl_core.errors import UsageError


def made(kind, scheme, *, region=WHOLE, values=()):
    return CLASSES[kind](scheme, scheme.region(region), values)


def check_accepted(classes):
    """What nnunetv2 2.8.1 asserts: labels without a gap, the ignore label last, one entry of the order a region."""
    numbers = {
        n for name, of in classes.labels.items() if name != "ignore" for n in (of if isinstance(of, list) else [of])
    }
    assert numbers == set(range(1, len(numbers) + 1))
    if "ignore" in classes.labels:
        assert classes.labels["ignore"] == max(numbers) + 1
    if any(isinstance(of, list) for of in classes.labels.values()):
        assert len(classes.order) == len(set(classes.labels) - {"ignore"})
    else:
        assert not classes.order


def painted(classes, label):
    """Label that nnU-Net writes where it predicts exactly the regions that a label is in."""
    written = 0
    regions = [of if isinstance(of, list) else [of] for name, of in classes.labels.items() if name != "ignore"]
    for region, value in zip(regions, classes.order, strict=True):
        written = value if label in region else written
    return written


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.values])
def test_every_scheme_is_one_that_nnunet_accepts(kind, name):
    scheme = SCHEMES[name]
    if kind == "regions" and name == "binary":
        with pytest.raises(UsageError, match="no region of several labels"):
            made(kind, scheme)
        return
    check_accepted(made(kind, scheme))


def test_labels_are_counted_from_1_in_their_order():
    classes = made("labels", SCHEMES["brats"])
    assert classes.numbers == {1: 1, 2: 2, 4: 3}
    assert classes.labels["enhancing tumour (ET)"] == 3
    assert classes.regions == {"whole": [1, 2, 3], "tc": [1, 3], "et": [3]}
    assert "4 is 3" in classes.told()


def test_regions_of_the_brain_in_the_order_in_which_nnunet_paints_them():
    classes = made("regions", SCHEMES["brats"])
    assert classes.labels == {"whole tumour (WT)": [1, 2, 3], "tumour core (TC)": [1, 3], "enhancing tumour (ET)": 3}
    assert classes.order == (2, 1, 3)  # edema is whole and no core, necrosis is core and not enhancing
    assert [painted(classes, label) for label in (1, 2, 3)] == [1, 2, 3]


def test_a_label_of_no_region_is_a_class_beside_them():
    classes = made("regions", SCHEMES["brats2024"])
    assert classes.labels["resection cavity (no tumour)"] == 4
    assert [painted(classes, label) for label in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert classes.regions["whole"] == [1, 2, 3]


def test_of_own_codes_the_regions_stay_that_leave_each_other_a_label():
    classes = made("regions", find_scheme("et=1,ncr=2,ed=3"))
    assert list(classes.labels) == ["whole tumour (WT)", "tumour core (TC)", "enhancing tumour (ET)"]
    assert [painted(classes, label) for label in (1, 2, 3)] == [1, 2, 3]
    organs = made("regions", find_scheme("liver=1,tumor=2"))
    assert list(organs.labels.values()) == [[1, 2], 2]


def test_one_region_alone_is_one_class():
    classes = made("tumour", SCHEMES["brats"], region="tc")
    assert classes.numbers == {1: 1, 2: 0, 4: 1}
    assert classes.labels == {"tumour core (TC)": 1}
    assert classes.regions == {"whole": [1], "tc": [1]}
    assert made("tumour", SCHEMES["any"], values=[3, 7]).numbers == {3: 1, 7: 1}


def test_the_ignore_label_comes_last_and_is_no_tumour():
    values = MappingProxyType({1: "edema", 2: "Ignore", 3: "core"})
    scheme = Scheme("declared", "made", values, MappingProxyType({"whole": (1, 3), "core": (3,)}))
    for kind, labels in (
        ("labels", {"edema": 1, "core": 2, "ignore": 3}),
        ("tumour", {"whole tumour (WT)": 1, "ignore": 2}),
    ):
        assert made(kind, scheme).labels == labels
    regions = made("regions", scheme)
    assert regions.labels == {"whole tumour (WT)": [1, 2], "core": 2, "ignore": 3}
    assert regions.numbers == {1: 1, 3: 2, 2: 3}


def test_regions_that_cross_are_refused():
    regions = MappingProxyType({"whole": (1, 2, 3, 4), "a": (1, 2), "b": (2, 3)})
    scheme = Scheme("declared", "made", MappingProxyType({n: f"label {n}" for n in (1, 2, 3, 4)}), regions)
    with pytest.raises(UsageError, match="overlap and neither holds the other"):
        made("regions", scheme)


def test_labels_without_a_scheme_keep_their_numbers_as_names():
    assert made("labels", SCHEMES["any"], values=[5, 9]).labels == {"label 5": 1, "label 9": 2}
