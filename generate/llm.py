"""Plans from a language model behind any endpoint that speaks OpenAI's chat completions, local or not.

The model answers in the schema of a plan; an answer that makes no sense goes back to it with the reason. Nothing is
sent anywhere unless a user configures an endpoint: OPENAI_BASE_URL (such as http://127.0.0.1:8000/v1), OPENAI_MODEL
and, where the endpoint wants one, OPENAI_API_KEY.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generate.plan import InteractionPlan, Phase, PlannedContact, plan_from_json, plan_schema
from generate.planner import GrammarPlanner, Planner
from sim.errors import EndpointError, MissingDependencyError, PlanError

_MAX_BYTES = 2_000_000
_SHOWN = 200
"""Characters of a foreign answer that an error quotes."""
_Messages = list[dict[str, str]]


@dataclass(frozen=True)
class ModelPlanner:
    """Asks a language model (see `generate.planner.Planner`).

    Attributes:
        base_url: of the endpoint, up to and without /chat/completions. model: its name there.
        api_key: sent as a bearer token; empty for none.
        timeout: s for each answer, from the request to its last byte. retries: after answers that make no sense.
        temperature: of sampling.
    """

    base_url: str
    model: str
    api_key: str = dataclasses.field(default="", repr=False)
    timeout: float = 120.0
    retries: int = 2
    temperature: float = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **settings: Any) -> ModelPlanner:
        """As OPENAI_BASE_URL, OPENAI_MODEL and OPENAI_API_KEY say.

        Raises:
            EndpointError: no endpoint or no model is named.
        """
        for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
            if not environment.get(name, "").strip():
                raise EndpointError(f"no language model is configured: set {name}, or plan with the grammar")
        key = environment.get("OPENAI_API_KEY", "").strip()
        return cls(environment["OPENAI_BASE_URL"].strip(), environment["OPENAI_MODEL"].strip(), key, **settings)

    def plan(self, text: str, object_name: str | None = None, size: Sequence[float] | None = None) -> InteractionPlan:
        """As `Planner.plan`.

        Raises:
            PlanError: the model finds the sentence impossible, or gives no valid plan after all retries.
            EndpointError: the endpoint is not there, refuses, or does not speak the protocol.
        """
        if not text.strip():
            raise PlanError("there is no sentence; say what a person does with an object: 'a person lifts the chair'")
        messages = [
            {"role": "system", "content": instructions()},
            {"role": "user", "content": _question(text, object_name, size)},
        ]
        for _ in range(self.retries + 1):
            answer = self._ask(messages)
            try:
                return _read(answer, text, f"model {self.model}")
            except _Refused as refusal:
                raise PlanError(f"{self.model} refuses: {str(refusal)[:_SHOWN]}") from None
            except PlanError as error:
                problem = str(error)
                messages += [
                    {"role": "assistant", "content": answer},
                    {"role": "user", "content": f"This is no valid plan: {problem}. Answer with the corrected JSON."},
                ]
        raise PlanError(
            f"{self.model} gave no valid plan in {self.retries + 1} answers; the last one: {problem[:_SHOWN]}"
        )

    def _ask(self, messages: _Messages) -> str:
        """The text of one answer."""
        content = {
            "model": self.model,
            "messages": messages,
            "temperature": self.temperature,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "interaction_plan", "strict": True, "schema": answer_schema()},
            },
        }
        status, body = _post(f"{self.base_url.rstrip('/')}/chat/completions", content, self.api_key, self.timeout)
        if status != 200:
            raise EndpointError(f"{self.base_url} answers with status {status}: {_message(body)}")
        try:
            message = json.loads(body)["choices"][0]["message"]
            if message.get("refusal"):
                raise PlanError(f"{self.model} refuses: {str(message['refusal'])[:_SHOWN]}")
            answer = message["content"]
        except (ValueError, LookupError, TypeError, AttributeError):
            raise EndpointError(f"{self.base_url} does not answer as chat completions do: {_quoted(body)}") from None
        if not isinstance(answer, str):
            raise EndpointError(f"{self.base_url} answers without text")
        return answer


class _Refused(PlanError):
    """The model says in its answer that the sentence cannot be planned."""


def answer_schema() -> dict[str, Any]:
    """Of an answer: a plan, or in `refused` the reason why there is none."""
    schema = plan_schema()
    schema["properties"] = {"refused": {"type": ["string", "null"]}, **schema["properties"]}
    schema["required"] = list(schema["properties"])
    return schema


def instructions() -> str:
    """The system prompt: the task, and the contract in the words of its own documentation."""
    described = "\n\n".join(
        f"{kind.__name__}: {inspect.getdoc(kind)}" for kind in (InteractionPlan, PlannedContact, Phase)
    )
    return (
        "You plan how one person interacts with one rigid object, physically possible for a person of 1.75 m. Answer"
        " with one JSON object and nothing else. Lengths are in metres, angles in radians, z is up. Name only contacts"
        " that the sentence needs; a contact may end and begin again (two entries). 'refused' is null; if the sentence"
        " is impossible, negated, about several objects or people, or no such interaction, say why in 'refused', with"
        " empty lists.\n\n" + described
    )


def _question(text: str, object_name: str | None, size: Sequence[float] | None) -> str:
    lines = [f"Sentence: {text}"]
    if object_name:
        lines.append(f"The object at hand is called: {object_name}")
    if size is not None:
        edges = " x ".join(f"{edge:.3g}" for edge in size)
        lines.append(f"Its bounding box (depth, width, height) measures {edges} m; size_m is null to keep that.")
    return "\n".join(lines)


def _read(answer: str, text: str, source: str) -> InteractionPlan:
    try:
        content = json.loads(answer)
    except ValueError as error:
        raise PlanError(f"it is not JSON: {error}") from error
    if isinstance(content, dict) and (reason := content.pop("refused", None)):
        raise _Refused(str(reason))
    plan = plan_from_json(json.dumps(content), text=text, source=source)
    if not plan.contacts and all(phase.kind in ("hold", "release") for phase in plan.phases):
        raise PlanError("nothing happens: there is no contact")
    return plan


def _post(url: str, content: Mapping[str, Any], key: str, timeout: float) -> tuple[int, bytes]:
    """Status and body, all within the timeout.

    Raises:
        EndpointError: nobody is there, it takes too long, or the answer is far too long.
        MissingDependencyError: no HTTP client is installed.
    """
    try:
        import requests
        from urllib3.exceptions import HTTPError
    except ImportError as error:
        raise MissingDependencyError("requests", "planning with a language model", "'touchstone[llm]'") from error
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    deadline = time.monotonic() + timeout
    late = EndpointError(f"{url} gives no answer within {timeout:g} s")
    try:
        answer = requests.post(url, json=content, headers=headers, timeout=timeout, stream=True, allow_redirects=False)
        with answer:
            body = b""
            while part := answer.raw.read1(65536, decode_content=True):  # what is there, so that a trickle is noticed
                body += part
                if time.monotonic() > deadline:
                    raise late
                if len(body) > _MAX_BYTES:
                    raise EndpointError(f"{url} answers with more than {_MAX_BYTES // 1000} kB")
            return answer.status_code, body
    except requests.Timeout:
        raise late from None
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        if "timed out" in str(error).lower():
            raise late from None
        raise EndpointError(f"{url} cannot be reached: {_cause(error)}") from None


def _cause(error: BaseException) -> str:
    """The innermost reason, on one line."""
    while error.__cause__ or error.__context__:
        inner = error.__cause__ or error.__context__
        assert inner is not None
        error = inner
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__


def _message(body: bytes) -> str:
    """What an error of the protocol says, else the beginning of the body."""
    try:
        return " ".join(str(json.loads(body)["error"]["message"]).split())[:_SHOWN]
    except (ValueError, LookupError, TypeError):
        return _quoted(body)


def _quoted(body: bytes) -> str:
    return repr(" ".join(body.decode("utf-8", "replace").split())[:_SHOWN])


def planner_at(endpoint: str | None = None, model: str | None = None) -> Planner:
    """The grammar, or a language model where either is named; what is missing is looked for in the environment.

    Raises:
        EndpointError: a model without an endpoint, or the other way round.
    """
    if endpoint is None and model is None:
        return GrammarPlanner()
    named = {"OPENAI_BASE_URL": endpoint, "OPENAI_MODEL": model}
    return ModelPlanner.from_environment({**os.environ, **{k: v for k, v in named.items() if v is not None}})
