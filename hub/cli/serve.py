"""repertoire serve: a hub's adapters behind HTTP."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.shell_words import in_shell
from hub.cli.from_options import need_ray, who_trains
from hub.cli.keys import KeysFile, open_keys
from hub.cli.options import (
    DEFAULT_BASE,
    DEFAULT_HUB,
    BaseToTrain,
    FileWorkers,
    HubPath,
    Json,
    Quantization,
    QuantizationToTrain,
    TrustFile,
)
from hub.cli.output import document, say
from hub.server.hosts import is_loopback
from hub.storage.address import open_storage

if TYPE_CHECKING:
    from hub.fleet.setting import Setting
    from hub.server.refresher import Refresher


def serve(
    hub: HubPath = DEFAULT_HUB,
    base: BaseToTrain = DEFAULT_BASE,
    quantization: QuantizationToTrain = Quantization.nf4,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8000,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds that running requests have after SIGTERM.")
    ] = 30.0,
    slots: Annotated[int, typer.Option(min=1, help="Adapters on the device.")] = 16,
    rows: Annotated[int, typer.Option(min=1, help="Texts that are written at the same time.")] = 32,
    body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 4 * 2**20,
    seconds: Annotated[float, typer.Option(min=0.001, help="Until a request must be answered.")] = 300.0,
    adapter_calls: Annotated[
        bool,
        typer.Option("--adapter-calls", help="Take /v1/load_lora_adapter and /v1/unload_lora_adapter."),
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine although there is no key.")
    ] = False,
    refresh: Annotated[
        Path | None,
        typer.Option(help="Campaigns to be trained again on what users do; as of `repertoire refresh`."),
    ] = None,
    every: Annotated[str, typer.Option(help="How often they are: 1d, 12h, 30m.")] = "1d",
    keys: KeysFile = None,
    trust: TrustFile = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Serve by replicas on a Ray cluster: auto is this machine's, local one of its own, else an address."
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="How many, with --ray.")] = 2,
    haproxy: Annotated[
        bool,
        typer.Option(
            "--haproxy",
            help="With --ray, HAProxy in the place of Ray's own proxies: less work a request.",
        ),
    ] = False,
    workers: FileWorkers = None,
    write_config: Annotated[
        Path | None,
        typer.Option(
            help="Write what `serve deploy` takes to this new file, as of --ray, and serve nothing."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer by HTTP as OpenAI's, Cohere's and vLLM's servers do, an adapter's reference as the model.

    Without keys it listens on this machine only. SIGTERM or Ctrl-C: new requests are refused, running ones end.

    With --refresh a process of its own trains campaigns again, in the folder `refresh` beside the file: answers do not
    wait for it, and it ends with the server. With --ray too, workers on the cluster train.

    Example: `repertoire serve --hub campaigns --base starter --port 8000`
    """
    opened = open_keys(hub, keys)
    local = is_loopback(host)
    if not local and not opened.any() and not insecure:
        raise typer.BadParameter(
            f"without a key whoever reaches {host} could ask every adapter; make one (repertoire keys new CLIENT "
            f"--hub {hub}), or say --insecure",
            param_hint="--host",
        )
    held: Any = quantization.value

    def told(url: str, name: str = base) -> None:
        if as_json:
            document({"url": url, "hub": hub, "base": name, "keys": opened.any()})
        else:
            asked = "a key is needed" if opened.any() else "no key is needed"
            say(
                f"Repertoire answers at {url}/v1, and shows its adapters at {url}/ ({asked}); Ctrl-C ends it."
            )

    refresher = None
    if workers is not None and refresh is None:
        raise typer.BadParameter("they train; say what: --refresh FILE", param_hint="--workers")
    if refresh is not None:
        refresher = _refresher(hub, base, quantization, refresh, every, trust, workers)
    if haproxy and ray is None and write_config is None:
        raise typer.BadParameter("it stands before a fleet; say --ray ADDRESS too", param_hint="--haproxy")
    if ray is not None or write_config is not None:
        if adapter_calls:
            raise typer.BadParameter("replicas bring adapters in by themselves", param_hint="--adapter-calls")
        if refresh is not None and write_config is not None:
            raise typer.BadParameter(
                "a deployed fleet trains nothing; run repertoire refresh --ray auto beside it",
                param_hint="--refresh",
            )
        from hub.fleet.setting import Setting

        # What is no address of a hub, or holds credentials, is told here and not by a replica.
        open_storage(hub)
        fleet = Setting(
            hub=hub if "://" in hub else os.path.abspath(hub),
            base=os.path.abspath(base) if os.path.isdir(base) else base,
            quantization=held,
            keys=os.path.abspath(opened.path),
            trust=None if trust is None else os.path.abspath(trust),
            local=local and not insecure,
            replicas=replicas,
            slots=slots,
            rows=rows,
            body=body,
            seconds=seconds,
            drain=drain,
        )
        if write_config is None:
            need_ray()
            from hub.fleet.starting import run_fleet

            run_fleet(fleet, str(ray), host, port, told, refresher, haproxy)
        else:
            _write_config(write_config, fleet, host, port, haproxy, as_json)
        return
    from adapters import Limits, load_base
    from hub.hub import Hub
    from hub.registry.registry import Registry
    from hub.server.app import create_app
    from hub.server.bounds import Bounds
    from hub.server.running import listen, run

    found = Hub(hub, create=False, trust=trust)
    beside = None if refresher is None else refresher(None)
    listening = listen(host, port)
    registry = Registry(found, load_base(base, held), limits=Limits(slots=slots, rows=rows))
    app = create_app(
        registry,
        opened,
        Bounds(body=body, seconds=seconds),
        local=local and not insecure,
        adapter_calls=adapter_calls,
        refresher=beside,
    )
    number = listening.getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}"
    told(url, registry.base.id)
    run(app, listening, drain)


def _refresher(
    hub: str,
    base: str,
    quantization: Quantization,
    file: Path,
    every: str,
    trust: Path | None,
    workers: int | None,
) -> "Callable[[str | None], Refresher]":
    """What makes a refresher, given the address of a cluster that trains; what is wrong with its file is told now."""
    from hub.feedback.campaigns import load_campaign_file, seconds
    from hub.server.refresher import Plan, Refresher

    campaigns, often = load_campaign_file(file), seconds(every)
    out, trusted = file.resolve().parent / "refresh", None if trust is None else str(trust)

    def made(address: str | None) -> Refresher:
        train_many = who_trains(campaigns, address, workers, None, base, quantization)
        return Refresher(Plan(hub, base, quantization.value, file, out, often, trusted, train_many))

    return made


def _write_config(file: Path, fleet: "Setting", host: str, port: int, haproxy: bool, as_json: bool) -> None:
    from hub.fleet.deploy_file import deploy_file

    if port == 0:
        raise typer.BadParameter("give the one that every machine listens at", param_hint="--port")
    text = deploy_file(fleet, host, port, haproxy)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise typer.BadParameter(
            f"{file} is there already; name a new file", param_hint="--write-config"
        ) from None
    if as_json:
        document({"file": str(file), "config": text})
    else:
        say(f"The fleet is in {file}. Next, where the cluster's head runs: serve deploy {in_shell(file)}")
