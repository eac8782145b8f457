"""What a server does once it answers."""

import gc

from afl_core.ui import startup


def test_what_was_imported_is_not_searched_for_garbage_after_every_run_of_a_page(monkeypatch, tmp_path):
    monkeypatch.setenv("AFL_RESULTS", str(tmp_path))
    monkeypatch.setattr(startup, "REST", ())
    kept = [{"a": [k]} for k in range(1000)]
    before = gc.get_freeze_count()
    startup._add_rest()
    assert gc.get_freeze_count() >= before + len(kept)
