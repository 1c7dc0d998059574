"""The log of the server's processes: one JSON object per line on standard error, without secrets."""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone

import msgspec

from featurestore.errors import without_secrets

LOGGERS = {
    "featurestore.server": logging.INFO,
    "featurestore.registry": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line."""
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "pid": record.process, "message": without_secrets(text)}
        return msgspec.json.encode(line).decode()


def set_up_logs() -> None:
    """Send the server's own words, and warnings of what it uses, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    for name, level in LOGGERS.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
