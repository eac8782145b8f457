"""The process of a run that somebody started, `python -m afl_core.evaluation.training_process FOLDER`.

It trains; the last one of a batch then starts to measure the test cases, so that Compare opens on results.
"""

import logging
from dataclasses import replace

from afl_core.base.isolation import explained
from afl_core.training.process import main
from afl_core.training.runs import RunFolder


def measure(run: RunFolder) -> None:
    """Start to measure the batch of a run; what goes wrong is said with the run, whose checkpoint stays as it is."""
    try:
        from afl_core.evaluation.from_runs import measure_batch  # noqa: PLC0415 - many may wait, and need no pandas

        if name := measure_batch(run):
            logging.info("The test cases are being measured into the results %s", name)
    except Exception as error:  # noqa: BLE001 - the page shows why, and the log the rest
        reason = explained(error, of="measuring the test cases", folder=run.path)
        status = run.status()
        run.write_status(replace(status, message=f"{status.message}. Its test cases are not measured: {reason}"))


if __name__ == "__main__":
    main(measure)
