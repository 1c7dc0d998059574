"""What a feature service says about its log: ``logging: {sample, by, to}``, or ``logging: true``."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from featurestore.definitions.feature_log import EVENT_TIME, log_of
from featurestore.definitions.names import LONGEST_NAME_BYTES
from featurestore.definitions.services import WAREHOUSE, FeatureLogging, LogBy
from featurestore.errors import NameClashError
from featurestore.manifest.blocks import Block, open_block
from featurestore.manifest.destinations import check_destination

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService

LOGGING_KEYS = ("sample", "by", "to")
_FORM = "write `logging: {sample: 0.1, by: entity, to: warehouse}`, or `logging: true`"
_PLACES = "write `to: warehouse`, a folder such as `to: logs/served`, or s3://, gs:// or az:// with bucket and folder"
_SHORTER = "give the feature or the use ('... as name') a shorter name, or log to files: `logging: {to: logs/served}`"


def read_logging(service: Block) -> FeatureLogging | None:
    """Read what is logged of a service; None for nothing, and where a problem was noted."""
    values = service.values.get("logging")
    if values is None or values is False:
        return None
    if values is True:
        return FeatureLogging()
    if not isinstance(values, dict):
        service.refuse("logging", "true, false or a mapping", _FORM)
        return None
    path = f"{service.path}.logging"
    block = open_block(values, file=service.file, path=path, known=LOGGING_KEYS, problems=service.problems)
    if block is None:
        return None
    words: tuple[LogBy, ...] = get_args(LogBy)
    sample, by, to = _sample(block), block.choice("by", words, default="entity"), _to(block)
    return FeatureLogging(sample=sample, by=by, to=to)


def check_log(project: Project, service: FeatureService, block: Block) -> None:
    """Note names that the columns of the service's log cannot have."""
    try:
        log = log_of(project, service)
    except NameClashError as error:
        block.problems.error(error.what, where=block.place("logging"), hint=error.hint)
        return
    if service.logging is None or service.logging.to != WAREHOUSE:
        return
    for output in log.outputs:
        size = len(f"{output.name}{EVENT_TIME}".encode())
        if size > LONGEST_NAME_BYTES:
            what = f"'{output.name}{EVENT_TIME}', a column of the log, has {size} bytes"
            block.problems.error(
                f"{what}; a name may have at most {LONGEST_NAME_BYTES}", where=block.place("logging"), hint=_SHORTER
            )


def _sample(block: Block) -> float:
    value = block.values.get("sample")
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        block.refuse("sample", "a share above 0 and at most 1", "e.g. `sample: 0.1` keeps a tenth")
        return 1.0
    return float(value)


def _to(block: Block) -> str:
    text = block.text("to", "warehouse, a folder or a URI")
    if text is None:
        return WAREHOUSE
    check_destination(block, "to", text, _PLACES)
    return text
