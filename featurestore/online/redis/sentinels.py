"""Ask Redis Sentinels where a master is; one that is behind the others, or does not answer, is asked last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.online.redis.inquiry import Inquiry
from featurestore.online.redis.replies import LinkError, NotConnectedError
from featurestore.online.redis.resp import Answer, pack
from featurestore.online.redis.uri import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.online.redis.uri import RedisAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A master, and the Sentinel that named it."""

    master: Endpoint
    sentinel: Endpoint


def sentinels(address: RedisAddress) -> Inquiry[Named]:
    """Return the question where the master of a store is."""

    def read(answer: Answer, asked: Endpoint) -> Named:
        if not isinstance(answer, list):
            raise LinkError(f"knows no master '{address.master}'")
        host, port = (each.decode() for each in answer if isinstance(each, bytes))
        return Named(master=Endpoint(host=host, port=int(port)), sentinel=asked)

    def otherwise(problems: Mapping[Endpoint, Exception]) -> Named:
        said = "; ".join(f"{sentinel.name}: {problem}" for sentinel, problem in problems.items())
        raise NotConnectedError(f"no Sentinel names the master: {said}")

    return Inquiry(
        address.tls,
        address.sentinel_login,
        pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master),
        read=read,
        otherwise=otherwise,
    )
