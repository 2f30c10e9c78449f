"""Files that are called tables and hold something else that reads as text: told as such, once, with the way out.

<!DOCTYPE html>…                          the page that asked to sign in, saved as report.csv
version https://git-lfs.github.com/…      what Git has in the place of a large file
"""

from pathlib import Path

from recipes.data.packed import read, unpacked
from recipes.errors import Problem

_EXPORT = "Export the data as CSV, and name that file"
_PAGE = (
    "a web page",
    "If a browser shows your rows in it, open it in Excel and save it as CSV; else it is an answer such as a page to "
    "sign in: download the data again",
)
_KNOWN = {
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
    b"<head>": _PAGE,
    b"<table": _PAGE,
    b"<?xml": ("XML", "Open it in Excel and save it as CSV, or export the data as CSV"),
    b"version https://git-lfs": ("what Git LFS has in its place", "Get the file itself: git lfs pull"),
    b"{\\rtf": ("a document (RTF)", _EXPORT),
    b"sqlite format 3\0": ("a database (SQLite)", _EXPORT),
}


def documented(path: Path) -> Problem | None:
    """What a file is that begins as no table does; None for any other. Raises OSError."""
    with unpacked(path) as file:
        head = read(file, 256).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = next((told for begins, told in _KNOWN.items() if head.startswith(begins)), None)
    return None if found is None else Problem(str(path), f"the file is {found[0]}, and no table", found[1])
