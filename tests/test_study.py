"""The study end to end on a tiny cohort, resumed after an interruption, and its tables against numbers made by hand."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Tiny, cube, write_tiny_case
from made_runs import TINY

from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.statistics.ranks import holm
from afl_core.base import paths
from afl_core.cli import study as study_command
from afl_core.data.splits import load_splits
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.manifest import Manifest
from afl_core.loss import build_loss
from afl_core.loss.factors import Factors
from afl_core.model.checkpoints import load_card
from afl_core.study import plan as study_plan
from afl_core.study import tables
from afl_core.study.arms import ARMS, BY_CHANNEL, CONTRASTS, RATES
from afl_core.study.plan import (
    Choices,
    Setup,
    candidate_setups,
    choose,
    plan_runs,
    rate_setups,
    seed_setups,
    train_runs,
)
from afl_core.study.tables import RULES, check_pooled, contrasts, rule_sources, run_table, source_name, study_records
from afl_core.training import run as run_module
from afl_core.training.run_records import RunStatus
from afl_core.training.runs import RunFolder

SETTINGS = {key: TINY[key] for key in ("sequences", "patch_size")} | {"steps": 2, "validate_every": 2, "batch_size": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two cases to train on, one to validate, seven to test: each a cube of another size."""
    root = tmp_path_factory.mktemp("study") / "cohort"
    names = [f"Case_{k}" for k in range(10)]
    for k, name in enumerate(names):
        box = cube(start=4, stop=9 + k % 7)
        write_tiny_case(root, name, Tiny((20, 20, 20), "RAS", (box,), ()))
    splits = {"train": names[:2], "validation": names[2:3], "test": names[3:]}
    (root / "splits.json").write_text(json.dumps(splits))
    return root


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    return tmp_path


FIRST = dict.fromkeys(ARMS, 0)
COMMON = Choices(FIRST, dict.fromkeys(ARMS, 1.0))


def plan(data, setups=None, **changed):
    return plan_runs(setups or seed_setups(COMMON), "demo", SETTINGS | changed, data=data, command="afl study x")


def test_every_arm_has_its_seeds_at_the_common_rate_and_at_its_own(data, home):
    choices = Choices(FIRST | {"A-FL size-first": 2}, dict.fromkeys(ARMS, 1.0) | {"DiceCE": 0.3, "FL": 3.0})
    setups = seed_setups(choices)
    assert len(setups) == len(set(setups)) == sum(arm.seeds for arm in ARMS.values()) + 3 + 3
    assert [s.seed for s in setups if s.arm == "FL"] == [0, 1, 2, 3, 4, 0, 1, 2]  # fewer where no headline is
    assert {setup.candidate for setup in setups if setup.arm == "A-FL size-first"} == {2}
    assert [s.seed for s in setups if s.arm == "DiceCE" and s.rate == 0.3] == [0, 1, 2]
    assert source_name(Setup("DiceCE", rate=0.3, seed=2)) == "DiceCE own rate seed2"
    assert source_name(Setup("FL", seed=4)) == "FL seed4"


def test_runs_differ_in_what_their_setup_says_alone_and_see_no_test_case(data, home):
    setups = [*candidate_setups(), *rate_setups(FIRST), *seed_setups(COMMON)]
    runs = plan(data, setups)
    assert len(runs) == len({run.path for run in runs.values()}) == len(set(setups))
    for setup, run in runs.items():
        config, arm = run.spec().config, ARMS[setup.arm]
        assert (config.loss, config.loss_settings) == (arm.loss, dict(arm.candidates[setup.candidate]))
        assert (config.factors_from, config.seed) == (arm.factors_from, setup.seed)
        assert config.learning_rate == pytest.approx(0.1 * setup.rate)
        assert load_splits(run.path / "splits.json") == {"train": ("Case_0", "Case_1"), "validation": ("Case_2",)}
    alike = {"loss": "", "loss_settings": {}, "seed": 0, "learning_rate": 1.0, "factors_from": "patch"}
    assert len({repr(run.spec().config.model_copy(update=alike)) for run in runs.values()}) == 1
    assert plan(data, setups) == runs  # they are there already
    received = r"\(received: study-demo-FL-rate1-seed0\)"
    with pytest.raises(UsageError, match=rf"with other settings or data {received}\. Delete it first"):
        plan(data, steps=3)


def scored(make_checkpoint, home, scores):
    """Finished runs with these validation scores."""
    runs = {}
    for k, (setup, score) in enumerate(scores.items()):
        run = RunFolder(home / f"run{k}")
        make_checkpoint(run.path / "checkpoint", training={"best_validation_dsc": score})
        runs[setup] = run
    return runs


def test_the_highest_validation_score_of_an_arm_chooses_and_of_equal_ones_the_first(home, make_checkpoint):
    low, middle, high = (Setup("FL", rate=rate) for rate in RATES)
    other = [Setup("A-FL size-first", candidate) for candidate in range(3)]
    scores = {low: 0.5, middle: 0.7, high: 0.7, other[0]: 0.1, other[1]: 0.3, other[2]: 0.2}
    assert choose(scored(make_checkpoint, home, scores)) == {"FL": middle, "A-FL size-first": other[1]}
    with pytest.raises(UsageError, match="A run that is to choose is not finished"):
        choose({low: RunFolder(home / "nothing")})


def test_gamma_of_size_first_falls_with_the_size_and_rises_with_the_roughness():
    small, large = (Factors(1 - v, v, torch.tensor([0.1])) for v in (torch.tensor([1e-4]), torch.tensor([0.02])))
    rough = Factors(small.alpha_va, small.gamma_va, torch.tensor([0.2]))
    for settings in ARMS["A-FL size-first"].candidates:
        gamma = build_loss("adaptive_focal", **settings).terms.gamma
        assert gamma(large) < gamma(small) < gamma(rough)
    first = build_loss("adaptive_focal", **ARMS["A-FL size-first"].candidates[0]).terms
    assert first.gamma(large).item() == pytest.approx(2 + 5 * 0.1 - 35 * 0.02)


def test_at_their_own_rates_the_same_pairs_are_compared():
    at = contrasts(Choices(FIRST, dict.fromkeys(ARMS, 1.0) | {"FL": 3.0, "DiceCE": 0.3}))
    assert at["common"] == list(CONTRASTS)
    assert at["own"][0] == ("FL own rate", "A-FL released")
    assert ("FL own rate", "DiceCE own rate") in at["own"]
    assert at["own"][-1] == ("A-FL gamma 0", "A-FL released")


def test_every_contrast_is_between_two_arms_and_none_is_tested_twice():
    assert all({first, second} <= set(ARMS) for first, second in CONTRASTS)
    assert len({frozenset(pair) for pair in CONTRASTS}) == len(CONTRASTS)


def test_a_study_that_was_interrupted_goes_on_and_ends_with_its_tables(data, home, monkeypatch):
    """By the command itself, three times: cut off in the middle, resumed, and once more with nothing left to do."""
    few = {
        name: replace(ARMS[name], candidates=ARMS[name].candidates[:2], seeds=2)
        for name in ("FL", "A-FL released", "A-FL size-first")
    }
    few["FL"], few["A-FL released"] = (replace(few[arm], seeds=3) for arm in ("FL", "A-FL released"))
    pairs = (("FL", "A-FL released"), ("FL", "A-FL size-first"))
    for module in (study_plan, tables):
        monkeypatch.setattr(module, "ARMS", few)
    monkeypatch.setattr(tables, "CONTRASTS", pairs)
    trained, real = [], run_module.run_training

    def breaks_off(run):
        trained.append(run.name)
        if len(trained) == 6:
            run.write_status(RunStatus("running", "Training", 1, 2))  # as a kill leaves it
            raise KeyboardInterrupt
        return real(run)

    monkeypatch.setattr(run_module, "run_training", breaks_off)
    monkeypatch.setattr(study_command, "RESULTS", home / "results")
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    other = home / "other"
    for k in range(2):
        write_tiny_case(other, f"Case_{k}", Tiny((20, 20, 20), "RAS", (cube(start=4, stop=12 + k),), ()))
    settings = [f"{key}={json.dumps(value)}" for key, value in SETTINGS.items()]

    def command():
        study_command.study(out=home / "out", data=data, set_=settings, also=[other, data])

    with pytest.raises(KeyboardInterrupt):
        command()
    assert not (home / "out").exists()
    command()
    choices = Choices(**json.loads((home / "out" / "choices.json").read_text()))
    tried = [Setup("A-FL size-first", 1 - choices.candidates["A-FL size-first"]), *rate_setups(choices.candidates)]
    setups = list(dict.fromkeys([*tried, *seed_setups(choices)]))
    assert len(set(trained)) == len(setups)
    assert len(trained) == len(setups) + 1  # the one that was cut off, twice
    check_tables(home, choices, setups, pairs)
    command()
    assert len(trained) == len(setups) + 1


def check_tables(home, choices, setups, pairs):
    table = pd.read_csv(home / "out" / "runs.csv")
    listed = {Setup(*row) for row in table[["arm", "candidate", "rate", "seed"]].itertuples(index=False)}
    assert listed == set(setups)
    cards = {setup: load_card(run.checkpoint) for setup, run in plan_of(home, setups).items()}
    assert set(table["weights_sha256"]) == {card.weights_sha256 for card in cards.values()}
    assert all(not card.scores for card in cards.values())  # no run measured a test case

    matched = pd.read_csv(home / "out" / "matched.csv")
    both = set(pairs) | set(contrasts(choices)["own"])
    assert {(row.minus, row.source) for row in matched.itertuples()} == both
    assert set(matched["rule"]) == {"dice", "false"}
    calibration = pd.read_csv(home / "out" / "calibration.csv")
    assert {(row.minus, row.source) for row in calibration.itertuples()} == both
    assert set(calibration["over"]) == {"grid", "near"}

    elsewhere = pd.read_csv(home / "out" / "other_cases.csv")
    assert len(elsewhere) == 2 * (3 + 3 + 2)  # cases, and the runs of all arms
    assert not (home / "out" / "other_comparisons.csv").exists()  # two patients compare nothing
    assert len(pd.read_csv(home / "out" / "cohort_cases.csv")) == 10 * 3 * 2  # the arms with most seeds
    compared = pd.read_csv(home / "out" / "cohort_comparisons.csv", keep_default_na=False)
    assert set(zip(compared["minus"], compared["source"], strict=True)) == {pairs[0]}
    found = pd.read_csv(home / "out" / "comparisons.csv", keep_default_na=False, na_values={"p": "", "n": ""})
    common = found[found["rate"] == "common"]
    assert set(zip(common["minus"], common["source"], strict=True)) == set(pairs)
    assert set(found[found["rate"] == "own"]["source"]) == {second for _, second in contrasts(choices)["own"]}
    assert set(found["level"]) == {"case", "lesion"}
    by_channel = found[found["rule"] == "tumour_channel"]
    assert set(by_channel["source"]) == {"A-FL released"} <= set(BY_CHANNEL)
    assert set(by_channel["rate"]) == {"common"}
    overall = common[(common["axis"] == "all") & (common["level"] == "case") & (common["rule"] == "argmax")]
    assert set(overall["n"]) == {7}
    cases = pd.read_parquet(home / "results" / "study-demo-argmax" / "cases.parquet")
    mean = cases.groupby(cases["source"].str.rsplit(" seed", n=1).str[0])["dsc"].mean()
    listed_cases = pd.read_csv(home / "out" / "cases.csv").query("rule == 'argmax'")
    assert dict(
        zip(listed_cases["case_id"] + listed_cases["source"], listed_cases["dsc"], strict=True)
    ) == pytest.approx(dict(zip(cases["case_id"] + cases["source"], cases["dsc"], strict=True)), abs=1e-5)
    expected = [mean[second] - mean[first] for first, second in zip(overall["minus"], overall["source"], strict=True)]
    assert list(overall["mean_difference"].astype(float)) == pytest.approx(expected, abs=2e-6)
    said = json.loads((home / "out" / "study.json").read_text())
    assert said["training"]["steps"] == 2
    assert not {"seed", "loss", "best_step", "learning_rate"} & set(said["training"])
    assert said["data"]["cases"] == {"train": 2, "validation": 1, "test": 0}


def plan_of(home, setups):
    return {setup: RunFolder(home / "models" / "runs" / setup.run_name("demo")) for setup in setups}


def test_a_run_that_fails_does_not_stop_the_others(data, home, monkeypatch):
    def fails(run):
        run.write_status(RunStatus("failed", "The loss is nan at step 1."))
        raise DataError("The loss is nan at step 1")

    monkeypatch.setattr(run_module, "run_training", fails)
    runs = plan(data, [Setup(arm) for arm in ARMS])
    heard = []
    unfinished = train_runs(runs, None, report=heard.append)
    assert heard == [run.name for run in runs.values()]
    assert unfinished == dict.fromkeys(heard, "The loss is nan at step 1.")


def test_no_more_runs_are_handed_on_than_are_trained_at_once(data, home, monkeypatch):
    """What waits in a pool would begin after Ctrl-C."""
    runs, started, ended, most = plan(data), [], [], []

    def trains(run):
        started.append(run.name)
        most.append(len(started) - len(ended))
        threading.Event().wait(0.01)
        ended.append(run.name)
        return run.name

    def interrupted(name):
        if len(ended) >= 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(study_plan, "_train", trains)
    with ThreadPoolExecutor(6) as pool:
        train_runs(runs, pool, at_once=2)
        assert sorted(started) == sorted(run.name for run in runs.values())
        assert max(most) == 2
        started.clear()
        ended.clear()
        with pytest.raises(KeyboardInterrupt):
            train_runs(runs, pool, at_once=2, report=interrupted)
    assert len(started) <= 8


def finished(data, arms=("FL", "A-FL released")):
    """Runs without a checkpoint yet."""
    return {setup: run for setup, run in plan(data).items() if setup.arm in arms and setup.seed < 2}


def test_a_checkpoint_under_another_rule_has_the_same_weights_and_a_card_that_says_so(data, home, make_checkpoint):
    runs = finished(data)
    for run in runs.values():
        make_checkpoint(run.path / "checkpoint", summary="Focal loss, gamma 2.0, decided by argmax")
    for rule in RULES:
        for _ in range(2):
            sources = rule_sources(runs, rule)
        assert [source.name for source in sources] == [source_name(setup) for setup in runs]
        for source, run in zip(sources, runs.values(), strict=True):
            card, own = load_card(source.path), load_card(run.path / "checkpoint")
            assert card.decision_rule == rule
            assert card.summary == f"Focal loss, gamma 2.0, decided by {rule}"
            assert card.weights_sha256 == own.weights_sha256
            assert own.decision_rule == "argmax"


def test_the_table_of_runs_has_what_their_cards_say(data, home, make_checkpoint):
    runs = finished(data)
    for k, run in enumerate(runs.values()):
        training = {"best_step": 100 * k, "best_validation_dsc": 0.5 + k / 10}
        make_checkpoint(run.path / "checkpoint", seed=k, training=training)
        run.write_status(RunStatus("finished", "Finished", 2, 2, seconds=60.4 + k))
    table = run_table(runs)
    assert list(table["arm"]) == ["FL", "FL", "A-FL released", "A-FL released"]
    assert list(table["seed"]) == [0, 1, 0, 1]
    assert list(table["best_step"]) == [0, 100, 200, 300]
    assert list(table["best_validation_dsc"]) == pytest.approx([0.5, 0.6, 0.7, 0.8])
    assert list(table["seconds"]) == [60, 61, 62, 63]
    assert table["weights_sha256"].nunique() == 4


ARM = dict(zip(ARMS, (0.50, 0.40, 0.42, 0.60, 0.55, 0.57, 0.58, 0.52, 0.53, 0.65, 0.50), strict=True))
SEEDS = (-0.02, 0.0, 0.02)


class Made:
    """A comparison of known numbers: for patient k, an arm scores its own plus k hundredths, plus the seed's."""

    @property
    def rows(self):
        return pd.DataFrame(
            {
                "case_id": f"c{k:02d}",
                "group": "",
                "source": f"{arm} seed{seed}",
                "key": "",
                "empty": "",
                "reference_volume_ml": 1.0 + k,
                "roughness": 0.1 + ((7 * k) % 12) / 50,
                "released_smoothness": 0.001 * (1 + k),
                "reference_lesions": 1,
                "dsc": mean + k / 100 + SEEDS[seed] + self.noise(arm, k),
            }
            for k in range(12)
            for arm, mean in ARM.items()
            for seed in range(3)
        )

    def noise(self, arm, k):
        """Half a hundredth up or down, so that differences differ; the last arm has none to the first."""
        return 0.005 * (-1) ** (k + list(ARMS).index(arm)) if arm not in ("FL", "DiceCE") else 0.0

    @property
    def lesions(self):
        return pd.DataFrame()

    @property
    def manifest(self):
        masks = {"kind": "masks", "path": "/masks", "files": 1}
        return Manifest(sources={f"{arm} seed{seed}": masks for arm in ARMS for seed in range(3)})


def test_a_run_that_is_no_seed_of_its_arm_is_told_and_never_left_out():
    made = Made()
    check_pooled(made)
    of_other_files = SimpleNamespace(training={"steps": 2}, data={"files": "x"}, model_dump=lambda **_: {}, label="FL")
    other = made.manifest.sources["FL seed0"].model_copy(update={"card": of_other_files})
    changed = SimpleNamespace(
        manifest=made.manifest.model_copy(update={"sources": made.manifest.sources | {"FL seed0": other}})
    )
    with pytest.raises(DataError, match=r"in more than the seed \(received: FL seed0\)"):
        check_pooled(changed)


def test_the_comparisons_are_those_made_by_hand():
    made = Made()
    records = study_records(made, Options(), list(CONTRASTS))
    overall = records[records["axis"] == "all"]
    assert list(zip(overall["minus"], overall["source"], strict=True)) == list(CONTRASTS)
    for row in overall.itertuples():
        assert (row.n, row.bin) == (12, "all")
        assert row.mean_difference == pytest.approx(ARM[row.source] - ARM[row.minus])
        assert row.first == pytest.approx(ARM[row.minus] + 0.055)
        assert row.mean == pytest.approx(ARM[row.source] + 0.055)
    by_pair = overall.set_index(["minus", "source"])
    assert by_pair.loc[("FL", "A-FL paper"), "p"] == pytest.approx(2 / 2**12)  # 12 of 12 higher, exactly
    assert by_pair.loc[("FL", "DiceCE"), "p"] == 1
    assert by_pair.loc[("FL", "A-FL released"), "n_lower"] == 12

    bins = records[(records["axis"] == "size") & (records["source"] == "DiceFocal")]
    assert list(bins["bin"]) == ["small", "medium", "large"]
    assert list(bins["n"]) == [4, 4, 4]
    means = [np.mean([ARM["FL"] + k / 100 for k in group]) for group in np.split(np.arange(12), 3)]
    assert list(bins["first"]) == pytest.approx(means)
    assert bins["p"].isna().all()  # too few patients for a test


def test_holm_counts_all_comparisons_of_a_rule_at_once():
    records = study_records(Made(), Options(), list(CONTRASTS))
    tested = records["p"].notna()
    assert tested.sum() == len(CONTRASTS)
    assert list(records["p_holm"][tested]) == list(holm(records["p"].to_numpy(float))[tested])
    lowest = records.loc[records["p"].idxmin()]
    assert lowest["p_holm"] == pytest.approx(len(CONTRASTS) * lowest["p"])
