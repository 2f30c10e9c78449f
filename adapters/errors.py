"""Everything that can go wrong, as one tree; each message says what to do next.

RepertoireError
├── BaseError                   the base cannot be loaded or used
│   ├── BaseNotFound            no such id or folder, or it cannot be reached
│   ├── NotEnoughMemory         it needs more than this device has free
│   ├── UnsupportedQuantization this device cannot run that quantization
│   └── UnsupportedArchitecture the model is of a kind that adapters cannot be attached to
├── AdapterError                an adapter cannot be read or used
│   ├── BadAdapter              files, names, shapes or values are wrong
│   └── WrongBase               it was made for another base
├── RequestError                a request cannot be answered by the adapter that it names
│   ├── Busy                    too many requests of this client wait already
│   ├── Cancelled               the request was cancelled before it was answered
│   └── DeadlineExceeded        the request was not answered in its time
├── InternalError               a mistake of Repertoire's own; the log has its traceback
├── recipes.RecipeError         a recipe is wrong
├── recipes.DataError           the data is wrong; lists every problem and where it is
└── hub.HubError                a name, a version or a publication is wrong
"""

import re
from typing import Any

# What stands between :// and @ of an address, also where a path lost a slash. `http://host:80/a@b` has none there.
_CREDENTIALS = re.compile(r"(\b[A-Za-z][\w+.-]+:/{1,2})(?:[^\s/@:]*:(?!\d+/)[^\s@]*|[^\s/@]+)@")
_SIGNED = re.compile(
    r"([?&][\w.-]*(?:token|secret|password|signature|credential|api_?key|\bsig)[\w.-]*=)[^&\s'\"]+",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """The text with `***` for what addresses in it say between `://` and `@`: names, passwords, tokens; and for what
    their queries say of tokens and signatures."""
    return _SIGNED.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text)) if ":/" in text else text


def cause(error: BaseException) -> BaseException | None:
    """An error as the cause of one of ours, for its traceback; None where its own words hold credentials."""
    told = f"{error} {error!r}"
    return error if without_credentials(told) == told else None


class RepertoireError(Exception):
    """Root of every error that Repertoire raises on purpose. Its message holds no credentials of an address."""

    def __init__(self, *told: Any) -> None:
        super().__init__(*(without_credentials(each) if isinstance(each, str) else each for each in told))


class InternalError(RepertoireError):
    """A mistake of Repertoire's own, which its log tells with a traceback. Only what ran beside it is lost."""


class BaseError(RepertoireError):
    """The base cannot be loaded or used."""


class BaseNotFound(BaseError):
    """No model under this id or path, or it cannot be reached from here."""


class NotEnoughMemory(BaseError):
    """The base needs more memory than the device has free."""


class UnsupportedQuantization(BaseError):
    """This device cannot run the quantization that was asked for."""


class UnsupportedArchitecture(BaseError):
    """The model is of a kind that adapters cannot be attached to."""


class AdapterError(RepertoireError):
    """An adapter cannot be read or used."""


class BadAdapter(AdapterError):
    """An adapter's files, tensor names, shapes or values are wrong."""


class WrongBase(AdapterError):
    """An adapter was made for another base than the one that is loaded."""


class RequestError(RepertoireError):
    """A request cannot be answered by the adapter that it names."""


class Busy(RequestError):
    """Too many requests of this client wait already; nothing of the refused one was begun."""


class Cancelled(RequestError):
    """The request was cancelled, or its runtime closed, before it was answered."""


class DeadlineExceeded(RequestError):
    """The request was not answered before its deadline."""
