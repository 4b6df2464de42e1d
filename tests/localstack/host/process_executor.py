"""Runs Lambda functions as processes of this machine where LocalStack would start containers.

LocalStack does all the rest. It keeps the zip, and decides how many execution environments there
are. It turns the results of this program into answers of the Lambda API, of function URLs and of
event source mappings.

An environment is one `bootstrap` process and its own HTTP server, which speaks the Lambda Runtime
API (Lambda developer guide, "Using the Lambda runtime API for custom runtimes").
"""

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

RUNTIME_API = "/2018-06-01/runtime"
# The limit of a synchronous answer, which is 6 MB and a little for its frame (Lambda developer
# guide, "Lambda quotas").
LARGEST_ANSWER = 6 * 1024 * 1024 + 100


class Exchange:
    """The exchange between the Runtime API's server and the caller of the function. It has one
    invocation at a time."""

    def __init__(self, timeout_seconds: int) -> None:
        self.timeout_seconds = timeout_seconds
        self.changed = threading.Condition()
        self.is_waiting = False  # the function has asked for an invocation
        self.is_over = False
        self.failed_start: bytes | None = None
        self.invocation: dict | None = None  # not yet taken by the function
        self.request_id: str | None = None  # at the function
        self.deadline = 0.0
        self.answer: tuple[bytes, bool] | None = None  # True for an error

    def next_invocation(self) -> dict | None:
        """Waits for an invocation. Returns None when the environment has ended."""
        with self.changed:
            self.is_waiting = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.is_over or self.invocation)
            if self.is_over:
                return None
            invocation, self.invocation = self.invocation, None
            self.is_waiting = False
            self.request_id = invocation["invoke-id"]
            return invocation

    def take_answer(self, request_id: str, body: bytes, is_error: bool) -> bool:
        """Takes the function's answer, if it is about the invocation that the function has."""
        with self.changed:
            if request_id != self.request_id:
                return False
            self.request_id, self.answer = None, (body, is_error)
            self.changed.notify_all()
            return True


def runtime_api(exchange: Exchange) -> ThreadingHTTPServer:
    """A server of the Runtime API on a free port, one thread a connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(chunks)

        def do_GET(self) -> None:
            if self.path != f"{RUNTIME_API}/invocation/next":
                self.reply(404, b"{}")
            elif invocation := exchange.next_invocation():
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": invocation["invoke-id"],
                    "Lambda-Runtime-Deadline-Ms": str(int(exchange.deadline * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation["invoked-function-arn"],
                    "Lambda-Runtime-Trace-Id": invocation["trace-id"],
                }
                self.reply(200, invocation["payload"].encode(), headers)
            else:
                self.close_connection = True

        def do_POST(self) -> None:
            body = self.body()
            match self.path.removeprefix(RUNTIME_API).split("/")[1:]:
                case ["init", "error"]:
                    with exchange.changed:
                        exchange.failed_start = body
                        exchange.changed.notify_all()
                    self.reply(202, b'{"status":"OK"}')
                case ["invocation", _, "response"] if len(body) > LARGEST_ANSWER:
                    self.reply(413, b'{"errorType":"RequestEntityTooLarge"}')
                case ["invocation", request_id, "response" | "error" as kind]:
                    if exchange.take_answer(request_id, body, kind == "error"):
                        self.reply(202, b'{"status":"OK"}')
                    else:
                        self.reply(400, b'{"errorType":"InvalidRequestID"}')
                case _:
                    self.reply(404, b"{}")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class Environment:
    """One execution environment, which is a process of the function and its Runtime API."""

    def __init__(self, code: Path, variables: dict[str, str], timeout_seconds: int) -> None:
        self.exchange = Exchange(timeout_seconds)
        self.server = runtime_api(self.exchange)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [str(code / "bootstrap")],
            cwd=code,
            env={
                **variables,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "LAMBDA_TASK_ROOT": str(code),
                "PATH": os.environ["PATH"],
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self.read_log, daemon=True).start()

    def read_log(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace"))

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def exit_error(self, request_id: str) -> bytes:
        status = self.process.poll()
        return error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}")

    def wait_until_ready(self) -> bytes | None:
        """Waits for the first request for an invocation. Returns an error if none comes."""
        give_up = time.monotonic() + config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT
        with self.exchange.changed:
            while not self.exchange.is_waiting:
                if self.exchange.failed_start is not None:
                    return self.exchange.failed_start
                if self.has_ended():
                    return self.exit_error(str(uuid.uuid4()))
                if time.monotonic() > give_up:
                    return error("Sandbox.Timedout", "the function has not asked for an invocation in time")
                self.exchange.changed.wait(0.02)
        return None

    def invoke(self, payload: dict) -> tuple[bytes, bool]:
        """Hands over one invocation. Returns the answer, with True if it is an error. The
        environment may have ended then."""
        exchange, request_id = self.exchange, payload["invoke-id"]
        with exchange.changed:
            exchange.deadline = time.time() + exchange.timeout_seconds
            exchange.answer, exchange.invocation = None, payload
            exchange.changed.notify_all()
            while exchange.answer is None:
                if self.has_ended():
                    return self.exit_error(request_id), True
                if time.time() > exchange.deadline:
                    break
                exchange.changed.wait(0.05)
            answer = exchange.answer
        if answer:
            return answer
        self.end()
        seconds = f"{exchange.timeout_seconds:.2f}"
        return error("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds} seconds"), True

    def end(self) -> None:
        """Kills the process with all processes that it may have started, and closes the port."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        with self.exchange.changed:
            self.exchange.is_over = True
            self.exchange.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()


def error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class ProcessExecutor(RuntimeExecutor):
    """An execution environment of LocalStack's, as a process."""

    def __init__(self, id, function_version) -> None:
        super().__init__(id, function_version)
        self.variables: dict[str, str] = {}
        self.environment: Environment | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        self.variables = {name: str(value) for name, value in env_vars.items()}
        self.start_environment()

    def start_environment(self) -> None:
        code = self.function_version.config.code.get_unzipped_code_location()
        environment = Environment(Path(code), self.variables, int(self.function_version.config.timeout))
        if failure := environment.wait_until_ready():
            environment.end()
            raise StatusErrorException("Environment startup failed", payload=failure)
        self.environment = environment

    def stop(self) -> None:
        if self.environment:
            self.environment.end()
            self.environment = None

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        # After a crash or a time-out the next invocation is a cold start, as on Lambda.
        if self.environment is None or self.environment.has_ended():
            self.stop()
            self.start_environment()
        environment, request_id = self.environment, payload["invoke-id"]
        first, began = len(environment.lines), time.monotonic()
        body, is_error = environment.invoke(payload)
        # The last output of the function before its answer may still be in the pipe.
        time.sleep(0.005)
        milliseconds = (time.monotonic() - began) * 1000
        log = "".join([
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n",
            *environment.lines[first:],
            f"END RequestId: {request_id}\n",
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {int(milliseconds) + 1} ms"
            f"\tMemory Size: {self.function_version.config.memory_size} MB\n",
        ])
        return InvocationResult(request_id, body, is_error=is_error, logs=log)

    def get_logs(self) -> str:
        return "".join(self.environment.lines) if self.environment else ""

    # The addresses by which LocalStack would find its own runtime in a container, and the runtime
    # would find LocalStack.
    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version) -> None:
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version) -> None:
        pass


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *_, **__):
        return ProcessExecutor
