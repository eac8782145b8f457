"""Masks of many cases: the bytes of one case after another, in order, while reading, network and writing overlap."""

import signal
import threading
import time

import pytest

from afl_core.base.workers import worker_pool
from afl_core.data.layouts import load_cohort
from afl_core.errors import AflError
from afl_core.evaluation import prediction_stream
from afl_core.evaluation.prediction_stream import predict_cases, predict_mask
from afl_core.evaluation.sources import parse_sources


@pytest.fixture
def source(tmp_path, make_checkpoint):
    (source,) = parse_sources([f"net={make_checkpoint(tmp_path / 'net')}"])
    return source


@pytest.mark.parametrize("workers", [1, 2])
def test_the_bytes_and_the_order_are_those_of_one_case_after_another(cohort, source, tmp_path, workers):
    cases = load_cohort(cohort).cases
    for case in cases:
        predict_mask(case, source, tmp_path / "one" / f"{case.case_id}.nii.gz")
    with worker_pool(tasks=len(cases), workers=workers) as executor:
        done = list(predict_cases(cases, source, tmp_path / "stream", executor=executor, in_a_row=2))
    assert sorted(case.case_id for case, _ in done) == [case.case_id for case in cases]
    assert [case for case, _ in done] == list(cases) or workers > 1
    assert all(error is None for _, error in done)
    for case in cases:
        name = f"{case.case_id}.nii.gz"
        assert (tmp_path / "stream" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_an_error_of_each_kind_stays_its_cases(cohort, source, tmp_path, monkeypatch):
    cases = unreadable, unpredictable, unwritable, _ = load_cohort(cohort).cases
    unreadable.sequences["flair"].write_bytes(b"no image")
    predict = type(source).predict

    def fail(self, case, images, reference):
        if case is unpredictable:
            raise ValueError("no network")
        return predict(self, case, images, reference)

    monkeypatch.setattr(type(source), "predict", fail)
    (tmp_path / "out" / f"{unwritable.case_id}.nii.gz").mkdir(parents=True)
    errors = [error for _, error in predict_cases(cases, source, tmp_path / "out")]
    assert "cannot be read as an image" in str(errors[0])
    assert "An unexpected error while predicting" in str(errors[1])
    assert "A file could not be read or written" in str(errors[2])
    assert all(isinstance(error, AflError) for error in errors[:3])
    assert errors[3] is None


def test_reading_network_and_writing_overlap(cohort, source, tmp_path, monkeypatch):
    """Three stages of 0.1 s each: four cases take 1.2 s one after the other, and 0.6 s where the stages overlap."""
    threads = dict[str, set[int]]()

    def stage(name, result):
        def work(*_):
            threads.setdefault(name, set()).add(threading.get_ident())
            time.sleep(0.1)
            return result

        return work

    for name in ("_read", "_predict", "_write"):
        monkeypatch.setattr(prediction_stream, name, stage(name, None))
    start = time.monotonic()
    assert len(list(predict_cases(load_cohort(cohort).cases, source, tmp_path))) == 4
    assert 0.6 <= time.monotonic() - start < 1.1
    assert len(set().union(*threads.values())) == 3
    assert threads["_predict"] == {threading.get_ident()}  # PyTorch's number of threads is set for this one


def test_ctrl_c_waits_for_no_reading(cohort, tmp_path, monkeypatch):
    read = threading.Event()
    monkeypatch.setattr(prediction_stream, "_read", lambda *_: read.wait(20))
    main = threading.main_thread().ident
    threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(predict_cases(load_cohort(cohort).cases, None, tmp_path))
    assert time.monotonic() - start < 10
    read.set()
