"""Templates and files of the page: HTML in which everything put in is escaped, and what a browser loads beside it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from adapters.unseen import visible
from recipes.judge import number, plain, style_sheet

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """A file of the page. kind: its media type; mark: of its content, in its address, so that it is kept for ever."""

    data: bytes
    kind: str
    mark: str


@cache
def assets() -> Mapping[str, Asset]:
    """Name -> file. `base.css` is what the report of a training has, too."""
    folder = files("hub.server.pages") / "static"
    found = {"base.css": style_sheet().encode()}
    found |= {
        name: (folder / name).read_bytes() for name in ("page.css", "page.js", "htmx.min.js", "icon.svg")
    }
    return {
        name: Asset(data, _KINDS[name.rpartition(".")[2]], hashlib.sha256(data).hexdigest()[:12])
        for name, data in found.items()
    }


def asset_url(name: str) -> str:
    """Where a browser finds a file of the page."""
    return f"/page/static/{name}?{assets()[name].mark}"


@cache
def template(name: str) -> Template:
    """A template of the page."""
    environment = Environment(
        loader=PackageLoader("hub.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {"plain": plain, "day": _day, "moment": _moment, "size": _size}
    environment.globals |= {"number": number}
    return environment.get_template(name)


def _visible(value: Any) -> Any:
    """What is put in, with nothing that turns a line round or is not seen; pieces of a template itself stay."""
    return visible(value) if type(value) is str else value


def _day(when: str) -> str:
    return when[:10]


def _moment(when: str) -> str:
    return when[:16].replace("T", " ")


def _size(count: int) -> str:
    """Bytes, as people read them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
