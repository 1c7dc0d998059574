"""What an object store's refusal means, in our words; never its own: answers and URLs may hold signatures."""

from __future__ import annotations

import re

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""The environment variables of each kind of bucket, by scheme."""

NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>|\(code: (\w{1,60})\)")  # the second of S3's deletion of several
_STATUS = re.compile(r"status code: (\d{3})")
# Where a machine asks for credentials of its own, when there are none in the environment.
_NO_CREDENTIALS = re.compile(r"/latest/(?:api/token|meta-data)|/computeMetadata/|/metadata/identity|Account must be")
_SKEWED = "RequestTimeTooSkewed"
_DENIED = "AccessDenied"
_NO_ANSWER = ("HTTP error", "error sending request")


def code_of(error: Exception) -> str | None:
    """The code of a refusal, such as ``NoSuchKey``; None where none was given."""
    code = _CODE.search(str(error))
    return None if code is None else code[1] or code[2]


def has_answered(error: Exception) -> bool:
    """Whether the store has answered at all, and not with a fault of its own: then what was asked was not done."""
    status = _STATUS.search(str(error))
    return status is not None and status[1].startswith("4")


def explained(error: Exception, *, scheme: str, bucket: str) -> tuple[str, str]:
    """Say what an error of `obstore` means.

    Args:
        error: the error; what it says is not repeated beyond its code.
        scheme: ``s3``, ``gs`` or ``az``.
        bucket: the bucket's name.

    Returns:
        What is wrong, and what to do.
    """
    text = str(error)
    code, status = code_of(error), _STATUS.search(text)
    said = code if code is not None else f"HTTP {status[1]}" if status is not None else None
    set_up = f"set {CREDENTIALS[scheme]} in the environment"
    if _NO_CREDENTIALS.search(text):
        return "there are no credentials", set_up
    if said is None:
        if any(each in text for each in _NO_ANSWER):
            return "the store cannot be reached", "is the endpoint right, and the network there?"
        return "the store cannot be used", set_up
    if said in NO_BUCKET:
        return f"no bucket '{bucket}' ({said})", "make it first, or check its name, region and endpoint"
    return _of_status(said, "" if status is None else status[1], set_up)


def _of_status(said: str, status: str, set_up: str) -> tuple[str, str]:
    if said == _SKEWED:
        return f"this machine's clock is wrong ({said})", "set the clock: the store refuses requests of another time"
    if said == _DENIED:
        return f"the store refuses this to these credentials ({said})", f"give them the right to do it, or {set_up}"
    if status in {"401", "403"}:
        return f"the store refuses these credentials ({said})", set_up
    return f"the store answered {said}", "try again; check the bucket's name, region and endpoint"
