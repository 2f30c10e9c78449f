"""What a fleet is: which hub on which base, how many replicas, and how much each of them takes on."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from adapters.format import Quantization
from hub.server.keys import Keys, keys_file


class Setting(BaseModel):
    """What `serve deploy` reads below `args`, and `repertoire serve --ray` makes of its options.

    Attributes:
        hub: a folder or an address that every machine of the cluster reaches.
        base: that each replica loads.
        quantization: how it is loaded.
        keys: the file of the clients' keys, where the replicas and the ingress reach it; None for that beside the hub.
        trust: whom to trust, a file as of `Hub`.
        local: whether without keys only this machine's own names are answered.
        replicas: how many, where a config file's `deployments` do not say it.
        slots: adapters on the device of each.
        rows: texts that each writes at the same time.
        body: bytes of a request.
        seconds: until a request must be answered.
        drain: seconds that running requests have when a replica is taken away.
        cpus: that each replica asks of its machine.
        gpus: the same.
    """

    model_config = ConfigDict(extra="forbid")

    hub: str
    base: str = "starter"
    quantization: Quantization = "nf4"
    keys: str | None = None
    trust: str | None = None
    local: bool = True
    replicas: int = Field(default=2, ge=1)
    slots: int = Field(default=16, ge=1)
    rows: int = Field(default=32, ge=1)
    body: int = Field(default=4 * 2**20, ge=1)
    seconds: float = Field(default=300.0, gt=0)
    drain: float = Field(default=30.0, ge=0)
    cpus: float = Field(default=1.0, ge=0)
    gpus: float = Field(default=0.0, ge=0)


def keys_of(setting: Setting) -> Keys:
    """The keys of a fleet's clients. Raises BadKey for a hub that is no folder, where their file is not named."""
    return Keys(Path(setting.keys) if setting.keys else keys_file(setting.hub))
