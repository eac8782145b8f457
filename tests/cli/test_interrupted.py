"""Ctrl-C on the command line while a pool of processes works."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from waiting import wait_until

from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[2]


COMMAND = """
import sys, time
from afl_core.cli.main import main
from afl_core.evaluation import pipeline

evaluate_case = pipeline.evaluate_case

def slow(case, *arguments, **options):
    time.sleep(600 * (case.case_id == "Case_D"))
    return evaluate_case(case, *arguments, **options)

pipeline.evaluate_case = slow
if __name__ == "__main__":
    main()
"""


def test_ctrl_c_on_the_command_line_keeps_what_is_finished_and_says_so(cohort, masks, tmp_path):
    """The same command again goes on where it stopped."""
    (tmp_path / "command.py").write_text(COMMAND)
    command = [sys.executable, str(tmp_path / "command.py"), "evaluate", "--data", str(cohort)]
    command += ["--source", f"A={masks}", "--out", str(tmp_path / "out"), "--workers", "2"]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until((tmp_path / "out" / "masks" / "A" / "Case_C.nii.gz").is_file)
    time.sleep(2)  # its row is on the way to the parent
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "What is done is kept: give the command again to go on" in " ".join(said.split())
    assert set(Results(tmp_path / "out").cases()["case_id"]) >= {"Case_C"}
    assert [p.name for p in (tmp_path / "out").rglob(".*.nii.gz")] == []
