"""Records: what is written is what is read, by releases before and after, and the schema says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hub.catalogue import records
from hub.errors import Damaged
from hub.hub import Hub
from tests.hub.tiny import NAME, lora

SCHEMA = Path(__file__).parents[3] / "docs" / "record.schema.json"


def test_the_schema_in_the_docs_is_that_of_the_records() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == records.schema(), (
        "make it again: python -m hub.catalogue.records > docs/record.schema.json"
    )


def test_the_command_prints_the_schema() -> None:
    done = subprocess.run([sys.executable, "-m", "hub.catalogue.records"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == SCHEMA.read_text(encoding="utf-8")


def test_a_record_is_canonical_and_names_no_key_that_the_schema_does_not(hub: Hub) -> None:
    data = hub.publish(lora(), NAME).record.to_bytes()
    told = json.loads(data)
    plain = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert plain.encode() == data == bytes(hub.storage.read(f"adapters/{NAME}/.records/000001.json"))
    assert told.keys() == records.schema()["properties"].keys()


def test_keys_of_a_later_release_are_passed_over_and_those_of_an_earlier_one_may_be_missing(hub: Hub) -> None:
    record = hub.publish(lora(), NAME).record
    told = json.loads(record.to_bytes())
    later = json.dumps(told | {"weather": "fair"}).encode()
    assert records.from_bytes(later, NAME, 1) == record
    required = set(records.schema()["required"])
    earlier = json.dumps({key: value for key, value in told.items() if key in required}).encode()
    assert records.from_bytes(earlier, NAME, 1).digest == record.digest


def test_a_greater_format_is_refused(hub: Hub) -> None:
    told = json.loads(hub.publish(lora(), NAME).record.to_bytes())
    with pytest.raises(Damaged, match="written by a newer Repertoire; upgrade to read it"):
        records.from_bytes(json.dumps(told | {"format": 2}).encode(), NAME, 1)


def test_records_from_before_there_were_gates_are_read(hub: Hub) -> None:
    record = hub.publish(lora(), NAME).record
    old = json.loads(record.to_bytes())
    del old["gates"], old["forced"]
    assert records.from_bytes(json.dumps(old).encode(), NAME, 1) == record
