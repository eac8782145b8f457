"""The Training page through AppTest: what can be asked for, how runs are told, and what becomes of finished ones."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import made_trees
import pytest
from made_runs import ADAPTIVE, FOCAL, make_run

from afl_core.base import paths, processes
from afl_core.cli import main, training
from afl_core.data.layouts import DataOptions, load_cohort
from afl_core.data.patients import Patients
from afl_core.data.splits import SPLITS_FILE, load_splits, save_splits
from afl_core.errors import UsageError
from afl_core.evaluation import from_runs
from afl_core.evaluation.job import EVERY, STATUS
from afl_core.evaluation.results import Results
from afl_core.model.checkpoints import load_card
from afl_core.training.dataset import training_data, with_random_split
from afl_core.training.launcher import Proposal
from afl_core.training.plan import plan_runs
from afl_core.training.run_records import STARTING, RunStatus
from afl_core.training.runs import LOG, METRICS, RunFolder, create_run, list_runs, runs_folder
from afl_core.ui.data import choose as data_page
from afl_core.ui.shared.train_on import OFFERED
from afl_core.ui.training import form as training_form
from afl_core.ui.training import runs as training_runs
from afl_core.ui.training import timing
from afl_core.ui.training.form import ends_at
from afl_core.ui.training.losses import linked_loss

STEP_SECONDS = {"focal": 0.5, "adaptive_focal": 0.25}
DESIGNED = {"gamma_scale": 4, "normalise": True}


def text(at) -> str:
    """All prose on the page."""
    kinds = (at.subheader, at.markdown, at.info, at.success, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def field(at, kind: str, label: str):
    return next(widget for widget in at.get(kind) if widget.label.replace("\\", "").startswith(label))


def labels(at) -> list[str]:
    return [button.label.replace("\\", "") for button in at.button]


def press(at, label: str):
    field(at, "button", label).click().run()
    assert not at.exception, at.exception
    return at


def report(step, loss, dsc=None, seconds=0.0, factors=None):
    return {"step": step, "loss": loss, "validation_dsc": dsc, "learning_rate": 0.1} | {
        "factors": factors or {},
        "seconds": seconds,
    }


ROWS = [report(10, 0.5, seconds=30.0), report(20, 0.3, 0.4, seconds=40.0), report(30, 0.2, 0.3, seconds=50.0)]


@pytest.fixture
def proposed(monkeypatch) -> list[str]:
    """Runs are planned here, not in a process of their own, and a step takes what STEP_SECONDS says."""
    asked = []

    def propose(request, *, waiting):
        waiting(3.0)
        asked.append(request.model_dump_json())
        runs = plan_runs(request)
        return Proposal(runs=runs, step_seconds={name: STEP_SECONDS[spec.config.loss] for name, spec in runs.items()})

    monkeypatch.setattr(timing, "propose_runs", propose)
    return asked


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """Names of runs in the order in which their processes would have been started."""
    names = []
    for module in (training_form, training_runs):
        monkeypatch.setattr(module, "start_run", lambda run: names.append(run.name))
    return names


@pytest.fixture
def form(app, cohort) -> Callable[..., object]:
    """The form on the tiny cohort: `form(**query)`."""

    def fill(**query: str):
        at = app("training", **query)
        field(at, "selectbox", "Data set").select("A folder on this machine").run()
        field(at, "text_input", "Folder").input(str(cohort)).run()
        assert not at.exception
        return at

    return fill


@pytest.fixture
def made(app, cohort, make_checkpoint) -> Iterator[Callable[..., RunFolder]]:
    """`made(name, state, config=..., rows=..., **spec)` writes a run as it would be found in that state."""
    with ExitStack() as held:

        def make(name: str, state: str = "stopped", *, config=FOCAL, rows=ROWS, message="Stopped", **spec):
            run = make_run(runs_folder(), cohort, config, name=name, **spec)
            step = rows[-1]["step"] if rows else 0
            told = "running" if state == "interrupted" else state
            run.write_status(RunStatus(told, message, step, 60 if rows else 0, 70.0, pid=0))
            (run.path / METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
            (run.path / LOG).write_text("the last line of the log\n")
            save_splits(run.path / SPLITS_FILE, load_splits(cohort / SPLITS_FILE))
            if state in ("running", "waiting"):
                held.enter_context(run.lock())
            if state == "finished":
                make_checkpoint(
                    run.path / "checkpoint",
                    seed=len(name),
                    label="FL" if config.loss == "focal" else "A-FL",
                    loss=config.loss,
                    loss_settings=config.loss_settings,
                    training={"best_validation_dsc": 0.4, "best_step": 20, "seed": config.seed},
                    data={"training_files_sha256": "same", "cases": {"train": 2, "validation": 1, "test": 1}},
                    scores={"test_mean_dsc_by_decision_rule": {"argmax": 0.375}},
                )
            return run

        yield make


# The form


def test_the_empty_page_offers_fl_and_a_fl_as_a_pair_on_the_demo(app):
    at = app("training")
    assert "There are no training runs yet" in text(at)
    assert at.multiselect[0].value == ["focal", "adaptive_focal:released_code"]
    assert (
        "2 runs on 203 cases (58 train, 29 validation, 116 test); those of one seed start from the same weights"
        in text(at)
    )
    assert "do not decide between losses" in text(at)
    assert "Check and estimate the time" in labels(at)


@pytest.mark.parametrize(
    ("kind", "label", "value", "said"),
    [
        ("multiselect", "Losses", [], "Choose a loss, or several to compare"),
        ("text_input", "Seeds", "", "Give one or more seeds"),
        ("text_input", "Seeds", "1, 1", "Give one or more seeds, each once"),
        ("text_input", "Seeds", "1, two", "Whole numbers are expected (received: 1, two)"),
        ("text_input", "Patch", "64 64", "A patch has three edges"),
        ("text_input", "Patch", "16 0 16", "The training setting patch_size.1 is wrong"),
        ("number_input", "Learning rate", 0.0, "The training setting learning_rate is wrong"),
        ("multiselect", "Sequences", [], "Choose a sequence"),
        ("text_input", "Folder", " ", "Give the folder of the data set"),
        ("text_input", "Folder", "/nowhere", "/nowhere"),
    ],
)
def test_what_is_wrong_in_the_form_is_said_and_nothing_can_start(form, kind, label, value, said):
    at = form()
    field(at, kind, label).set_value(value).run()
    assert not at.exception
    assert len(at.warning) == 1
    assert said in text(at)
    assert "Check and estimate the time" not in labels(at)


def test_what_is_said_without_runs_is_true_of_any_data_set(form):
    said = next(info.value for info in form().info if "There are no training runs yet" in info.value)
    assert "Start one, or a pair of losses, in the form above" in said


def test_a_split_without_training_cases_asks_for_one_and_random_is_by_patient(form, cohort):
    (cohort / SPLITS_FILE).write_text(json.dumps({"test": ["Case_A"]}))
    at = form()
    assert "The split has no train cases" in text(at)
    field(at, "selectbox", "Split").select_index(1).run()
    assert "2 runs on 4 cases (2 train, 1 validation, 1 test)" in text(at)


@pytest.mark.parametrize("page", ["training", "data"])
def test_cases_that_look_like_repeated_scans_are_said_beside_the_split(app, tmp_path, page):
    """GLI_000_01 and GLI_000_02 count as two patients, which a random split may part."""
    for case_id in ("GLI_000_01", "GLI_000_02", "GLI_001_01", "GLI_001_02", "GLI_002_01", "GLI_002_02"):
        made_trees.write(tmp_path / "data" / "images" / f"{case_id}_flair.nii.gz")
        made_trees.write(tmp_path / "data" / "references" / f"{case_id}.nii.gz", [1])
    at = app(page, folder=str(tmp_path / "data"))
    (warning,) = [w.value.replace("\\", "") for w in at.warning if "look like repeated scans" in w.value]
    assert warning.startswith("GLI_000_01, GLI_000_02, GLI_001_01, GLI_001_02 and 2 more look like repeated scans.")
    assert '"Table of patients"' in warning
    assert ("--patients" in warning) == (page == "training")


def test_a_split_that_names_a_case_which_is_not_there_says_so(form, cohort):
    (cohort / SPLITS_FILE).write_text(json.dumps({"train": ["Case_A", "Case_E"], "validation": ["Case_C"]}))
    assert "splits.json names 1 case that is not in the data set: Case_E" in text(form())


def test_a_split_that_parts_a_patient_is_warned_of_and_a_random_one_is_not(cohort):
    (cohort / SPLITS_FILE).write_text(json.dumps({"train": ["Case_A"], "validation": ["Case_C"], "test": ["Case_B"]}))
    of = {"Case_A": "P", "Case_B": "Q", "Case_C": "P", "Case_D": "R"}
    opened = load_cohort(cohort).of_patients(Patients(of, "by a table"))
    data = training_data(cohort, DataOptions(), opened)
    (said,) = data.warnings  # the form shows it
    assert said.startswith("The split has 1 patient in more than one part (P in train and validation)")
    assert with_random_split(data, opened).warnings == ()


def test_a_split_file_that_cannot_be_read_leaves_a_random_split_to_take(form, cohort):
    (cohort / SPLITS_FILE).write_text("{bad")
    at = form()
    assert "splits.json cannot be read" in text(at)
    assert "Or take a random split" in text(at)
    field(at, "selectbox", "Split").select_index(1).run()
    assert "2 runs on 4 cases (2 train, 1 validation, 1 test)" in text(at)


@pytest.mark.parametrize(("days", "said"), [(0, "10:30"), (2, "Wednesday 10:30"), (7, "07 December 2026")])
def test_the_end_of_a_long_training_has_its_date(monkeypatch, days, said):
    monday = time.mktime((2026, 11, 30, 10, 0, 0, 0, 0, -1))
    monkeypatch.setattr(time, "time", lambda: monday)
    assert ends_at(days * 24 * 3600 + 1800) == said


def test_a_preset_brings_its_own_network_length_and_patch(app):
    at = app("training")
    field(at, "selectbox", "Preset").select("picai_paper").run()
    assert field(at, "selectbox", "Network").value == "unet_resnet50"
    assert field(at, "selectbox", "Length in").value == "epochs"
    assert field(at, "number_input", "Epochs").value == 200
    assert field(at, "text_input", "Patch").value == "160 × 128 × 24"
    assert field(at, "multiselect", "Sequences").value == ["flair", "t1", "t1ce", "t2"]  # the demo has no t2w


def test_the_estimate_is_the_measured_step_times_the_steps(form, proposed):
    at = form()
    field(at, "number_input", "Steps").set_value(200).run()
    press(at, "Check and estimate")
    assert "A step of the slowest loss takes 0.5 s here, so 200 steps about 2 min, and all 2 runs 2 min" in text(at)
    assert "Reading the cases and 4 validations a run come on top" in text(at)
    assert "Check and estimate the time" not in labels(at)
    field(at, "number_input", "Steps").set_value(400).run()  # what was measured was another training
    assert "of the slowest loss takes" not in text(at)
    field(at, "multiselect", "Losses").set_value(["focal"]).run()
    press(at, "Check and estimate")
    assert "A step takes 0.5 s here, so 400 steps about 3 min: until" in text(at)
    assert not list_runs()


def test_minutes_become_as_many_steps_for_all_as_the_slowest_does_in_that_time(form, proposed, started):
    at = form()
    field(at, "selectbox", "Length in").select("minutes").run()
    field(at, "number_input", "Minutes").set_value(1).run()
    field(at, "selectbox", "Factors from").select("case").run()
    press(press(at, "Check and estimate"), "Start 2 runs")
    configs = [run.spec().config for run in list_runs()]
    assert {(config.steps, config.validate_every) for config in configs} == {(120, 30)}
    assert {config.factors_from for config in configs} == {"case"}


def test_start_makes_a_pair_with_its_splits_and_starts_it_in_order(form, proposed, started, cohort):
    at = press(press(form(), "Check and estimate"), "Start 2 runs")
    assert started == ["demo-focal-seed0", "demo-adaptive_focal-released_code-seed0"]
    runs = [RunFolder(runs_folder() / name) for name in started]
    specs = [run.spec() for run in runs]
    assert specs[0].created < specs[1].created
    assert specs[0].pair == specs[1].pair != ""
    assert specs[0].data == cohort.resolve()
    unlike = {"loss", "loss_settings"}
    assert specs[0].config.model_dump(exclude=unlike) == specs[1].config.model_dump(exclude=unlike)
    assert not any(spec.random_split for spec in specs)  # each run reads the data set's own
    assert at.query_params["run"] == ["demo-focal-seed0", "demo-adaptive_focal-released_code-seed0"]
    press(press(at, "Check and estimate"), "Start 2 runs")  # the same once more, from the same measurement
    assert len(proposed) == 1
    assert started[2:] == ["demo-focal-seed0-2", "demo-adaptive_focal-released_code-seed0-2"]
    assert len({run.spec().pair for run in list_runs()}) == 2


def test_seeds_make_a_run_each_which_share_a_batch(form, proposed, started):
    at = form()
    field(at, "multiselect", "Losses").set_value(["dice"]).run()
    field(at, "text_input", "Seeds").input("3, 5").run()
    STEP_SECONDS["dice"] = 0.5
    press(press(at, "Check and estimate"), "Start 2 runs")
    assert started == ["demo-dice-seed3", "demo-dice-seed5"]
    assert len({run.spec().pair for run in list_runs()} - {""}) == 1


def test_a_full_disk_is_one_message(form, proposed, started, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_form, "create_run", full)
    at = press(press(form(), "Check and estimate"), "Start 2 runs")
    assert len(at.error) == 1
    assert "No space left on device" in text(at)
    assert started == []


def test_the_command_of_a_run_makes_the_same_runs(form, proposed, started, monkeypatch):
    at = form(loss="adaptive_focal", loss_settings=json.dumps(DESIGNED))
    field(at, "number_input", "Steps").set_value(30).run()
    field(at, "text_input", "Seeds").input("1, 2").run()
    press(press(at, "Check and estimate"), "Start 4 runs")
    wanted = {run.name: run.spec() for run in list_runs()}
    command = next(iter(wanted.values())).command
    made = {}
    monkeypatch.setattr(training, "_train", lambda run, ranks, fresh: made.update({run.name: run.spec()}))
    monkeypatch.setattr(paths, "MODELS", paths.MODELS.parent / "others")
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert not ended.value.code
    assert {name: spec.config for name, spec in made.items()} == {name: spec.config for name, spec in wanted.items()}
    assert {spec.data for spec in made.values()} == {spec.data for spec in wanted.values()}


def test_a_data_set_of_the_data_page_is_trained_with_its_labels_and_region(app, proposed, started, monkeypatch, cohort):
    at = app("data")
    field(at, "text_input", "Folder of the data set").set_value(str(cohort)).run()
    at.session_state[f"region {cohort}  "] = "et"
    at.run()
    monkeypatch.setattr(data_page.st, "switch_page", lambda page: None)
    press(at, "Train on it")
    monkeypatch.undo()
    at.switch_page("pages/training.py").run()
    assert field(at, "selectbox", "Data set").value == "cohort, enhancing tumour (ET)"
    assert "Tumour is enhancing tumour (ET): 4." in text(at)


def test_a_region_is_part_of_the_runs_and_of_their_command(form, proposed, started, monkeypatch, cohort):
    at = form()
    at.session_state[OFFERED] = cohort, DataOptions("brats2018", None, "tc")
    at.run()
    field(at, "selectbox", "Data set").select("cohort, tumour core (TC)").run()
    field(at, "number_input", "Steps").set_value(30).run()
    press(press(at, "Check and estimate"), "Start 2 runs")
    spec = RunFolder(runs_folder() / started[0]).spec()
    assert spec.data_options == DataOptions("brats2018", None, "tc")
    assert "--layout brats2018 --region tc" in spec.command
    assert "--labels" not in spec.command


def test_a_wrong_folder_leaves_the_rest_of_the_form_as_it_was(form):
    at = form()
    field(at, "multiselect", "Losses").set_value(["dice", "ce"]).run()
    field(at, "number_input", "Steps").set_value(77).run()
    field(at, "text_input", "Folder").input("/nowhere").run()
    assert field(at, "multiselect", "Losses").value == ["dice", "ce"]
    assert field(at, "number_input", "Steps").value == 77


def test_the_form_is_as_it_was_after_another_page(form):
    at = form()
    field(at, "multiselect", "Losses").set_value(["dice"]).run()
    field(at, "text_input", "Seeds").input("4").run()
    field(at, "selectbox", "Network").select("vnet").run()
    at.switch_page("pages/overview.py").run()
    at.switch_page("pages/training.py").run()
    assert field(at, "multiselect", "Losses").value == ["dice"]
    assert field(at, "text_input", "Seeds").value == "4"
    assert field(at, "selectbox", "Network").value == "vnet"
    assert field(at, "selectbox", "Data set").value == "A folder on this machine"


def test_a_tumour_beside_an_organ_is_not_taken_for_all_of_it(app, tmp_path):
    made_trees.nnunet(tmp_path / "data")
    path = next((tmp_path / "data").rglob("dataset.json"))
    said = json.loads(path.read_text()) | {"labels": {"background": 0, "liver": 1, "vessel": 3, "tumor": 2}}
    path.write_text(json.dumps({name: value for name, value in said.items() if name != "regions_class_order"}))
    at = app("training")
    field(at, "selectbox", "Data set").select("A folder on this machine").run()
    field(at, "text_input", "Folder").input(str(tmp_path / "data")).run()
    assert not at.exception
    assert "which is the tumour is not said" in text(at)
    assert "Choose the region on the page Data" in text(at)


# A loss in the address


def test_a_designed_loss_is_chosen_beside_fl_and_trained_with_its_settings(form, proposed, started):
    at = form(loss="adaptive_focal", loss_settings=json.dumps(DESIGNED))
    chosen = at.multiselect[0]
    assert chosen.value[0] == "focal"
    name = "A-FL: as designed in Loss X-ray (gamma_scale 4, normalise true)"
    assert name in chosen.options
    assert chosen.values == ["FL: focal loss", name]
    press(press(at, "Check and estimate"), "Start 2 runs")
    focal, designed = (RunFolder(runs_folder() / name).spec().config for name in started)
    assert focal.loss_settings == {"gamma": 2.0}
    assert designed.loss_settings == {"preset": "released_code", **DESIGNED}
    assert "loss" not in at.query_params
    assert at.query_params["run"] == started  # the batch is ticked
    table = at.dataframe[0].value.set_index("run")
    assert table.loc[started[1], "loss"] == "A-FL released code gamma_scale 4 normali"
    assert name in at.multiselect[0].options  # as long as the tab is open


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"loss": "lovasz"}, "There is no loss of that name (received: lovasz)"),
        ({"loss": "adaptive_focal", "loss_settings": "{"}, "must be a short JSON object"),
        ({"loss": "adaptive_focal", "loss_settings": "[1]"}, "must be a short JSON object"),
        ({"loss": "adaptive_focal", "loss_settings": "[" * 5000}, "must be a short JSON object"),
        ({"loss": "adaptive_focal", "loss_settings": '{"alpha": [1]}'}, "must be a word, a number, true or false"),
    ],
)
def test_a_wrong_loss_in_the_address_is_said_and_left_out(app, query, said):
    at = app("training", **query)
    assert len(at.warning) == 1
    assert said in text(at)
    assert at.multiselect[0].value == ["focal", "adaptive_focal:released_code"]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ({}, {}),
        ({"loss": "dice"}, {"dice": "Dice"}),
        ({"loss": "adaptive_focal"}, {"adaptive_focal:released_code": "A-FL: released code"}),
        ({"loss": "adaptive_focal:paper_equation"}, {"adaptive_focal:paper_equation": "A-FL: paper's equation"}),
        (
            {"loss": "focal", "loss_settings": '{"gamma": 1}'},
            {'focal:{"gamma": 1}': "FL: as designed in Loss X-ray (gamma 1)"},
        ),
    ],
)
def test_the_loss_of_an_address(query, chosen):
    assert linked_loss(query) == chosen


def test_settings_that_the_loss_does_not_have_are_refused_by_the_process_that_measures(form, started):
    at = press(form(loss="adaptive_focal", loss_settings='{"gama_scale": 4}'), "Check and estimate")
    assert len(at.error) == 1
    assert (
        "There is no setting of adaptive_focal of that name (received: gama_scale). Did you mean gamma_scale?"
        in text(at)
    )
    assert "Check and estimate the time" in labels(at)
    assert "Start 2 runs" not in labels(at)


# Runs in every state


def test_the_table_tells_every_run_newest_first(app, made):
    made("older", "stopped", created=1.0)
    made("newer", "running", config=ADAPTIVE, created=2.0, message="Training")
    table = app("training").dataframe[0].value
    assert table["run"].tolist() == ["newer", "older"]
    assert table["state"].tolist() == ["step 30 of 60", "stopped"]
    assert table["loss"].tolist() == ["A-FL alpha released", "FL"]
    assert table["progress"].tolist() == [50.0, 50.0]
    assert table["time left"].tolist() == ["30 s", ""]  # 30 steps at 20 steps in 20 s
    assert table["validation Dice"].tolist() == [0.4, 0.4]


def test_a_running_run_shows_progress_time_left_log_curves_and_stop(app, made, monkeypatch):
    made("live", "running", message="Training")
    asked = []
    monkeypatch.setattr(training_runs, "stop_run", lambda run: asked.append(run.name))
    at = app("training")
    progress = at.get("progress")[0]
    assert progress.value == 50
    assert progress.text.replace("\\", "") == "Training · step 30 of 60 · 30 s left"
    assert "the last line of the log" in at.code[0].value
    assert len(at.get("plotly_chart")) == 2
    assert "Delete" not in labels(at)
    press(at, "Stop")
    assert asked == ["live"]


def test_the_factors_of_a_fl_have_a_curve_each(app, made):
    spread = {"low": 0.0, "middle": 0.1, "mean": 0.2, "high": 0.3}
    made("a", config=ADAPTIVE, rows=[report(10, 0.5, 0.2, factors={"gamma": spread, "alpha": spread})])
    assert len(app("training").get("plotly_chart")) == 4


def test_a_run_without_a_report_yet_has_no_curve_and_no_time_left(app, made):
    made("young", "running", rows=[], message="Reading the cases")
    at = app("training")
    assert at.get("progress")[0].text == "Reading the cases"
    assert not at.get("plotly_chart")


@pytest.mark.parametrize(
    ("state", "message", "said", "actions"),
    [
        ("waiting", STARTING, "its process has not reported yet", ["Stop"]),
        ("waiting", "Waiting for demo-focal-seed0", "this one starts by itself", ["Stop"]),
        ("failed", "The loss is nan at step 7 (received: Case_B)", "(received: Case_B)", ["Resume", "Delete"]),
        ("interrupted", "Training", "ended at step 30 without a word; its log is /", ["Resume", "Delete"]),
        ("stopped", "Stopped", "Stopped at step 30 of 60. Resume goes on from there", ["Resume", "Delete"]),
        ("finished", "Finished", "Best validation Dice 0.400 at step 20; 0.375 on the test cases (1)", ["Delete"]),
    ],
)
def test_every_state_says_what_happened_and_what_can_be_done(app, made, state, message, said, actions):
    made("it", state, message=message)
    at = app("training")
    assert said in text(at)
    assert f"badge[{'starting' if message == STARTING else state}]" in text(at)
    assert [label for label in labels(at) if label in ("Stop", "Resume", "Delete")] == actions


def test_resume_starts_it_again(app, made, started):
    made("it", "interrupted")
    press(app("training"), "Resume")
    assert started == ["it"]


def test_a_run_that_cannot_be_resumed_says_why(app, made, monkeypatch):
    made("it")

    def refuse(run):
        raise UsageError("The run is under way already", received=run.name)

    monkeypatch.setattr(training_runs, "start_run", refuse)
    assert "The run is under way already" in text(press(app("training"), "Resume"))


def test_delete_is_asked_twice(app, made):
    run = made("it", "finished")
    other = made("other", created=1.0)
    at = press(app("training", run="it"), "Delete")
    assert "Delete it with its weights, curves and log? This cannot be undone" in text(at)
    press(at, "Keep it")
    assert run.path.is_dir()
    assert "Delete for good" not in labels(at)
    press(press(at, "Delete"), "Delete for good")
    assert not run.path.exists()
    assert other.path.is_dir()
    assert at.query_params["run"] == "other"


def test_the_address_names_the_run_and_says_when_it_is_gone(app, made):
    made("older", created=1.0)
    made("newer", created=2.0)
    assert "## older" in text(app("training", run="older"))
    at = app("training", run="gone")
    assert "There is no run gone; this is the newest" in text(at)
    assert "## newer" in text(at)


def test_names_and_messages_from_files_are_not_formatted(app, made):
    run = made("it", "failed", message="<b>**bold**</b>")
    run.path.replace(run.path.with_name("**bold** $x$"))
    at = app("training")
    shown = "".join(str(element.value) for element in (*at.markdown, *at.error, *at.caption))
    assert r"\*\*bold\*\* \$x\$" in shown
    assert r"\<b\>" in shown


def test_a_damaged_run_is_left_out_and_the_others_stay(app, made):
    made("good")
    (made("bad").path / "run.json").write_text("{")
    at = app("training")
    assert at.dataframe[0].value["run"].tolist() == ["good"]
    assert "bad/run.json cannot be read as a training run" in text(at)
    assert "Put it back, or delete the folder" in text(at)


# What becomes of finished runs


def tick(at, *rows):
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    at.run()
    assert not at.exception
    return at


@pytest.fixture
def opened(app, monkeypatch) -> Callable[..., Results]:
    """The results folder that a press of a button opened in Compare, which shows the one test case, being measured."""
    jobs = []
    monkeypatch.setattr(from_runs, "start_job", lambda results, **job: jobs.append((results.folder.name, job)))

    def follow(at):
        name = at.query_params["results"]
        shown = app("compare", results=name)
        assert "No result yet" in text(shown)
        assert shown.dataframe[0].value["case"].tolist() == ["Case_D"]
        results = Results(paths.RESULTS / name)
        folder, job = jobs[-1]
        assert (folder, job["case_id"]) == (name, EVERY)
        assert [source.name for source in job["sources"]] == list(results.manifest().sources)
        return results

    return follow


def test_use_in_compare_publishes_the_checkpoint_with_its_card_and_opens_the_test_cases(app, made, opened):
    run = made("it", "finished")
    at = app("training")
    field(at, "text_input", "Name as a checkpoint").input("my_fl").run()
    results = opened(press(at, "Publish and open"))
    assert load_card(paths.MODELS / "my_fl").weights_sha256 == load_card(run.path / "checkpoint").weights_sha256
    assert list(results.manifest().sources) == ["FL"]
    assert results.manifest().data.cases == ("Case_D",)


def test_a_second_checkpoint_of_the_same_cases_opens_beside_the_first(app, made, opened):
    made("a", "finished", config=ADAPTIVE, created=2.0)
    made("focal", "finished", created=1.0)
    press(app("training", run="a"), "Publish and open")
    results = opened(press(app("training", run="focal"), "Publish and open"))
    assert list(results.manifest().sources) == ["FL", "A-FL"]


@pytest.mark.parametrize(
    ("name", "said"), [("../out", "needs a plain name"), ("taken", "another checkpoint of that name")]
)
def test_a_name_that_is_not_possible_publishes_nothing(app, made, make_checkpoint, name, said):
    make_checkpoint(paths.MODELS / "taken")
    before = load_card(paths.MODELS / "taken")
    made("it", "finished")
    at = app("training")
    field(at, "text_input", "Name as a checkpoint").input(name).run()
    assert said in text(press(at, "Publish and open"))
    assert load_card(paths.MODELS / "taken") == before
    assert not list(paths.RESULTS.iterdir())


def test_a_finished_pair_opens_as_a_comparison_in_one_click(app, made, opened):
    made("afl", "finished", config=ADAPTIVE, pair="p", created=2.0)
    focal = made("fl", "finished", pair="p", created=1.0)
    results = opened(press(app("training", run="afl"), "Compare FL and A-FL"))
    sources = results.manifest().sources
    assert list(sources) == ["FL", "A-FL"]
    assert sources["FL"].path == str((focal.path / "checkpoint").resolve())
    assert not (paths.MODELS / "fl").exists()


def test_a_finished_batch_tells_how_its_test_cases_are_measured_and_can_be_stopped(app, made, monkeypatch):
    """The folder of the measurement is held as its process would hold it."""
    runs = [made("afl", "finished", config=ADAPTIVE, pair="p", created=2.0, message="Finished")]
    runs.append(made("fl", "finished", pair="p", created=1.0, message="Finished"))
    made("alone", "finished", created=0.5, message="Finished")
    job = paths.RESULTS / from_runs.results_of(runs) / "jobs" / EVERY
    job.mkdir(parents=True)

    def tell(state, message):
        record = {"state": state, "message": message, "done": 3, "total": 8}
        (job / STATUS).write_text(json.dumps(record))
        return app("training", run="afl")

    stopped = []
    monkeypatch.setattr(training_runs, "stop_measuring", lambda batch: stopped.append({run.name for run in batch}))
    with processes.hold(job):
        at = tell("running", "3 of 8 cases measured")
        assert at.dataframe[0].value["state"].tolist() == ["measuring 3 of 8 cases"] * 2 + ["finished"]
        assert "Measuring the test cases: 3 of 8 cases. The checkpoint is finished." in at.get("progress")[
            0
        ].proto.text.replace("\\", "")
        assert "Delete" not in labels(at)
        press(at, "Stop")
    assert stopped == [{"afl", "fl"}]
    assert "open it in Compare to go on" in text(tell("stopped", "Stopped"))
    assert "2 of 8 cases could not be measured" in text(tell("failed", "2 of 8 cases could not be measured"))
    assert "Compare FL and A-FL" in labels(at)


def test_what_kept_the_test_cases_from_being_measured_is_said_with_the_finished_run(app, made):
    made("fl", "finished", message="Finished. Its test cases are not measured: The disk is full")
    at = app("training")
    assert "Its test cases are not measured: The disk is full" in text(at)
    assert "Open FL in Compare" in labels(at)


def test_a_pair_is_one_chart_with_fl_first_whichever_is_shown(app, made):
    made("afl", "running", config=ADAPTIVE, pair="p", created=3.0)
    made("fl", pair="p", created=2.0)
    made("dice", config=FOCAL.model_copy(update={"loss": "dice", "loss_settings": {}}), pair="p", created=1.0)
    made("other_seed", config=FOCAL.model_copy(update={"seed": 1}), pair="p")
    for run in ("fl", "afl"):
        chart = json.loads(app("training", run=run).get("plotly_chart")[1].proto.spec)
        assert [trace["name"] for trace in chart["data"] if "name" in trace] == ["FL", "Dice", "A-FL alpha released"]


def test_two_ticked_runs_open_as_a_comparison(app, made, opened):
    made("seed0", "finished", created=2.0)
    made("seed1", "finished", config=FOCAL.model_copy(update={"seed": 1}), created=1.0)
    at = tick(app("training"), 0, 1)
    assert at.query_params["run"] == ["seed1", "seed0"]  # ticked last
    results = opened(press(at, "Compare FL seed0 and FL seed1"))
    assert list(results.manifest().sources) == ["FL seed0", "FL seed1"]


def test_a_batch_in_the_address_is_ticked_and_drawn_in_one_chart(app, made):
    made("seed1", "running", config=FOCAL.model_copy(update={"seed": 1}), created=3.0, message="Training")
    made("seed0", "finished", created=2.0)
    made("other", created=1.0)
    at = app("training", run=["seed1", "seed0"])
    assert "## seed1" in text(at)
    assert "compared when all are finished. Wait for these, or untick them: seed1" in text(at)
    for chart in at.get("plotly_chart")[:2]:
        names = {trace["name"] for trace in json.loads(chart.proto.spec)["data"] if "name" in trace}
        assert names == {"FL, seed 0", "FL, seed 1"}
    assert at.query_params["run"] == ["seed1", "seed0"]


def test_ticked_runs_that_are_not_finished_are_named(app, made):
    made("live", "running", created=2.0)
    made("done", "finished", created=1.0)
    at = tick(app("training"), 0, 1)
    assert "compared when all are finished. Wait for these, or untick them: live" in text(at)


def test_runs_of_different_data_sets_or_splits_are_not_compared(app, made, cohort, tmp_path):
    done = made("done", "finished", created=2.0)
    other = made("other", "finished", created=1.0, config=ADAPTIVE)
    save_splits(other.path / SPLITS_FILE, {"train": ["Case_D"], "test": ["Case_A"]})
    at = press(tick(app("training"), 0, 1), "Compare FL and A-FL")
    assert "No case is in the test split of all these runs" in text(at)
    moved = create_run("moved", done.spec().model_copy(update={"data": tmp_path, "created": 3.0}))
    (done.path / "checkpoint").replace(moved.path / "checkpoint")
    (other.path / "checkpoint").rename(done.path / "checkpoint")
    at = press(tick(app("training"), 0, 1), "Compare FL and A-FL")
    assert "These runs were trained on different data sets" in text(at)
    spec = done.spec().model_copy(update={"data_options": DataOptions(region="tc")})
    (moved.path / "run.json").write_text(spec.model_dump_json())
    at = press(tick(app("training"), 0, 1), "Compare FL and A-FL")
    assert "These runs were trained on different regions" in text(at)
    assert not list(paths.RESULTS.iterdir())
