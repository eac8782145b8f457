"""Plan runs and measure their steps; `python -m afl_core.training.proposal` reads a `TrainingRequest` as JSON.

It is a process of its own, because the page that starts it must not load torch.
"""

from afl_core.base import processes
from afl_core.training.estimate import step_seconds
from afl_core.training.launcher import Proposal
from afl_core.training.plan import plan_runs
from afl_core.training.request import TrainingRequest


def propose(request: TrainingRequest) -> Proposal:
    """The runs of a request, with the seconds of a step; each loss is measured once.

    Raises:
        UsageError: If a setting, loss, network, patch or device is not possible.
    """
    runs = plan_runs(request)
    measured: dict[str, float] = {}
    for spec in runs.values():
        alike = spec.config.model_copy(update={"seed": 0})
        if repr(alike) not in measured:
            measured[repr(alike)] = step_seconds(alike)
    seconds = {name: measured[repr(spec.config.model_copy(update={"seed": 0}))] for name, spec in runs.items()}
    return Proposal(runs=runs, step_seconds=seconds)


if __name__ == "__main__":
    processes.answer(lambda text: propose(TrainingRequest.model_validate_json(text)).model_dump_json())
