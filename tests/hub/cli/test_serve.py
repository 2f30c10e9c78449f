"""repertoire serve, as far as it serves nothing: the file that it writes for `serve deploy`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.fleet import Setting
from hub.server import Keys
from tests.hub.conftest import Run


def written(run: Run, *options: object) -> dict[str, Any]:
    """What stands in the file of a command, which is taken away."""
    code, _, error = run("serve", "--write-config", "fleet.yaml", *options)
    assert code == 0, error
    text = Path("fleet.yaml").read_text("utf-8")
    Path("fleet.yaml").unlink()
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_file_says_what_the_options_say_and_ray_takes_it(run: Run) -> None:
    pytest.importorskip("ray.serve")
    from ray.serve.schema import ServeDeploySchema

    from hub import fleet

    _, secret = Keys(Path("hub.keys").absolute()).new("acme")
    options = ["--hub", "hub", "--host", "0.0.0.0", "--port", 8080, "--replicas", 3, "--slots", 7]
    found = written(run, *options, "--quantization", "none", "--drain", 5, "--ray", "auto")
    assert secret not in json.dumps(found)
    config = ServeDeploySchema.model_validate(found)
    assert (config.http_options.host, config.http_options.port) == ("0.0.0.0", 8080)
    (application,) = config.applications
    module, _, name = str(application.import_path).partition(":")
    assert (module, getattr(fleet, name)) == ("hub.fleet", fleet.fleet)
    setting = Setting(**application.args)
    here = Path.cwd()
    assert setting == Setting(
        hub=str(here / "hub"), keys=str(here / "hub.keys"), quantization="none", local=False, slots=7, drain=5
    )
    fleet.fleet(setting)
    assert [(each.name, each.num_replicas) for each in application.deployments] == [("Replica", 3)]


def test_haproxy_is_what_serve_is_told_where_it_starts(run: Run) -> None:
    pytest.importorskip("ray.serve")
    from ray.serve.schema import ServeDeploySchema

    plain, found = written(run), written(run, "--haproxy", "--seconds", 60)
    options = ServeDeploySchema.model_validate(found).controller_options
    assert options is not None and options.runtime_env is not None
    assert options.runtime_env["env_vars"]["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert int(options.runtime_env["env_vars"]["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"]) > 60
    assert "controller_options" not in plain
    code, _, error = run("serve", "--haproxy")
    assert code == 2 and "--ray ADDRESS" in " ".join(error.split())


def test_another_number_of_replicas_changes_nothing_that_replaces_them(run: Run) -> None:
    two, three = (written(run, "--replicas", count)["applications"][0] for count in (2, 3))
    assert two.pop("deployments") != three.pop("deployments")
    assert two == three


def test_relative_paths_are_whole_where_another_process_reads_them(run: Run) -> None:
    Path("base").mkdir()
    found = written(run, "--base", "base", "--keys", "own.keys", "--trust", "trust.yaml")
    args = found["applications"][0]["args"]
    assert all(Path(args[name]).is_absolute() for name in ("hub", "base", "keys", "trust"))
    found = written(run, "--hub", "s3://agency/hub", "--keys", "own.keys")
    assert found["applications"][0]["args"]["hub"] == "s3://agency/hub"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "0"], "every machine"),
        (["--adapter-calls"], "by themselves"),
        (["--hub", "s3://ID:hidden@agency/hub", "--keys", "k"], "without credentials"),
        (["--host", "0.0.0.0"], "make one"),
        (["--workers", "2"], "--refresh FILE"),
    ],
)
def test_what_no_fleet_can_be_is_told_and_nothing_is_written(run: Run, options: list[str], told: str) -> None:
    code, _, error = run("serve", "--write-config", "fleet.yaml", *options)
    assert code in (2, 4) and told in " ".join(error.split())
    assert "hidden" not in error
    assert not Path("fleet.yaml").exists()


def test_a_file_that_is_there_stays_as_it_is(run: Run) -> None:
    Path("fleet.yaml").write_text("mine\n")
    code, _, error = run("serve", "--write-config", "fleet.yaml")
    assert code == 2 and "name a new file" in error
    assert Path("fleet.yaml").read_text() == "mine\n"


def test_programs_get_the_file_and_its_text(run: Run) -> None:
    code, out, _ = run("serve", "--write-config", "fleet.yaml", "--json")
    told = json.loads(out)
    assert code == 0
    assert told == {"file": "fleet.yaml", "config": Path("fleet.yaml").read_text("utf-8")}


def test_a_fleet_that_is_deployed_trains_nothing_and_says_what_does(run: Run) -> None:
    Path("campaigns.yaml").write_text("campaigns: [{name: acme/spring/recommendation}]\n")
    code, _, error = run("serve", "--write-config", "fleet.yaml", "--refresh", "campaigns.yaml")
    assert code == 2 and "repertoire refresh --ray auto" in " ".join(error.split())


def test_campaigns_are_trained_again_on_the_cluster_of_the_fleet(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line says where; how many, it or else the file."""
    pytest.importorskip("ray.serve")
    from hub.fleet import starting

    made: list[Any] = []
    monkeypatch.setattr(
        starting, "run_fleet", lambda *given: made.append(given[5] and given[5]("10.0.0.7:6379"))
    )
    Path("campaigns.yaml").write_text("ray: auto\nworkers: 3\ncampaigns: [{name: acme/spring/behavior}]\n")
    line = ["serve", "--ray", "local", "--refresh", "campaigns.yaml", "--every", "12h"]
    assert run("serve", "--ray", "local")[0] == 0
    assert run(*line)[0] == 0
    assert run(*line, "--workers", 5)[0] == 0
    none, third, fifth = made
    assert none is None
    for refresher, workers in ((third, 3), (fifth, 5)):
        plan = refresher._plan
        assert (plan.every, plan.out) == (43200.0, Path.cwd() / "refresh")
        (on_ray,) = plan.train_many.args
        assert (on_ray.address, on_ray.workers) == ("10.0.0.7:6379", workers)
    Path("campaigns.yaml").write_text("campaigns: []\n")
    assert run(*line)[0] == 2
