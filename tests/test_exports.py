"""What each package shows to the world, and that every room keeps its face in order.

A change of EXPORTS changes the public interface: put it in the changelog.
"""

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
        "InternalError",
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
    "recipes": {
        "DataError",
        "Order",
        "Problem",
        "Recipe",
        "RecipeError",
        "Settings",
        "TrainingError",
        "Tuned",
        "train",
        "train_many",
        "tune",
    },
    "hub": {
        "Analysis",
        "Analyze",
        "BadFeedback",
        "BadKey",
        "BadName",
        "BadSearch",
        "BadTrust",
        "Choosing",
        "Damaged",
        "Declared",
        "Embed",
        "Embedding",
        "Feedback",
        "FeedbackError",
        "Filters",
        "Found",
        "Hub",
        "HubError",
        "Logged",
        "Loop",
        "Moved",
        "NoHub",
        "NotInHub",
        "Offer",
        "Outcome",
        "Pending",
        "PlacedAd",
        "Placer",
        "PrivateKey",
        "Ranked",
        "Recommend",
        "Refused",
        "RefusedText",
        "Registry",
        "Taken",
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
    "hub.cli": {
        "app",
        "main",
    },
}
PACKAGES = ("adapters", "recipes", "hub")
ROOMS = [
    f"{package}.{found.name}"
    for package in PACKAGES
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__)
    if found.ispkg
]


@pytest.mark.parametrize("package", EXPORTS)
def test_package_exports_exactly_its_public_names(package: str) -> None:
    assert set(importlib.import_module(package).__all__) == EXPORTS[package]


@pytest.mark.parametrize("package", [*PACKAGES, *ROOMS])
def test_names_that_load_on_first_use_are_there_and_no_module_takes_their_place(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names)), "a name stands twice in __all__"
    assert [name for name in names if not hasattr(module, name)] == []
    assert set(names) <= set(dir(module))
    assert not set(names) & {found.name for found in pkgutil.iter_modules(module.__path__)}
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_of_a_package_stands_on_its_face(package: str) -> None:
    """Errors are where the functions are that raise them: `from hub import NotInHub`."""
    face, errors = importlib.import_module(package), importlib.import_module(f"{package}.errors")
    own = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert own <= set(face.__all__)
