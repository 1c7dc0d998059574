"""Make the table, where the URI allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from featurestore.errors import OnlineStoreError
from featurestore.online.dynamodb.client import code_of

if TYPE_CHECKING:
    from featurestore.online.dynamodb.address import DynamoAddress
    from featurestore.online.dynamodb.client import Client

_SCHEMA = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "B"} for name in ("p", "s")],
    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
}
_BY_HAND = (
    "add create=true to the URI, or run: aws dynamodb create-table --table-name {table} --billing-mode PAY_PER_REQUEST"
    " --attribute-definitions AttributeName=p,AttributeType=B AttributeName=s,AttributeType=B"
    " --key-schema AttributeName=p,KeyType=HASH AttributeName=s,KeyType=RANGE"
)


def create_table(client: Client, address: DynamoAddress) -> None:
    """Make the table, paid per request, and let DynamoDB remove what has expired; waits until it can be used.

    Raises:
        OnlineStoreError: the URI does not say that it may be made.
    """
    if not address.creates:
        raise OnlineStoreError(
            f"the online store {address.place} does not exist", hint=_BY_HAND.format(table=address.table)
        )
    try:
        client.create_table(TableName=address.table, **_SCHEMA)
    except ClientError as problem:
        if code_of(problem) != "ResourceInUseException":  # another one makes it
            raise
    client.get_waiter("table_exists").wait(TableName=address.table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    try:
        client.update_time_to_live(
            TableName=address.table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "t"}
        )
    except ClientError as problem:
        if code_of(problem) != "ValidationException":  # another one has said so
            raise
