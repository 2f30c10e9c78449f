"""What each package shows to the world. A change here changes the public interface: put it in the changelog."""

import importlib
import pkgutil

import pytest

EXPORTS: dict[str, set[str]] = {
    "adapters": {
        "Adapter",
        "AdapterError",
        "BadAdapter",
        "Base",
        "BaseError",
        "BaseId",
        "BaseNotFound",
        "Busy",
        "Cancelled",
        "DeadlineExceeded",
        "Head",
        "Limits",
        "Lora",
        "NotEnoughMemory",
        "Prefix",
        "RepertoireError",
        "RequestError",
        "UnsupportedArchitecture",
        "UnsupportedQuantization",
        "WrongBase",
        "load_base",
        "read",
        "write",
    },
    "adapters.base": {
        "Base",
        "free_memory",
        "hand_back_threads",
        "load_base",
        "load_shape",
        "plain_weight",
        "quantization_fault",
    },
    "adapters.format": {
        "Adapter",
        "BaseId",
        "Bytes",
        "CARD",
        "CONFIG",
        "Head",
        "Lora",
        "Pooling",
        "Prefix",
        "PrefixShape",
        "Quantization",
        "STARTER",
        "Shape",
        "WEIGHTS",
        "adapter_problems",
        "canonical",
        "check_base",
        "check_fit",
        "head_names",
        "is_public_id",
        "parse",
        "peft_loading",
        "pools_as_transformers",
        "read",
        "render",
        "stock_loading",
        "write",
    },
    "adapters.kernels": {"Dropout", "InputGroup", "LoraRows", "Scratch", "Segment", "Weights", "add"},
    "adapters.serving": {
        "Completion",
        "Counters",
        "Fetched",
        "Limits",
        "Request",
        "Resident",
        "Runtime",
        "Sampling",
        "Ticket",
        "Writing",
        "write",
    },
    "adapters.slots": {
        "Hidden",
        "LORA",
        "Layout",
        "PaddedBatch",
        "RowSlots",
        "Slots",
        "Term",
        "Trained",
        "VALUES",
        "forward",
        "join",
        "pack",
        "pad",
        "pooled",
        "triplets",
    },
    "adapters.starter": {"best_auc", "client_data", "same_ads"},
    "hub": {
        "Analysis",
        "Analyze",
        "BadKey",
        "BadName",
        "BadSearch",
        "BadTrust",
        "Damaged",
        "Filters",
        "Found",
        "Hub",
        "HubError",
        "Moved",
        "NoHub",
        "NotInHub",
        "Pending",
        "PrivateKey",
        "Ranked",
        "Recommend",
        "Refused",
        "RefusedText",
        "Registry",
        "Texts",
        "Trust",
        "Unreachable",
        "Untrusted",
        "Version",
        "Write",
        "export",
        "load_trust",
        "make_keys",
        "pull",
        "push",
        "sync",
    },
    "hub.catalogue": {
        "Change",
        "Difference",
        "Distance",
        "Distances",
        "Entry",
        "Event",
        "FORMAT",
        "Filters",
        "Found",
        "PrivateKey",
        "PublicKey",
        "Record",
        "Signature",
        "Tombstone",
        "Trust",
        "Version",
        "load_trust",
        "make_keys",
        "read_public_key",
    },
    "hub.cli": {"app", "main"},
    "hub.exchange": {
        "Conflict",
        "Exported",
        "Transfer",
        "export",
        "pull",
        "push",
        "sync",
        "upload",
    },
    "hub.intake": {
        "Download",
        "Uploaded",
        "fetch",
    },
    "hub.keeping": {
        "Collected",
        "Finding",
        "Purged",
        "Repaired",
        "Verified",
        "Waiting",
    },
    "hub.storage": {
        "INDEX",
        "Reference",
        "Storage",
        "Store",
        "alias_log",
        "check_name",
        "log",
        "numbered",
        "open_storage",
        "parse",
    },
    "recipes": {"Order", "Recipe", "Settings", "Tuned", "train", "train_many", "tune"},
    "recipes.judge": {
        "OURS",
        "PAGE",
        "AdapterInfo",
        "Gates",
        "Metrics",
        "Report",
        "Subject",
        "best_baseline",
        "bullets",
        "certainty_lines",
        "folder_of",
        "gate_lines",
        "labels_table",
        "model_card",
        "number",
        "rank_line",
        "results_table",
        "section",
        "shown",
        "subject",
        "verdicts_of",
    },
}


@pytest.mark.parametrize("package", EXPORTS)
def test_package_exports_exactly_its_public_names(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) == EXPORTS[package]
    assert len(module.__all__) == len(EXPORTS[package]), "a name stands twice in __all__"
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("package", EXPORTS)
def test_names_that_load_on_first_use_are_listed_and_no_module_takes_their_place(package: str) -> None:
    module = importlib.import_module(package)
    assert EXPORTS[package] <= set(dir(module))
    assert not EXPORTS[package] & {found.name for found in pkgutil.iter_modules(module.__path__)}
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


def test_every_error_of_a_package_stands_on_its_face() -> None:
    """Errors are where the functions are that raise them: `from adapters import WrongBase`."""
    for package in ("adapters",):
        face, errors = importlib.import_module(package), importlib.import_module(f"{package}.errors")
        own = {
            name
            for name, value in vars(errors).items()
            if isinstance(value, type)
            and issubclass(value, Exception)
            and value.__module__ == errors.__name__
        }
        assert own <= set(face.__all__), package
