"""HTML: the visible text and its structure, in linear time on any page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.readers.html import page_text

PAGE = """<!DOCTYPE html><html><head><title>My &amp; page</title>
<style>p { color: red }</style><script>var hidden = "<p>no</p>";</script></head>
<body><!-- not <b>this</b> --><h1>Top   heading</h1>
<p>One <b>bold</b>, two&nbsp;x<br>line</p>
<ul><li>first</li><li><p>second</p></li></ul>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 3</td></tr></table>
<pre>def f():
    return 1</pre><div title="a > b">after</div></body></html>"""


def test_the_visible_text_keeps_its_structure() -> None:
    """Headings, items, rows and preformatted lines survive; scripts and comments do not."""
    title, text = page_text(PAGE)
    assert title == "My & page"
    assert text.split("\n\n") == [
        "# Top heading",
        "One bold, two\xa0x\nline",
        "- first",
        "- second",
        "| a | b |\n| 1 | 2 3 |",
        "def f():\n    return 1",
        "after",
    ]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("<p>x<script>never closed", "x"),
        ("<p>x<!-- never closed", "x"),
        ("<SCRIPT>a</SCRIPT><P>b", "b"),
        ("<p title='it>s'>b</p", "b"),
        ("<b>a</b><i>b</i>", "ab"),
        ("&#" + "9" * 5000 + ";x", "&#" + "9" * 5000 + ";x"),
        ("</p></p></pre>x", "x"),
        ("<h2><p>t</p></h2>", "## t"),
        ("<script/><p>x", "x"),
        ("&lt;b&gt;", "<b>"),
    ],
)
def test_broken_markup_is_read_as_far_as_it_goes(markup: str, text: str) -> None:
    """No malformed page raises, and what is text stays."""
    assert page_text(markup).text == text


@pytest.mark.parametrize(
    "unit",
    ["<!--", "<a ", "<", "<!", "<?", "</b>", "<b>", '<a ">', "<a '\">", "&#", "<script>", "<pre>"],
)
@pytest.mark.timeout(60)
def test_hostile_pages_take_linear_time(unit: str) -> None:
    """A page of one unclosed thing, and any depth of nesting, is read in moments."""
    page_text(unit * 200_000)


@given(st.text(alphabet="<>/!-&;#'\"= pbr\n", max_size=200))
def test_any_page_is_read(markup: str) -> None:
    """Nothing that looks like markup makes the reader fail."""
    page_text(markup + "<script><title><pre><table>" + markup)
