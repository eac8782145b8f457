"""The study end to end on a tiny cohort, resumed after an interruption, and its tables against numbers made by hand."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from conftest import Tiny, cube, write_tiny_case
from made_runs import TINY

from afl_core import study
from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.statistics.ranks import holm
from afl_core.base import paths
from afl_core.cli import study as study_command
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.manifest import Manifest
from afl_core.model.checkpoints import load_card
from afl_core.study import ARMS, CONTRASTS, RULES, plan_study, rule_sources, run_table, study_records, train_study
from afl_core.training import run as run_module
from afl_core.training.run_records import RunStatus

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


def plan(data, seeds=(0, 1), **changed):
    return plan_study("demo", seeds, SETTINGS | changed, data=data, command="afl study x")


def test_the_study_has_every_arm_with_every_seed_and_pairs_them(data, home):
    runs = plan(data)
    assert list(runs) == [f"{arm} seed{seed}" for seed in (0, 1) for arm in ARMS]
    for name, run in runs.items():
        config = run.spec().config
        arm, seed = name.rsplit(" seed", 1)
        assert (config.loss, config.loss_settings, config.seed) == (
            ARMS[arm].loss,
            dict(ARMS[arm].settings),
            int(seed),
        )
    alike = {"loss": "", "loss_settings": {}, "seed": 0}
    assert len({repr(run.spec().config.model_copy(update=alike)) for run in runs.values()}) == 1
    assert plan(data) == runs  # they are there already
    with pytest.raises(
        UsageError, match=r"with other settings or data \(received: study-demo-FL-seed0\)\. Delete it first"
    ):
        plan(data, steps=3)
    with pytest.raises(UsageError, match="other settings or data"):
        plan(data.parent)


def test_every_contrast_is_between_two_arms_and_none_is_tested_twice():
    assert all({first, second} <= set(ARMS) for first, second in CONTRASTS)
    assert len({frozenset(pair) for pair in CONTRASTS}) == len(CONTRASTS)


def test_a_study_that_was_interrupted_goes_on_and_ends_with_its_tables(data, home, monkeypatch):
    """By the command itself, three times: cut off in the middle, resumed, and once more with nothing left to do."""
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
    settings = [f"{key}={json.dumps(value)}" for key, value in SETTINGS.items()]

    def command():
        study_command.study(out=home / "out", data=data, seed=[0, 1], set_=settings)

    with pytest.raises(KeyboardInterrupt):
        command()
    assert not (home / "out").exists()
    command()
    assert len(trained) == 6 + 14 - 5
    assert len(set(trained)) == 14
    check_tables(home, plan(data))
    command()
    assert len(trained) == 15


def check_tables(home, runs):
    table = pd.read_csv(home / "out" / "runs.csv")
    assert list(table["arm"] + " seed" + table["seed"].astype(str)) == list(runs)
    cards = [load_card(run.checkpoint) for run in runs.values()]
    assert list(table["weights_sha256"]) == [card.weights_sha256 for card in cards]
    assert len(set(table["weights_sha256"])) == 14
    for rule in RULES:
        said = [card.scores["test_mean_dsc_by_decision_rule"][rule] for card in cards]
        assert list(table[f"test_dsc_{rule}"]) == said

    found = pd.read_csv(home / "out" / "comparisons.csv", keep_default_na=False, na_values={"p": "", "n": ""})
    assert set(zip(found["minus"], found["source"], strict=True)) == set(CONTRASTS)
    assert set(found["rule"]) == set(RULES)
    assert set(found["level"]) == {"case", "lesion"}
    overall = found[(found["axis"] == "all") & (found["level"] == "case")]
    assert len(overall) == len(RULES) * len(CONTRASTS)
    assert set(overall["n"]) == {7}
    for rule in RULES:  # the difference of the means over seeds and cases, from the results on disk
        cases = pd.read_parquet(home / "results" / f"study-demo-{rule}" / "cases.parquet")
        assert len(cases) == 14 * 7
        mean = cases.groupby(cases["source"].str.rsplit(" seed", n=1).str[0])["dsc"].mean()
        listed = pd.read_csv(home / "out" / "cases.csv").query("rule == @rule")
        assert dict(zip(listed["case_id"] + listed["source"], listed["dsc"], strict=True)) == pytest.approx(
            dict(zip(cases["case_id"] + cases["source"], cases["dsc"], strict=True)), abs=1e-5
        )
        own = overall[overall["rule"] == rule]
        expected = [mean[second] - mean[first] for first, second in zip(own["minus"], own["source"], strict=True)]
        assert list(own["mean_difference"].astype(float)) == pytest.approx(expected, abs=2e-6)
        assert list(own["first"].astype(float)) == pytest.approx([mean[first] for first in own["minus"]], abs=2e-6)
    said = json.loads((home / "out" / "study.json").read_text())
    assert list(said["arms"]) == list(ARMS)
    assert said["training"]["steps"] == 2
    assert not {"seed", "loss", "best_step"} & set(said["training"])
    assert said["data"]["cases"] == {"train": 2, "validation": 1, "test": 7}


def test_a_run_that_fails_does_not_stop_the_others(data, home, monkeypatch):
    def fails(run):
        run.write_status(RunStatus("failed", "The loss is nan at step 1."))
        raise DataError("The loss is nan at step 1")

    monkeypatch.setattr(run_module, "run_training", fails)
    runs = plan(data, seeds=(0,))
    heard = []
    unfinished = train_study(runs, None, report=heard.append)
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

    monkeypatch.setattr(study, "_train", trains)
    with ThreadPoolExecutor(6) as pool:
        train_study(runs, pool, at_once=2)
        assert sorted(started) == sorted(run.name for run in runs.values())
        assert max(most) == 2
        started.clear()
        ended.clear()
        with pytest.raises(KeyboardInterrupt):
            train_study(runs, pool, at_once=2, report=interrupted)
    assert len(started) <= 8


def finished(data, home, arms=("FL", "A-FL released")):
    """Untrained checkpoints in place of the runs'."""
    return {name: run for name, run in plan(data).items() if name.rsplit(" seed", 1)[0] in arms}


def test_a_checkpoint_under_another_rule_has_the_same_weights_and_a_card_that_says_so(data, home, make_checkpoint):
    runs = finished(data, home)
    for run in runs.values():
        make_checkpoint(run.path / "checkpoint", summary="Focal loss, gamma 2.0, decided by argmax")
    for rule in RULES:
        for _ in range(2):
            sources = rule_sources(runs, rule)
        assert [source.name for source in sources] == list(runs)
        for source, run in zip(sources, runs.values(), strict=True):
            card, own = load_card(source.path), load_card(run.path / "checkpoint")
            assert card.decision_rule == rule
            assert card.summary == f"Focal loss, gamma 2.0, decided by {rule}"
            assert card.weights_sha256 == own.weights_sha256
            assert own.decision_rule == "argmax"


def test_the_table_of_runs_has_what_their_cards_say(data, home, make_checkpoint):
    runs = finished(data, home)
    for k, run in enumerate(runs.values()):
        scores = {rule: (k + 1) / 10 + j / 100 for j, rule in enumerate(RULES)}
        make_checkpoint(
            run.path / "checkpoint",
            seed=k,
            training={"seed": k // 2, "best_step": 100 * k, "best_validation_dsc": 0.5 + k / 10},
            scores={"test_mean_dsc_by_decision_rule": scores},
        )
        run.write_status(RunStatus("finished", "Finished", 2, 2, seconds=60.4 + k))
    table = run_table(runs)
    assert list(table["arm"]) == ["FL", "A-FL released"] * 2
    assert list(table["seed"]) == [0, 0, 1, 1]
    assert list(table["best_step"]) == [0, 100, 200, 300]
    assert list(table["best_validation_dsc"]) == pytest.approx([0.5, 0.6, 0.7, 0.8])
    assert list(table[f"test_dsc_{RULES[1]}"]) == pytest.approx([0.11, 0.21, 0.31, 0.41])
    assert list(table["seconds"]) == [60, 61, 62, 63]
    assert table["weights_sha256"].nunique() == 4


ARM = dict(zip(ARMS, (0.50, 0.40, 0.42, 0.60, 0.55, 0.65, 0.50), strict=True))
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


def test_the_comparisons_are_those_made_by_hand():
    made = Made()
    records = study_records(made, Options())
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
    records = study_records(Made(), Options())
    tested = records["p"].notna()
    assert tested.sum() == len(CONTRASTS)
    assert list(records["p_holm"][tested]) == list(holm(records["p"].to_numpy(float))[tested])
    lowest = records.loc[records["p"].idxmin()]
    assert lowest["p_holm"] == pytest.approx(len(CONTRASTS) * lowest["p"])
