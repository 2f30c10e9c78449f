"""repertoire keygen, sign: keys, and vouching for a version with one."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.from_options import PASSWORD, open_key
from hub.cli.options import DEFAULT_HUB, HubPath, Json, ReferenceName, SigningKey
from hub.cli.output import document, show


class CurveName(StrEnum):
    """As in `signing.Curve`."""

    p256 = "p256"
    p384 = "p384"


def keygen(
    stem: Annotated[Path, typer.Argument(metavar="NAME", help="NAME.pem and NAME.pub are made.")],
    curve: Annotated[CurveName, typer.Option(help="The elliptic curve.")] = CurveName.p256,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Whoever reads NAME.pem can sign with it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a pair of keys: NAME.pem signs and stays with you, NAME.pub goes to whoever checks.

    The password is asked for, or taken from REPERTOIRE_KEY_PASSWORD.

    Example: `repertoire keygen keys/acme`
    """
    from hub.catalogue.signing import make_keys

    made = make_keys(stem, None if no_password else _new_password(), curve.value)
    if as_json:
        document({"key": made.id, "private": f"{stem}.pem", "public": f"{stem}.pub"})
        return
    show(
        f"Made {stem}.pem, which signs: keep it and its password to yourself.",
        f"Made {stem}.pub, which checks: name it in the trust file of whoever loads your adapters.",
        f"The key's id is {made.id}.",
    )


def sign(
    reference: ReferenceName,
    key: SigningKey,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Vouch for a version: sign its record, which holds its name, its number and the hash of every file.

    The files are read and compared with their hashes before. `repertoire show` tells what you are about to sign.

    Example: `repertoire sign acme/spring/recommendation@3 --key keys/acme.pem`
    """
    from hub.hub import Hub

    opened = open_key(key)
    version = Hub(hub, create=False).sign(reference, opened)
    if as_json:
        document({"reference": version.reference, "digest": version.digest, "key": opened.public.id})
        return
    record = version.record
    show(
        f"Signed {version.reference}, published {record.created} by {record.publisher}, with key {opened.public.id}."
    )


def _new_password() -> str:
    if password := os.environ.get(PASSWORD):
        return password
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"no terminal to ask for a password; set {PASSWORD}, or give --no-password")
    return str(
        typer.prompt("A password for the new key", hide_input=True, confirmation_prompt=True, err=True)
    )
