"""Text from files as Markdown shows it: every character, and nothing made of them."""

import html

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from afl_core.ui.shared.errors import plain

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


@given(st.text("ab1é _-*`<>[]()#+!|~$:.{}\\\\&/", min_size=1).map(lambda text: " ".join(text.split())).filter(bool))
def test_markdown_shows_the_text_itself(text):
    shown = MARKDOWN.render(plain(text)).strip()
    assert html.unescape(shown.removeprefix("<p>").removesuffix("</p>")) == text
