"""What a server writes to its log: a JSON object a line, and nothing around it.

Where something failed, the line holds the kind of error and where it was raised. Never its message: that may hold a
text.
"""

import json
import logging
import traceback

from hub.server.observed import requests_log

_FRAMES = 20


class JsonLine(logging.Formatter):
    """A record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES:]
            at = [f"{each.filename}:{each.lineno} {each.name}" for each in frames]
            return json.dumps({**line, "error": record.exc_info[0].__name__, "at": at})
        return json.dumps(line)


def log_lines() -> None:
    """Write a line for each request, and for whatever this process warns of."""
    requests = logging.StreamHandler()
    requests.setFormatter(logging.Formatter("%(message)s"))
    requests_log.addHandler(requests)
    requests_log.setLevel(logging.INFO)
    requests_log.propagate = False
    others = logging.StreamHandler()
    others.setFormatter(JsonLine())
    logging.getLogger().addHandler(others)
    logging.captureWarnings(True)
    # It tells of each scanner, and repeats with their messages the errors that `failing` has told.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
