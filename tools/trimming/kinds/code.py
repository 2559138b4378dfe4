"""Source code: functions, classes and statements, each under the line that opens it."""

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from shoestring.tools.trimming.units import LONGEST, Unit

__all__ = ["Code"]

_LOOKS_PYTHON = re.compile(
    r"^(?:(?:async )?def \w+\(.*|class \w+.*:|from [\w.]+ import \S.*|import [\w.]+)\s*$",
    re.MULTILINE,
)
_WORDS = ("def ", "class ", "import ")  # one of them is in whatever looks like Python
# Where a function or a type opens with a brace, in languages that have them. Bounded, so that
# hostile lines cost linear time.
_LOOKS_BRACED = re.compile(
    r"""^[ \t]{0,40}(?:
      (?:[a-z]{1,12}[ ]){0,5}
      (?:function|func|fn|fun|class|struct|interface|impl|enum|trait|object|namespace)\b[^\n;]{0,200}
    | (?:[\w<>:*&\[\],]{1,60}\s){1,6}[\w:~*&]{1,60}[ ]?\([^\n;]{0,200}
    | [^\n;]{0,200}(?:=>|(?<!["'\w])function\b[^\n;]{0,100})
    )\s{0,80}\{[ \t]*$""",
    re.MULTILINE | re.VERBOSE,
)
_CLOSES = re.compile(r"^[ \t]{0,80}\}[;,)]{0,3}[ \t]*$", re.MULTILINE)
_ENDS = tuple("{}()[];,:=>")  # of a line of such a language
_BEGINS = (" ", "\t", "//", "/*", "*", "#", "@", "import ", "package ", "use ", "using ")
_MOSTLY = 0.8  # of the lines begin or end so, at least
_SUFFIX = re.compile(
    r".*\.(?:pyi?|[mc]?js|[jt]sx?|c|h|cc|cpp|cxx|hpp|java|go|rs|rb|php|cs|kt|swift|scala|lua|r|pl)",
    re.IGNORECASE,
)
_LINE = re.compile(r"[^\r\n]+")
_LONGEST_PARSED = 2_000_000  # characters
_DEEPEST = 12  # blocks in blocks; what is deeper is kept by lines

Span = tuple[int, int]


class Code:
    """Source code: Python by its syntax tree, languages with braces and named ones by indentation.

    What is short is kept whole; of a long function or class the parts are units, and bring the
    lines that open it.
    """

    name = "code"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split source code; see `Kind`."""
        named = _SUFFIX.fullmatch(source) is not None
        # Words are far cheaper to look for than a line's beginning.
        if named or (
            any(word in text for word in _WORDS) and _LOOKS_PYTHON.search(text) is not None
        ):
            tree = _parsed(text)
            if tree is not None and tree.body:
                return _Python(text).units(tree)
        if not named and not _is_braced(text):
            return None
        found: list[Unit] = []
        lines = [m.span() for m in _LINE.finditer(text) if m[0].strip()]
        _add_blocks(text, lines, -1, found, 0)
        return found


def _is_braced(text: str) -> bool:
    """Say whether a text is code of a language with braces: no page or log that quotes some."""
    if "{" not in text or "}" not in text or "```" in text:
        return False
    if _LOOKS_BRACED.search(text) is None or _CLOSES.search(text) is None:
        return False
    lines = [line.rstrip() for line in text.splitlines() if not line.isspace() and line]
    signs = sum(line.endswith(_ENDS) or line.startswith(_BEGINS) for line in lines)
    return signs >= _MOSTLY * len(lines)


def _parsed(text: str) -> ast.Module | None:
    if len(text) > _LONGEST_PARSED:
        return None
    try:
        with warnings.catch_warnings():  # of strings that a later Python will refuse
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Python:
    def __init__(self, text: str) -> None:
        self._text = text
        # Rows as Python counts them; columns are in bytes of UTF-8, so whole rows are taken.
        self._rows = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", text)), len(text)]

    def units(self, tree: ast.Module) -> list[Unit]:
        found: list[Unit] = []
        self._add(tree.body, 1, len(self._rows) - 1, -1, found)
        return found

    def _add(
        self, body: Sequence[ast.stmt], first: int, last: int, header: int, found: list[Unit]
    ) -> None:
        """Add the statements in rows `first` to `last`; what stands above one goes with it."""
        for place, statement in enumerate(body):
            end = last if place + 1 == len(body) else statement.end_lineno or last
            self._add_statement(statement, first, end, header, found)
            first = end + 1

    def _add_statement(
        self, statement: ast.stmt, first: int, last: int, header: int, found: list[Unit]
    ) -> None:
        if last < first:  # a second statement on one row
            return
        start, end = self._span(first, last)
        if start >= end:
            return
        if end - start <= LONGEST:
            found.append(Unit(start, end, "block", header))
            return
        inner = getattr(statement, "body", None)
        if isinstance(inner, list) and inner and inner[0].lineno > statement.lineno:
            opened = min(
                [inner[0].lineno, *(d.lineno for d in getattr(inner[0], "decorator_list", []))]
            )
            head, head_end = self._span(first, opened - 1)
            if head_end - head <= LONGEST:
                place = len(found)
                found.append(Unit(head, head_end, "header", header))
                self._add(inner, opened, last, place, found)
                return
        found += [
            Unit(*m.span(), "line", header)
            for m in _LINE.finditer(self._text, start, end)
            if m[0].strip()
        ]

    def _span(self, first: int, last: int) -> Span:
        """Give rows without the blank ones around them."""
        start, end = self._rows[first - 1], self._rows[min(last, len(self._rows) - 1)]
        rows = self._text[start:end]
        blank = rows[: len(rows) - len(rows.lstrip())].rfind("\n") + 1
        return start + blank, start + len(rows.rstrip())


def _add_blocks(
    text: str, lines: Sequence[Span], header: int, found: list[Unit], depth: int
) -> None:
    """Add blocks of lines: one that is too long gives its opening line, then the blocks inside."""
    for block in _blocks(text, lines):
        start, end = block[0][0], block[-1][1]
        if end - start <= LONGEST:
            found.append(Unit(start, start + len(text[start:end].rstrip()), "block", header))
        elif depth == _DEEPEST or len(block) == 1 or block[0][1] - start > LONGEST:
            found += [Unit(*span, "line", header) for span in block]
        else:
            found.append(Unit(*block[0], "header", header))
            _add_blocks(text, block[1:], len(found) - 1, found, depth + 1)


def _blocks(text: str, lines: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield runs of lines that begin with a word at the least indentation of such lines."""
    depth = [_indentation(text, span) for span in lines]
    begins = [text[start + d].isalnum() for (start, _), d in zip(lines, depth, strict=True)]
    least = min((d for d, word in zip(depth, begins, strict=True) if word), default=0)
    block: list[Span] = []
    for span, d, word in zip(lines, depth, begins, strict=True):
        if block and word and d == least:
            yield block
            block = []
        block.append(span)
    if block:
        yield block


def _indentation(text: str, span: Span) -> int:
    line = text[span[0] : span[1]]
    return len(line) - len(line.lstrip())
