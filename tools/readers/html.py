"""HTML: the visible text, with headings, lists and tables as Markdown-like lines.

A scanner of its own: `html.parser`, and with it BeautifulSoup, takes quadratic time on hostile
pages (800 kB of `<!--` took 200 seconds). This one visits each character a fixed number of times,
builds no tree and does not recurse, so neither size nor depth of nesting matters.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Page", "page_text"]

_TAG = re.compile(r"<(?:(/?)([a-zA-Z][^\s/>]{0,30})|(!--)|[!?/])")
_TAG_END = re.compile(r"[>\"']")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LONG_ENTITY = re.compile(r"&(?=#[xX]?[0-9a-fA-F]{9})")
_BREAKS = re.compile(r"\n{3,}")

# Their content is no markup that shows: it ends at the same end tag only.
_RAW = re.compile(
    "script|style|template|noscript|iframe|noembed|noframes|object|svg|math|audio|video|canvas"
    "|datalist"
)
_VERBATIM = re.compile("textarea|title|xmp")
_PARAGRAPHS = re.compile("p|h[1-6]|table|pre|blockquote|[uod]l|hr|section|article")
_BLOCKS = re.compile(
    f"{_PARAGRAPHS.pattern}|address|aside|body|caption|center|dd|details|dialog|dir|div|dt"
    "|fieldset|figcaption|figure|footer|form|header|hgroup|html|legend|li|main|menu|nav|option"
    "|search|select|summary|tbody|tfoot|thead|tr"
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}


class Page(NamedTuple):
    """The title of a page ("" if it has none) and its visible text."""

    title: str
    text: str


class _Tag(NamedTuple):
    name: str
    closing: bool


def page_text(markup: str) -> Page:
    r"""Extract what a reader of the page sees.

    Headings become `# ` lines, list items `- ` lines, table rows `| a | b |` lines, and the text of
    `pre` keeps its line breaks; scripts, styles, templates, drawings and comments are dropped.
    Time and memory are linear in the markup.

    >>> page_text("<title>T</title><h2>Go</h2><p>a &amp;<script>x</script> b<ul><li>c</ul>").text
    '## Go\n\na & b\n\n- c'
    """
    writer = _Writer()
    for part in _parts(markup):
        if isinstance(part, str):
            writer.write(_unescape(part))
        else:
            writer.tag(part)
    return Page(_SPACES.sub(" ", "".join(writer.title)).strip(), writer.text())


def _parts(markup: str) -> Iterator[str | _Tag]:
    """Yield texts and tags in order; an unclosed comment or raw element runs to the end."""
    at = 0
    lowered = ""  # made once, only where a raw element needs its end tag
    unclosed: set[str] = set()  # quotes that do not occur any more
    while (found := _TAG.search(markup, at)) is not None:
        if found.start() > at:
            yield markup[at : found.start()]
        if found[3]:
            end = markup.find("-->", found.end())
            at = len(markup) if end < 0 else end + 3
            continue
        at = _end_of_tag(markup, found.end(), unclosed)
        if found[2] is None:
            continue
        tag = _Tag(found[2].lower(), closing=bool(found[1]))
        yield tag
        raw, verbatim = _RAW.fullmatch(tag.name), _VERBATIM.fullmatch(tag.name)
        if not tag.closing and (raw or verbatim):
            if markup[at - 2 : at] == "/>" and raw:
                continue
            lowered = lowered or _lower(markup)
            end = lowered.find("</" + tag.name, at)
            end = len(markup) if end < 0 else end
            if verbatim:
                yield markup[at:end]
            at = end
    if at < len(markup):
        yield markup[at:]


def _end_of_tag(markup: str, at: int, unclosed: set[str]) -> int:
    while (found := _TAG_END.search(markup, at)) is not None:
        at = found.end()
        if found[0] == ">":
            return at
        if found[0] not in unclosed:
            end = markup.find(found[0], at)
            if end < 0:
                unclosed.add(found[0])
            else:
                at = end + 1
    return len(markup)


def _lower(markup: str) -> str:
    # str.lower may change the length; only ASCII letters matter here.
    return markup.translate({upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)})


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    # html.unescape makes an int of any digits, and Python refuses thousands of them.
    return html.unescape(_LONG_ENTITY.sub("&amp;", text))


class _Writer:
    """Collects lines; whitespace is folded as a browser does, except inside `pre`."""

    def __init__(self) -> None:
        self.title: list[str] = []
        self._out: list[str] = []
        self._line: list[str] = []
        self._prefix = ""
        self._preformatted = 0
        self._in_title = False
        self._cells = 0

    def write(self, text: str) -> None:
        if self._in_title:
            self.title.append(text)
        elif self._preformatted:
            self._line.append(text)
        else:
            self._line.append(_SPACES.sub(" ", text))

    def tag(self, tag: _Tag) -> None:
        name, closing = tag
        if name == "title":
            self._in_title = not closing
        elif name == "br":
            self._line.append("\n")
        elif name in {"td", "th"}:
            if not closing:
                self._line.append(" | " if self._cells else "")
                self._cells += 1
        elif _BLOCKS.fullmatch(name):
            self._break(paragraph=_PARAGRAPHS.fullmatch(name) is not None)
            if name == "pre":
                self._preformatted = max(0, self._preformatted + (-1 if closing else 1))
            elif not closing:
                self._prefix = _HEADINGS.get(name, "- " if name == "li" else self._prefix)

    def _break(self, *, paragraph: bool) -> None:
        line = "".join(self._line)
        if self._preformatted:
            line = line.strip("\r\n").rstrip()
        else:
            line = "\n".join(_SPACES.sub(" ", piece).strip() for piece in line.split("\n")).strip()
        if line and self._cells:
            line = f"| {line} |"
        if line:
            # A heading or an item is one line, or what follows the break would leave it.
            if self._prefix:
                line = self._prefix + line.replace("\n", " ")
            self._out.append(line + "\n")
        if line or paragraph:
            self._prefix = self._prefix if not line else ""
        if paragraph:
            self._out.append("\n")
        self._line.clear()
        self._cells = 0

    def text(self) -> str:
        self._break(paragraph=False)
        return _BREAKS.sub("\n\n", "".join(self._out)).strip("\n")
