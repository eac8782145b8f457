"""The choices of a breakdown: sources, seeds and edges, and what is said where one does not exist."""

import math

import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.breakdown import sentences
from afl_core.analysis.breakdown.options import (
    Options,
    choose_binnings,
    choose_breakdown,
    choose_each,
    choose_units,
    list_sources,
    unbinned_axes,
)
from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.sentences import NOT_COUNTED
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.manifest import Manifest

NAN = math.nan
SEEDED = ("FL seed1", "FL seed2", "A-FL")
NO_LESIONS = pd.DataFrame()


def manifest(*names):
    return Manifest(sources={name: {"kind": "masks", "path": "/masks", "files": 1} for name in names})


def cases(*names, n=12, roughness=True):
    facts = {"released_smoothness": np.linspace(0.001, 0.002, n), "reference_volume_ml": np.arange(1.0, n + 1)}
    facts |= {
        "roughness": np.linspace(0, 0.4, n) if roughness else np.full(n, NAN),
        "case_id": [f"c{k}" for k in range(n)],
    }
    rng = np.random.default_rng(0)
    return pd.concat([pd.DataFrame({"source": name, "dsc": rng.random(n)} | facts) for name in names])


def choose(names=SEEDED, **options):
    return choose_units(cases(*names), NO_LESIONS, manifest(*names), Options(**options))


def test_all_sources_in_the_order_of_the_manifest_with_seeds_pooled():
    assert list_sources(manifest(*SEEDED), pool_seeds=True) == (("FL", "A-FL"), {"FL": ("FL seed1", "FL seed2")})
    assert list_sources(manifest(*SEEDED), pool_seeds=False) == (SEEDED, {})
    units = choose()
    assert units.sources == ("FL", "A-FL")
    np.testing.assert_allclose(units.values["FL"], units.seeds["FL"].mean(axis=1))
    assert choose(pool_seeds=False).sources == SEEDED
    assert choose(pool_seeds=False).seeds == {}


def test_several_metrics_chosen_at_once_are_those_chosen_one_by_one():
    """Source b lacks a Dice of the first case and has no row of the last, and the sign of the volume's error drops."""
    rows = cases("FL seed1", "FL seed2", "b").reset_index(drop=True)
    rows["volume_error_ml"] = rows["dsc"] - 0.5
    rows.loc[24, "dsc"] = NAN
    rows = rows.iloc[:-1]
    of = manifest("FL seed1", "FL seed2", "b")
    metrics = ("dsc", "volume_error_ml")
    together = choose_each((rows, NO_LESIONS), of, Options(), metrics)
    assert [len(units.table) for units in together] == [10, 11]
    for units, metric in zip(together, metrics, strict=True):
        alone = choose_units(rows, NO_LESIONS, of, Options(metric=metric))
        assert (units.measure.key, units.left_out, units.sources) == (metric, alone.left_out, alone.sources)
        for name in ("reference", "table", "values"):
            pd.testing.assert_frame_equal(getattr(units, name), getattr(alone, name))
        pd.testing.assert_frame_equal(units.seeds["FL"], alone.seeds["FL"])
    assert (together[1].values >= 0).all(axis=None)


def test_sources_that_were_asked_for_in_their_order():
    assert choose(sources=("A-FL", "FL")).sources == ("A-FL", "FL")
    assert choose(sources=("A-FL",)).seeds == {}
    one_seed = choose(sources=("FL seed2", "A-FL"))
    assert one_seed.sources == ("FL seed2", "A-FL")
    with pytest.raises(UsageError, match="each source once"):
        choose(sources=("FL", "FL seed1"))
    with pytest.raises(UsageError, match="no such source"):
        choose(sources=("FL",), pool_seeds=False)


def test_results_without_anything():
    with pytest.raises(DataError, match=r"no evaluated case.*Run afl evaluate first"):
        choose_units(pd.DataFrame(), NO_LESIONS, Manifest(), Options())


def test_a_source_of_which_no_case_was_evaluated_is_left_out_unless_it_is_named():
    assert choose_units(cases("A"), NO_LESIONS, manifest("A", "B"), Options()).sources == ("A",)
    with pytest.raises(UsageError, match=r"no such source \(received: B\). There are: A"):
        choose_units(cases("A"), NO_LESIONS, manifest("A", "B"), Options(sources=("A", "B")))


def test_a_mean_over_seeds_counts_only_where_every_seed_was_evaluated():
    rows = cases("FL seed1", "A-FL")
    assert choose_units(rows, NO_LESIONS, manifest(*SEEDED), Options()).sources == ("A-FL",)
    each = choose_units(rows, NO_LESIONS, manifest(*SEEDED), Options(pool_seeds=False))
    assert each.sources == ("FL seed1", "A-FL")


def test_tertiles_are_of_every_reference_also_of_those_left_out():
    rows = cases("FL", "A-FL")
    rows.loc[(rows["source"] == "FL") & (rows["reference_volume_ml"] > 6), "dsc"] = NAN
    units = choose_units(rows, NO_LESIONS, manifest("FL", "A-FL"), Options())
    assert len(units.table) == 6
    size, roughness = choose_binnings(units, Options())
    assert size.edges == pytest.approx((1 + 11 / 3, 1 + 22 / 3))
    assert roughness.edges == pytest.approx((0.4 / 3, 0.8 / 3))
    assert size.how == "tertiles of the reference set (12 values)"


def test_fixed_edges_replace_tertiles_of_their_axis_alone():
    size, roughness = choose_binnings(choose(), Options(edges={"size": (2.0, 3.0)}))
    assert (size.edges, size.how) == ((2.0, 3.0), "own edges")
    assert roughness.how.startswith("tertiles")


def test_edges_of_the_training_split():
    training = pd.DataFrame({"size": [10.0, 20.0, 30.0, 40.0, 0.0], "roughness": [0.1, 0.2, 0.3, 0.4, NAN]})
    options = Options(bins="training", edges={"roughness": (0.1, 0.3)})
    size, roughness = choose_binnings(choose(), options, training)
    assert (size.edges, size.how) == ((20.0, 30.0), "tertiles of the training split (4 values)")
    assert roughness.how == "own edges"
    with pytest.raises(UsageError, match=r"training split of these results is not known.*Choose other bins"):
        choose_binnings(choose(), options)
    with pytest.raises(UsageError, match=r"too few values in the training split .* \(received: 0, 3 are needed\)"):
        choose_binnings(choose(), Options(bins="training", by=("roughness",)), training.assign(roughness=NAN))
    of_training = choose(), Options(bins="training"), training.assign(roughness=NAN)
    assert [binning.axis for binning in choose_binnings(*of_training)] == ["size"]
    assert "0 of 5 cases of the training split have a value" in unbinned_axes(*of_training)["roughness"]


def test_axes_in_the_order_asked_each_once():
    binnings = choose_binnings(choose(), Options(by=("released_smoothness", "size", "released_smoothness")))
    assert [binning.axis for binning in binnings] == ["released_smoothness", "size"]
    assert choose_binnings(choose(), Options(by=())) == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": ("volume",)}, "no axis of that name"),
        ({"edges": {"volume": (1.0, 2.0)}}, "no axis of that name"),
        ({"bins": "quartiles"}, "no kind of bins of that name"),
        ({"edges": {"size": (2.0, 1.0)}}, "two ascending numbers"),
    ],
)
def test_bins_that_do_not_exist(options, said):
    with pytest.raises(UsageError, match=said):
        choose_binnings(choose(), Options(**options))


@pytest.mark.parametrize("there", [0, 2])
def test_a_default_axis_with_too_few_values_is_left_out_and_said(there):
    rows = cases("FL", "A-FL")
    rows.loc[rows["case_id"].isin([f"c{k}" for k in range(there, 12)]), "roughness"] = NAN
    found = choose_breakdown((rows, NO_LESIONS), manifest("FL", "A-FL"), Options())
    assert found.pair("FL", "A-FL")["axis"].tolist() == [ALL, *["size"] * 3]
    assert found.unbinned == (
        f"There are no bins by roughness: {there} of 12 cases have a value, and three bins need 3; references "
        "alone carry one, those of few voxels do not.",
    )
    fixed = choose_breakdown((rows, NO_LESIONS), manifest("FL", "A-FL"), Options(edges={"roughness": (0.1, 0.2)}))
    assert ([b.axis for b in fixed.binnings], fixed.unbinned) == (["size", "roughness"], ())


def test_a_named_axis_without_a_value_is_an_error_that_says_what_to_do():
    rows = cases("FL", "A-FL", roughness=False)
    of = manifest("FL", "A-FL")
    with pytest.raises(AflError) as error:
        choose_breakdown((rows, NO_LESIONS), of, Options(by=("size", "roughness")))
    assert isinstance(error.value, UsageError)
    assert str(error.value) == (
        "Roughness has too few values in the reference set for three bins (received: 0, 3 are needed). "
        "Choose another axis or give its edges."
    )
    by_size = choose_breakdown((rows, NO_LESIONS), of, Options(by=("size",)))
    assert set(by_size.records["axis"]) == {ALL, "size"}
    fixed = choose_breakdown((rows, NO_LESIONS), of, Options(edges={"roughness": (0.1, 0.2)}))
    of_roughness = fixed.pair("FL", "A-FL").query("axis == 'roughness'")
    assert of_roughness[["bin", "units"]].to_numpy().tolist() == [["no roughness", 12]]


def test_a_breakdown_of_the_defaults():
    breakdown = choose_breakdown((cases(*SEEDED), NO_LESIONS), manifest(*SEEDED), Options())
    pair = breakdown.pair("FL", "A-FL")
    assert pair["axis"].tolist() == [ALL, *["size"] * 3, *["roughness"] * 3]
    assert pair["units"].tolist() == [12, 4, 4, 4, 4, 4, 4]


def broken_down(**options):
    return choose_breakdown((cases("FL", "A-FL", n=24), NO_LESIONS), manifest("FL", "A-FL"), Options(**options))


def test_holm_counts_an_axis_that_was_opened_before_as_if_it_were_shown():
    everything = broken_down(by=("size", "roughness", "released_smoothness"))
    shown = broken_down(by=("size", "roughness"))
    before = broken_down(by=("size", "roughness"), opened=("released_smoothness", "size"))
    assert (shown.n_tests, before.n_tests, everything.n_tests) == (7, 10, 10)
    pd.testing.assert_frame_equal(before.records.drop(columns="p_holm"), shown.records.drop(columns="p_holm"))
    of_shown = everything.records["axis"] != "released_smoothness"
    expected = everything.records.loc[of_shown, "p_holm"].to_numpy()
    np.testing.assert_array_equal(before.records["p_holm"], expected)
    assert sentences.tests_sentence(before) == (
        "Holm's correction counts all 10 tests of the breakdown, and those of axes that were opened before: "
        f"released smoothness. {NOT_COUNTED}"
    )
    assert "opened before" not in sentences.tests_sentence(shown)


def test_an_axis_that_was_opened_before_and_has_no_bins_here_has_no_tests():
    few = choose_breakdown(
        (cases("FL", "A-FL", roughness=False), NO_LESIONS),
        manifest("FL", "A-FL"),
        Options(by=("size",), opened=("roughness", "contrast")),
    )
    assert (few.n_tests, few.opened) == (1, {})
    with pytest.raises(UsageError, match="axis"):
        broken_down(opened=("no such",))


def test_options_as_they_are_exported():
    exported = Options(sources=("FL", "A-FL"), edges={"size": (1.0, 2.0)}).as_dict()
    assert exported == {
        "metric": "dsc",
        "level": "case",
        "sources": ("FL", "A-FL"),
        "by": None,
        "bins": "tertiles",
        "edges": {"size": (1.0, 2.0)},
        "pool_seeds": True,
        "opened": (),
    }
    assert Options(**exported) == Options(sources=("FL", "A-FL"), edges={"size": (1.0, 2.0)})


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_cases_have_what_is_over_all_and_no_bins(n):
    found = choose_breakdown((cases("FL", "A-FL", n=n), NO_LESIONS), manifest("FL", "A-FL"), Options())
    assert found.binnings == ()
    assert set(found.records["axis"]) == {ALL}
