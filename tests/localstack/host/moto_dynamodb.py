"""DynamoDB by moto, which LocalStack stands on already, one request after the other.

LocalStack's own provider is DynamoDB Local, a Java program that it downloads at run time from a
place that is no package registry. Where LocalStack runs in its container, DynamoDB Local is inside,
and this file is not used.

Moto is made for one caller: it looks at an item and writes it later, changes items in place while
others read them, and cancels a transaction by putting the whole table back to what it was.
LocalStack calls it from many threads. On AWS a write with its condition is atomic, and so is a
transaction (DynamoDB developer guide, "Working with items", "Amazon DynamoDB Transactions: How it
works"). So all requests take turns here, from the bytes that come to the bytes that go: reads too,
since moto hands out items that the next write changes, and those of the change streams, which are
parts of the tables.

One lock for all tables is enough. A transaction may name many of them, moto finds a table by
walking through all, and a request takes a millisecond of a process whose threads share one
processor anyway. It cannot wait for itself: behind the lock moto calls nobody, neither this
LocalStack nor a function. Event source mappings read a stream by requests of their own, and those
are answered at once, with or without records. AWS would cancel one of two transactions that meet
(`TransactionConflict`); here the second finds what the first has left, which AWS allows as well.

Nothing of moto or LocalStack is patched. If a later version has no such functions, the import below
fails; if it goes another way than through them, `host_test.py` does.
"""

import threading

from localstack.aws.api import RequestContext, ServiceRequest, ServiceResponse
from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi
from localstack.aws.forwarder import ForwardingFallbackDispatcher, dispatch_to_backend
from localstack.aws.skeleton import DispatchTable
from localstack.http import Response
from localstack.services.moto import dispatch_to_moto
from localstack.services.plugins import Service, aws_provider

turn = threading.Lock()


def wait_and_dispatch_to_moto(context: RequestContext) -> Response:
    with turn:
        return dispatch_to_moto(context)


def call_moto(context: RequestContext, _: ServiceRequest) -> ServiceResponse:
    return dispatch_to_backend(context, wait_and_dispatch_to_moto)


def dispatcher(api: object) -> DispatchTable:
    """LocalStack's `MotoFallbackDispatcher`, with turns: the API itself implements nothing, so
    every operation goes to moto."""
    return ForwardingFallbackDispatcher(api, call_moto)


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=dispatcher)


@aws_provider(api="dynamodbstreams", name="moto")
def dynamodbstreams() -> Service:
    return Service.for_provider(DynamodbstreamsApi(), dispatch_table_factory=dispatcher)
