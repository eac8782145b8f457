"""What a process that was asked says when it cannot answer."""

import os
import subprocess
import sys
from functools import partial

import pytest

from afl_core.base.processes import last_words

ANSWERS = """
from afl_core.base.processes import answer
from afl_core.errors import UsageError

def reply(text):
    if text == "wrong":
        raise UsageError("It is wrong", received=text, todo="Write it right")
    return text.upper()

answer(reply)
"""


def test_an_answer_is_written_out_and_a_refusal_is_told_apart():
    run = partial(subprocess.run, capture_output=True, text=True, check=False, timeout=60)
    right = run([sys.executable, "-c", ANSWERS], input="right")
    assert (right.returncode, right.stdout, right.stderr) == (0, "RIGHT", "")
    wrong = run([sys.executable, "-c", ANSWERS], input="wrong")
    assert (wrong.returncode, wrong.stdout) == (os.EX_USAGE, "")
    assert last_words(wrong) == "It is wrong (received: wrong). Write it right."


@pytest.mark.parametrize(
    ("status", "told", "words"),
    [(1, "Traceback\nValueError: x\n", "ValueError: x"), (-9, "", "ended by signal 9"), (3, " \n", "exit status 3")],
)
def test_the_last_words_are_the_last_line_or_how_it_ended(status, told, words):
    assert last_words(subprocess.CompletedProcess([], status, "", told)) == words
