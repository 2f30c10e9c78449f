"""What `serve deploy` reads: the file of the docs, as Ray and `Setting` take it."""

from pathlib import Path

import pytest
import yaml

from hub.fleet import Setting

DOC = Path(__file__).parents[3] / "docs" / "how-to" / "fleet.md"


def test_the_config_file_of_the_docs_is_one() -> None:
    pytest.importorskip("ray.serve")
    from ray.serve.schema import ServeDeploySchema

    from hub import fleet

    text = DOC.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    (application,) = ServeDeploySchema.model_validate(yaml.safe_load(text)).applications
    module, _, name = str(application.import_path).partition(":")
    assert (module, getattr(fleet, name)) == ("hub.fleet", fleet.fleet)
    built = fleet.fleet(Setting(**application.args))
    told = built._bound_deployment
    assert told.name == "Front"
    assert told.init_args[0]["replicas"] == 4
    assert [each.name for each in application.deployments] == ["Replica"]
