"""DynamoDB by moto, which LocalStack uses already, one request after the other.

LocalStack's own provider is DynamoDB Local, a Java program that LocalStack downloads at run time
from a place that is not a package registry. LocalStack's container contains DynamoDB Local, and
does not use this file.

Moto is made for one caller, but LocalStack calls moto from many threads.

- Moto looks at an item and writes it later.
- Moto changes items in place while others read them.
- Moto cancels a transaction by putting the whole table back to its earlier state.

On AWS a write with its condition is atomic, and so is a transaction (DynamoDB developer guide,
"Working with items", "Amazon DynamoDB Transactions: How it works"). So all requests take turns
here, from the first byte of the request to the last byte of the response. Reads take turns too,
because moto hands out items that the next write changes. So do the requests of the change streams,
which are parts of the tables.

One lock for all tables is enough. A transaction may name many tables, and moto finds a table by
walking through all tables. A request takes a millisecond, and the threads of the process share one
processor anyway. The lock cannot wait for itself, because moto calls nobody while it has the lock,
neither this LocalStack nor a function. Event source mappings read a stream by their own requests.
Such a request is answered at once, with or without records.

AWS would cancel one of two transactions that meet (`TransactionConflict`). Here the second
transaction finds the result of the first, which AWS allows as well.

Nothing of moto or LocalStack is patched. If a later version does not have these functions, the
import below fails. If a later version does not use them, `host_test.py` fails.
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
    """LocalStack's `MotoFallbackDispatcher`, with turns. The API itself implements nothing, so
    every operation goes to moto."""
    return ForwardingFallbackDispatcher(api, call_moto)


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=dispatcher)


@aws_provider(api="dynamodbstreams", name="moto")
def dynamodbstreams() -> Service:
    return Service.for_provider(DynamodbstreamsApi(), dispatch_table_factory=dispatcher)
