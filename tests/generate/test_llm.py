"""The planner that asks a language model, against a real HTTP server that speaks the protocol, well and badly."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from generate.llm import ModelPlanner, answer_schema
from generate.plan import InteractionPlan
from generate.planner import GrammarPlanner
from sim.errors import EndpointError, PlanError

SENTENCE = "a person lifts the chair"
Reply = Callable[[BaseHTTPRequestHandler], None]


class Endpoint:
    """A server that gives the replies of a script, one a request, and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.paths.append(self.path)
                outer.headers.append(dict(self.headers.items()))
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.replies.pop(0)(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def planner(self, **settings: Any) -> ModelPlanner:
        return ModelPlanner(self.url, "test-model", **({"timeout": 5.0} | settings))


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Endpoint()
    yield served
    served.server.shutdown()
    served.server.server_close()


def raw(body: bytes, status: int = 200) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def said(content: str | None, **more: Any) -> Reply:
    message = {"role": "assistant", "content": content, **more}
    return raw(json.dumps({"choices": [{"index": 0, "message": message}]}).encode())


def good_answer() -> dict[str, Any]:
    plan = dataclasses.asdict(GrammarPlanner().plan(SENTENCE))
    return {"refused": None} | {name: value for name, value in plan.items() if name not in ("text", "source")}


def test_a_valid_answer_becomes_the_plan(endpoint: Endpoint) -> None:
    endpoint.replies = [said(json.dumps(good_answer()))]
    plan = endpoint.planner(api_key="secret").plan(SENTENCE, "chair", (0.5, 0.5, 0.9))
    assert isinstance(plan, InteractionPlan)
    assert (plan.action, plan.text, plan.source) == ("lift", SENTENCE, "model test-model")
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.headers[0]["Authorization"] == "Bearer secret"
    asked = endpoint.asked[0]
    assert asked["model"] == "test-model"
    assert asked["response_format"]["json_schema"]["schema"] == answer_schema()
    question = asked["messages"][-1]["content"]
    assert SENTENCE in question
    assert "0.5 x 0.5 x 0.9" in question


def test_no_key_no_header(endpoint: Endpoint) -> None:
    endpoint.replies = [said(json.dumps(good_answer()))]
    endpoint.planner().plan(SENTENCE)
    assert "Authorization" not in endpoint.headers[0]


def test_what_makes_no_sense_goes_back_with_the_reason(endpoint: Endpoint) -> None:
    wrong = good_answer()
    wrong["contacts"][0]["body_part"] = "tentacle"
    endpoint.replies = [said("I would lift it."), said(json.dumps(wrong)), said(json.dumps(good_answer()))]
    assert endpoint.planner().plan(SENTENCE).action == "lift"
    assert "not JSON" in endpoint.asked[1]["messages"][-1]["content"]
    assert "tentacle" in endpoint.asked[2]["messages"][-1]["content"]
    assert endpoint.asked[2]["messages"][-2]["role"] == "assistant"
    assert len(endpoint.asked[2]["messages"]) == 6


def test_after_all_retries_one_line_says_why(endpoint: Endpoint) -> None:
    endpoint.replies = [said("no")] * 3
    with pytest.raises(
        PlanError, match=r"test-model gave no valid plan in 3 answers; the last one: it is not JSON"
    ) as found:
        endpoint.planner().plan(SENTENCE)
    assert "\n" not in str(found.value)
    assert len(endpoint.asked) == 3


def test_a_plan_in_which_nothing_happens_is_not_taken(endpoint: Endpoint) -> None:
    idle = good_answer() | {"contacts": [], "phases": [good_answer()["phases"][0] | {"kind": "hold"}]}
    endpoint.replies = [said(json.dumps(idle))]
    with pytest.raises(PlanError, match="no contact"):
        endpoint.planner(retries=0).plan(SENTENCE)


@pytest.mark.parametrize("reply", [said(None, refusal="I cannot"), said(json.dumps({"refused": "I cannot"}))])
def test_a_refusal_is_final(endpoint: Endpoint, reply: Reply) -> None:
    endpoint.replies = [reply]
    with pytest.raises(PlanError, match="test-model refuses: I cannot"):
        endpoint.planner().plan(SENTENCE)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (raw(b"<html>hello</html>"), "does not answer as chat completions do: '<html>hello</html>'"),
        (raw(b'{"choices": []}'), "does not answer as chat completions do"),
        (raw(b"[1, 2]"), "does not answer as chat completions do"),
        (raw(b'{"choices": [{"message": "hi"}]}'), "does not answer as chat completions do"),
        (said(None), "answers without text"),
        (raw(b'{"error": {"message": "wrong\\nkey"}}', 401), "status 401: wrong key"),
        (raw(b"gone", 404), "status 404: 'gone'"),
        (raw(b"", 302), "status 302"),
        (raw(b"x" * 3_000_000), "more than 2000 kB"),
        (raw(b"\xff\xfe\x00"), "does not answer as chat completions do"),
    ],
)
def test_an_endpoint_that_answers_nonsense(endpoint: Endpoint, reply: Reply, message: str) -> None:
    endpoint.replies = [reply]
    with pytest.raises(EndpointError, match=message) as found:
        endpoint.planner(api_key="secret").plan(SENTENCE)
    assert "\n" not in str(found.value)
    assert "secret" not in str(found.value)


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2.0)


def trickles(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(40):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("reply", [hangs, trickles])
def test_an_endpoint_that_hangs(endpoint: Endpoint, reply: Reply) -> None:
    endpoint.replies = [reply]
    started = time.monotonic()
    with pytest.raises(EndpointError, match=r"gives no answer within 0.3 s"):
        endpoint.planner(timeout=0.3).plan(SENTENCE)
    assert time.monotonic() - started < 1.5


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices"')


def test_an_endpoint_that_breaks_off(endpoint: Endpoint) -> None:
    endpoint.replies = [breaks_off]
    with pytest.raises(EndpointError, match=r"cannot be reached: .*990 more expected"):
        endpoint.planner().plan(SENTENCE)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "nonsense", "http://", "ftp://127.0.0.1/v1"])
def test_an_endpoint_that_is_not_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(EndpointError, match="cannot be reached") as found:
        ModelPlanner(url, "m", timeout=2.0).plan(SENTENCE)
    assert "\n" not in str(found.value)


def test_the_environment_names_the_endpoint() -> None:
    named = {"OPENAI_BASE_URL": "http://x/v1", "OPENAI_MODEL": "m", "OPENAI_API_KEY": "secret"}
    planner = ModelPlanner.from_environment(named, timeout=3.0)
    assert (planner.base_url, planner.model, planner.api_key, planner.timeout) == ("http://x/v1", "m", "secret", 3.0)
    assert "secret" not in repr(planner)
    for missing in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        with pytest.raises(EndpointError, match=missing):
            ModelPlanner.from_environment(named | {missing: ""})


def test_no_sentence_is_not_sent(endpoint: Endpoint) -> None:
    with pytest.raises(PlanError, match="no sentence"):
        endpoint.planner().plan("  ")
    assert endpoint.asked == []
