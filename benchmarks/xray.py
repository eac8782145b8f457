"""How fast the Loss X-ray page follows a slider in a real Chromium, on 200 cases; see README.md."""

import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page
from viewer import SHAPE, run, write

from afl_core.data.layouts import references_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources

CASES, MOVES = 200, 12
# From the key to the sentence that says the new setting's focus, and to the end of the rerun.
MOVE = """async (key) => {
    const app = document.querySelector("[data-testid=stApp]");
    const said = () => [...document.querySelectorAll("li")].map((l) => l.textContent).find((t) => /^yours: /.test(t));
    const before = said(), start = performance.now();
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, code: key, bubbles: true }));
    const until = async (done) => {
        while (!done()) await new Promise(requestAnimationFrame);
        return performance.now() - start;
    };
    const sentence = await until(() => said() !== before);
    return [sentence, await until(() => app.dataset.testScriptState === "notRunning")];
}"""


def make_home(home: Path) -> None:
    """References of one to three balls each, and one folder of predictions, as the page expects them."""
    draw = np.random.default_rng(9)
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    for k in range(CASES):
        mask = np.zeros(SHAPE, bool)
        for _ in range(draw.integers(1, 4)):
            centre, radius = draw.uniform(0.3, 0.7, 3) * SHAPE, 2 + 28 * draw.random() ** 2
            mask |= sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)) < radius**2
        for folder in ("references", "masks"):
            write(home / "data" / folder / f"case_{k:03d}.nii.gz", mask)
    results = Results(home / "data" / "results" / "bench")
    cohort = references_cohort(home / "data" / "references")
    sources = parse_sources([f"MODEL={home / 'data' / 'masks'}"])
    results.describe_cohort(cohort, sources)
    evaluate_into(results, list(cohort.cases)[:1], sources)


def measure(page: Page, url: str, _: int) -> Iterator[tuple[str, float]]:
    """Every line of the table, as soon as it is known."""
    page.goto(f"{url}/loss_xray?results=bench", timeout=120_000)
    page.get_by_text("All quantities", exact=True).wait_for(timeout=300_000)
    page.wait_for_timeout(3000)
    for name in ("Scale of gamma", "Offset of gamma"):
        page.get_by_role("slider", name=name).focus()
        times = []
        for k in range(MOVES + 2):
            times.append(page.evaluate(MOVE, "ArrowLeft" if k % 4 < 2 else "ArrowRight"))
            page.wait_for_timeout(700)
        for what, index in (("sentence", 0), ("all", 1)):
            taken = [time[index] for time in times[2:]]  # the first two warm it
            yield f"{name}, {what}, median (ms)", statistics.median(taken)
            yield f"{name}, {what}, largest (ms)", max(taken)


def main(arguments: list[str] | None = None) -> None:
    run(make_home, measure, description=__doc__, digits=0, arguments=arguments)


if __name__ == "__main__":
    main()
