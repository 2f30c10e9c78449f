"""repertoire serve: a hub's adapters behind HTTP."""

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.from_options import need_ray
from hub.cli.keys import KeysFile, open_keys
from hub.cli.options import (
    DEFAULT_BASE,
    DEFAULT_HUB,
    BaseToTrain,
    HubPath,
    Json,
    Quantization,
    QuantizationToTrain,
    TrustFile,
)
from hub.cli.output import document, say


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
    as_json: Json = False,
) -> None:
    """Answer by HTTP as OpenAI's, Cohere's and vLLM's servers do, an adapter's reference as the model.

    Without keys it listens on this machine only. SIGTERM or Ctrl-C: new requests are refused, running ones end.

    With --refresh a process of its own trains campaigns again, in the folder `refresh` beside the file: answers do not
    wait for it, and it ends with the server.

    Example: `repertoire serve --hub campaigns --base starter --port 8000`
    """
    opened = open_keys(hub, keys)
    local = _is_loopback(host)
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

    if ray is not None:
        if adapter_calls:
            raise typer.BadParameter("replicas bring adapters in by themselves", param_hint="--adapter-calls")
        if refresh is not None:
            raise typer.BadParameter(
                "a fleet trains nothing; run repertoire refresh beside it", param_hint="--refresh"
            )
        _serve_by_replicas(
            ray,
            host,
            port,
            told,
            hub=hub if "://" in hub else os.path.abspath(hub),
            base=os.path.abspath(base) if os.path.isdir(base) else base,
            quantization=held,
            keys=str(opened.path),
            trust=None if trust is None else os.path.abspath(trust),
            local=local and not insecure,
            replicas=replicas,
            slots=slots,
            rows=rows,
            body=body,
            seconds=seconds,
            drain=drain,
        )
        return
    from adapters import Limits, load_base
    from hub.feedback import load_campaigns
    from hub.feedback import seconds as seconds_of
    from hub.hub import Hub
    from hub.registry.registry import Registry
    from hub.server.app import create_app
    from hub.server.bounds import Bounds
    from hub.server.refresher import Plan, Refresher
    from hub.server.running import listen, run

    found = Hub(hub, create=False, trust=trust)
    refresher = None
    if refresh is not None:
        load_campaigns(refresh)
        out, often = refresh.resolve().parent / "refresh", seconds_of(every)
        refresher = Refresher(
            Plan(hub, base, quantization.value, refresh, out, often, None if trust is None else str(trust))
        )
    listening = listen(host, port)
    registry = Registry(found, load_base(base, held), limits=Limits(slots=slots, rows=rows))
    app = create_app(
        registry,
        opened,
        Bounds(body=body, seconds=seconds),
        local=local and not insecure,
        adapter_calls=adapter_calls,
        refresher=refresher,
    )
    number = listening.getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}"
    told(url, registry.base.id)
    run(app, listening, drain)


def _serve_by_replicas(
    address: str, host: str, port: int, told: Callable[[str], None], **setting: Any
) -> None:
    need_ray()
    from hub.fleet.setting import Setting
    from hub.fleet.starting import run_fleet

    run_fleet(Setting(**setting), address, host, port, told)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
