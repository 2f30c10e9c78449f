"""The fenced code blocks of the pages that people read, and the comments above them that tests obey.

    <!-- not run: needs an account at a cloud -->      the block is looked at and not run
    <!-- in tests: rows=2000 -> rows=60; 20 -> 2 -->    the tests run it with these texts replaced

A comment counts for the block right below it. A title in the fence's first line names the file that the block holds:
it lies in the page's folder before the next block runs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?P<rest>.*)$")
_TITLE = re.compile(r'title="([^"]+)"')
_COMMENT = re.compile(r"^ *<!-- (?P<kind>not run|in tests): ?(?P<told>.*?) *-->$")


@dataclass(frozen=True)
class Block:
    """One block. line: of its fence, 1 is the page's first; not_run: the reason, None where it runs; in_tests: what
    tests replace in it."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str
    not_run: str | None = None
    in_tests: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """Where it stands: `docs/tutorial.md:12`."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def tested(self) -> str:
        """The text as tests run it. Raises ValueError where there is nothing to replace."""
        text = self.text
        for long, short in self.in_tests:
            if long not in text:
                raise ValueError(f"{self.place}: {long!r} is not in the block below")
            text = text.replace(long, short)
        return text


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, from top to bottom. Raises ValueError where a fence or a comment is left open."""
    return [*_blocks(page, page.read_text(encoding="utf-8").splitlines())]


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    comments: dict[str, str] = {}
    place = 0
    while place < len(lines):
        line = lines[place]
        if comment := _COMMENT.match(line):
            comments[comment["kind"]] = comment["told"]
        elif fence := _FENCE.match(line):
            close = next((i for i in range(place + 1, len(lines)) if lines[i].strip() == "```"), None)
            if close is None:
                raise ValueError(f"{page}:{place + 1}: the block is never closed")
            title = _TITLE.search(fence["rest"])
            text = dedent("\n".join(lines[place + 1 : close])) + "\n"
            yield Block(
                page,
                place + 1,
                fence["language"],
                title[1] if title else None,
                text,
                comments.get("not run"),
                _pairs(comments.get("in tests", "")),
            )
            comments, place = {}, close
        elif line.strip() and comments:
            raise ValueError(f"{page}:{place + 1}: a comment for tests must stand right above its block")
        place += 1


def _pairs(told: str) -> tuple[tuple[str, str], ...]:
    split = [each.partition(" -> ") for each in told.split("; ") if each]
    return tuple((long, short) for long, _, short in split)
