"""What options name, opened: a recipe, the shape of a base, a private key, a registry; and pairs and lines as texts."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hub.cli.options import Quantization

if TYPE_CHECKING:
    from adapters.format import Shape
    from hub.catalogue.signing import PrivateKey
    from hub.feedback.campaigns import CampaignFile
    from hub.fleet import OnRay
    from hub.intake import Declared
    from hub.registry.registry import Registry
    from recipes import Recipe
    from recipes.options import FormatOptions
    from recipes.runs import TrainMany

PASSWORD = "REPERTOIRE_KEY_PASSWORD"


def chosen_recipe(
    recipe: str,
    column: Sequence[str] | None,
    label: Sequence[str] | None,
    changes: Sequence[str] | None,
    written: str | None = None,
    columns: str | None = None,
) -> "Recipe":
    """A recipe as the command line wants it.

    Args:
        recipe: a preset or a YAML file.
        column: of `--column`, such as `clicked=bought`.
        label: of `--label`, such as `1=yes`.
        changes: of `--set`, such as `train.epochs=5`.
        written: of `--format`, such as `ga4`.
        columns: of `--columns`, such as `text,label`.

    Raises:
        RecipeError: there is no such recipe, or a value does not fit.
    """
    from recipes import Recipe
    from recipes.options import parse_override

    roles = {f"data.columns.{role}": name for role, name in pairs(column, "--column")}
    values = {f"data.labels.{value}": _meaning(meaning) for meaning, value in pairs(label, "--label")}
    read = {f"data.format.{key}": value for key, value in _format(written, columns).items()}
    return Recipe.load(
        recipe, **roles, **values, **read, **dict(parse_override(text) for text in changes or ())
    )


def written(name: str | None, columns: str | None, changes: Sequence[str] | None = None) -> "FormatOptions":
    """How a file is written, as far as the command line says.

    Args:
        name: of `--format`.
        columns: of `--columns`.
        changes: of `--set`, each of `data.format`.

    Raises:
        RecipeError: there is no such format or key, or two columns of one name.
        typer.BadParameter: something else is to be set.
    """
    from recipes.options import parse_override, read_format

    given = _format(name, columns)
    for text in changes or ():
        key, value = parse_override(text)
        section, _, own = key.rpartition(".")
        if section == "data" and own == "format" and isinstance(value, str):
            given["name"] = value
        elif section == "data.format":
            given[own] = value
        else:
            raise typer.BadParameter(
                f"{key} is the adapter's own, as it was trained; of a file, say how it is written: "
                "data.format.encoding=gb18030",
                param_hint="--set",
            )
    return read_format(given)


def _format(name: str | None, columns: str | None) -> dict[str, Any]:
    given: dict[str, Any] = {} if name is None else {"name": name}
    return given if columns is None else given | {"columns": [each.strip() for each in columns.split(",")]}


def base_to_fit(base: str | None, id: str | None = None) -> "Shape | None":
    """What an adapter is checked against before it is published.

    Args:
        base: of `--base`; None checks against nothing.
        id: of `--base-id`.

    Raises:
        BaseNotFound: there is no such base.
        typer.BadParameter: an id without a base.
    """
    if base is None:
        if id is not None:
            raise typer.BadParameter("it names the base of --base; give that too", param_hint="--base-id")
        return None
    from adapters.base import load_shape

    return load_shape(base, id=id)


def declared(
    task: str | None, roles: str | None, click: int, is_alias: bool, base_id: str | None = None
) -> "Declared":
    """What is said of an adapter that does not say it itself.

    Args:
        task: of `--task`.
        roles: of `--roles`, with commas between them.
        click: of `--click`.
        is_alias: of `--base-id-is-alias`.
        base_id: of `--base-id`.
    """
    from hub.intake import Declared

    named = tuple(role.strip() for role in (roles or "").split(",") if role.strip())
    return Declared(task, named, click, is_alias, base_id)


def open_key(path: Path) -> "PrivateKey":
    """A private key, with the password from the environment or the terminal where it needs one.

    Raises:
        BadKey: it is none, or the password does not open it.
    """
    from hub.catalogue.signing import PrivateKey, needs_password

    password = os.environ.get(PASSWORD)
    if not password and needs_password(path) and sys.stdin.isatty():
        password = typer.prompt(f"Password of {path}", hide_input=True, err=True)
    return PrivateKey(path, password)


def open_registry(
    hub: str, reference: str, base: str | None, quantization: Quantization | None, trust: Path | None = None
) -> "Registry":
    """A registry on the base that the (first) adapter was made for, unless another was named.

    Args:
        hub: address of the hub.
        reference: one, or several with `+` between them.
        base: of `--base`; None is the adapter's own.
        quantization: None is the adapter's own.
        trust: of `--trust`.

    Raises:
        NotInHub: there is no such adapter; or its base was a folder, and nobody says where that is.
        Untrusted: the trust file wants a signature that the adapter does not have.
        BaseNotFound: there is no such base.
    """
    from hub.errors import NotInHub
    from hub.hub import Hub
    from hub.storage.names import members

    opened = Hub(hub, create=False, trust=trust)
    version = opened.resolve(members(reference)[0])
    # Before a base is loaded on its word.
    opened.check_signed(version)
    record = version.record
    held: Any = quantization.value if quantization else record.quantization or "nf4"

    from adapters import load_base
    from adapters.base import known_folder
    from hub.registry.registry import Registry

    if base is not None:
        return Registry(opened, load_base(base, held), follow=False)
    if record.base.id.startswith("local/") and known_folder(record.base.id) is None:
        raise NotInHub(
            f"{record.reference} was made for the base in a folder {record.base.id.removeprefix('local/')!r}, "
            f"which is not in the hub; say where it is with --base FOLDER, or {record.base.id}: FOLDER in the file "
            "that REPERTOIRE_BASES names"
        )
    revision = None if record.base.id == "starter" else record.base.revision
    return Registry(opened, load_base(record.base.id, held, revision), follow=False)


def ray_workers(
    address: str | None, workers: int, cpus: int, base: str, quantization: Quantization
) -> "OnRay | None":
    """Who trains, where that is not this process.

    Args:
        address: of `--ray`; None trains here.
        workers: of `--workers`.
        cpus: of `--cpus`, for each.
        base: that each loads.
        quantization: how.

    Raises:
        typer.BadParameter: Ray is not installed.
    """
    if address is None:
        return None
    need_ray()
    from hub.fleet import OnRay

    return OnRay(address, base, quantization.value, workers, cpus)


def who_trains(
    file: "CampaignFile",
    address: str | None,
    workers: int | None,
    cpus: int | None,
    base: str,
    quantization: Quantization,
) -> "TrainMany | None":
    """Who trains campaigns: as the command line says, else as their file does; None is this machine.

    Args:
        file: of the campaigns.
        address: of `--ray`; None where it was not given.
        workers: of `--workers`; the same.
        cpus: of `--cpus`; the same.
        base: that each worker loads.
        quantization: how.

    Raises:
        typer.BadParameter: Ray is not installed.
    """
    on_ray = ray_workers(address or file.ray, workers or file.workers, cpus or file.cpus, base, quantization)
    if on_ray is None:
        return None
    from hub.fleet import train_on_ray

    return partial(train_on_ray, on_ray)


def need_ray() -> None:
    """Raises typer.BadParameter where Ray is not installed."""
    if find_spec("ray") is None:
        raise typer.BadParameter(
            "Ray is not installed: pip install 'adapter-repertoire[ray]'", param_hint="--ray"
        )


def pairs(texts: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    """`["name=Trail shoes", "price=95"]` -> pairs in that order; what stands behind the first `=` is the value.

    Args:
        texts: as typed; None where the option was not given.
        option: how the option is called, for the message.

    Raises:
        typer.BadParameter: one has no `=`, or nothing before it.
    """
    split = [text.partition("=") for text in texts or ()]
    wrong = [key + sign + value for key, sign, value in split if not sign or not key.strip()]
    if wrong:
        raise typer.BadParameter(f"{', '.join(map(repr, wrong))}: write {option} key=value")
    return [(key.strip(), value) for key, _, value in split]


def lines(file: Path | None) -> list[str]:
    """The lines of a text file that are not empty, without the space around them.

    Args:
        file: of `--file`; `-` is standard input, None is no file.
    """
    if file is None:
        return []
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _meaning(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
