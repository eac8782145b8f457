"""Draw docs/study/score.svg, Dice beside the paper's score of every loss: `python docs/study_figure.py`."""

from html import escape
from pathlib import Path

import pandas as pd

from afl_core.study.tables import OWN_RATE

FOLDER = Path(__file__).parent / "study"
PICTURE = "score.svg"
WIDTH, LEFT, RIGHT, TOP, ROW = 760, 170, 40, 64, 26
DICE, SCORE, INK, RULE = "#0072b2", "#d55e00", "#222222", "#dddddd"


def scores() -> pd.DataFrame:
    """Mean Dice and mean score of each loss at its own learning rate, by argmax, the highest Dice first."""
    cases = pd.read_csv(FOLDER / "cases.csv").query("rule == 'argmax'")
    names = cases["source"].str.rsplit(" seed", n=1).str[0]
    arms, is_own = names.str.removesuffix(OWN_RATE), names.str.endswith(OWN_RATE)
    own = cases.assign(arm=arms)[is_own | ~arms.isin(arms[is_own])]  # the common rate is the own one of the others
    return own.groupby("arm")[["dsc", "released_dsc"]].mean().sort_values("dsc", ascending=False)


def draw(table: pd.DataFrame) -> str:
    """The picture as SVG: a row a loss, Dice a filled mark, the score an open one, a line between."""
    low, high = table.to_numpy().min() // 0.1 / 10, 1.0
    bottom = TOP + ROW * len(table)

    def at(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK) -> str:
        return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'

    def mark(x: float, y: float, *, of_score: bool) -> str:
        look = f'fill="#ffffff" stroke="{SCORE}" stroke-width="2.5"' if of_score else f'fill="{DICE}"'
        return f'<circle cx="{x}" cy="{y}" r="6" {look}/>'

    legend = ((LEFT, "Dice of the masks", DICE, False), (LEFT + 180, "the paper's score", SCORE, True))
    marks = [mark(x, 19, of_score=score) + text(x + 12, 24, words, colour=c) for x, words, c, score in legend]
    for tenth in range(round(10 * low), 11):
        x = at(tenth / 10)
        marks.append(f'<path d="M{x} {TOP - 14}V{bottom}" stroke="{RULE}"/>')
        marks.append(text(x, TOP - 20, f"{tenth / 10:.1f}", anchor="middle"))
    for k, (arm, row) in enumerate(table.iterrows()):
        y, dice, score = TOP + ROW * k + 4, at(row["dsc"]), at(row["released_dsc"])
        marks.append(text(LEFT - 12, y + 5, str(arm), anchor="end"))
        marks.append(f'<path d="M{dice} {y}H{score}" stroke="{SCORE}" stroke-width="2"/>')
        marks += [mark(dice, y, of_score=False), mark(score, y, of_score=True)]
    body = "\n".join(marks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 8}" font-family="sans-serif" '
        f'font-size="14" role="img" aria-label="Dice and the paper\'s score of each loss">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    (FOLDER / PICTURE).write_text(draw(scores()), encoding="utf-8")
