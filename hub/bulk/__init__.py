"""Answers for whole files: a file of rows in, the same rows with their answers out."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.bulk.answering import FileAnswered, answer_file, check_out
    from hub.bulk.asking import Asking, first_reference
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.bulk.answering": ["FileAnswered", "answer_file", "check_out"],
            "hub.bulk.asking": ["Asking", "first_reference"],
        },
    )

__all__ = ["Asking", "FileAnswered", "answer_file", "check_out", "first_reference"]
