"""ComfyUI's HTTP API, as far as a worker needs it. It knows no authentication: the URL is this machine's own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from comfyfleet.core.graphs import Graph
from comfyfleet.worker.errors import ComfyUISilent, ComfyUIUnreachable, InputRefused, OutputLost, PromptInvalid
from comfyfleet.worker.outcome.files import OutputFile
from comfyfleet.worker.outcome.paths import without_folders
from comfyfleet.worker.outcome.refusals import refusal

_SLOW_SECONDS: Final = 120.0
"""For answers that take a while on a busy machine: `/object_info` is 740 KB and asks every custom node."""


@dataclass(frozen=True)
class Queued:
    """A prompt that runs or waits, and what was kept beside it."""

    is_running: bool
    extra_data: dict[str, Any]


class ComfyUI:
    """One ComfyUI. Every call raises `ComfyUIUnreachable` when it does not answer, or with nonsense.

    Args:
        http: A client without any credentials.
        base_url: Where ComfyUI answers, such as http://127.0.0.1:8188.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str) -> None:
        self._http = http
        self.base_url = base_url.rstrip("/")

    async def system_stats(self) -> dict[str, Any]:
        """Return versions and devices."""
        return await self._get_object("/system_stats")

    async def node_classes(self) -> list[str]:
        """Return the names of all nodes that this ComfyUI has, sorted."""
        return sorted(await self._get_object("/object_info", timeout=_SLOW_SECONDS))

    async def submit(self, graph: Graph, prompt_id: str, client_id: str, owner: Mapping[str, str]) -> str:
        """Queue a prompt and return the id that ComfyUI gave it, which very old versions choose themselves.

        Args:
            graph: The workflow in API format, ready to run.
            prompt_id: A lowercase UUID. ComfyUI does not mind when one is queued twice.
            client_id: Who hears the events of this prompt; nobody else does.
            owner: Kept by ComfyUI beside the prompt, so that a worker finds its own after a crash.

        Raises:
            PromptInvalid: The prompt, or a part of it, is refused. A part may run already: withdraw the prompt.
        """
        body = {
            "prompt": graph,
            "prompt_id": prompt_id,
            "client_id": client_id,
            "extra_data": {"comfyfleet": dict(owner)},
        }
        response = await self._send("POST", "/prompt", json=body, timeout=_SLOW_SECONDS)
        answer = _object_of(response)
        if answer is not None and (objection := refusal(answer, graph)) is not None:
            raise objection
        if answer is None or not response.is_success:
            if response.status_code in {400, 413}:
                raise PromptInvalid(f"ComfyUI refused the workflow: {_excerpt(response)}")
            raise self._nonsense(response)
        return str(answer.get("prompt_id") or prompt_id)

    async def history(self, prompt_id: str) -> dict[str, Any] | None:
        """Return the history entry of a prompt that has ended, or None."""
        entry = (await self._get_object(f"/history/{prompt_id}")).get(prompt_id)
        return entry if isinstance(entry, dict) else None

    async def queue(self) -> dict[str, Queued]:
        """Return the prompts that run or wait, by their ids."""
        answer = await self._get_object("/queue")
        return {
            str(item[1]): Queued(is_running=name == "queue_running", extra_data=item[3] if len(item) > 3 else {})
            for name in ("queue_running", "queue_pending")
            for item in answer.get(name) or []
        }

    async def withdraw(self, prompt_id: str) -> None:
        """Take a prompt back: out of the queue, or by interrupting it if it runs; others are left alone.

        It is slow to take effect (13 s were seen): ComfyUI looks at it between nodes and at progress steps.
        """
        await self._send("POST", "/queue", json={"delete": [prompt_id]})
        await self._send("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def free(self) -> None:
        """Have ComfyUI unload its models and empty its caches when it is idle."""
        await self._send("POST", "/free", json={"unload_models": True, "free_memory": True})

    async def upload(self, path: Path, filename: str, subfolder: str) -> str:
        """Put a file into ComfyUI's input folder and return the name by which nodes find it: `subfolder/name`.

        Raises:
            InputRefused: ComfyUI does not take the file.
        """
        size = (await asyncio.to_thread(path.stat)).st_size
        with await asyncio.to_thread(path.open, "rb") as file:
            response = await self._send(
                "POST",
                "/upload/image",
                files={"image": (filename, file, "application/octet-stream")},
                data={"type": "input", "subfolder": subfolder, "overwrite": "true"},
                timeout=_SLOW_SECONDS,
            )
        if response.status_code == 413:
            raise InputRefused(
                f"'{filename}' has {size} bytes, more than this machine's ComfyUI takes.",
                hint="Start ComfyUI with a larger --max-upload-size (in MB).",
            )
        answer = _object_of(response)
        if response.is_client_error:
            raise InputRefused(f"ComfyUI did not take '{filename}': {_excerpt(response)}")
        if not response.is_success or not answer or not answer.get("name"):
            raise self._nonsense(response)
        return "/".join(part for part in (str(answer.get("subfolder") or ""), str(answer["name"])) if part)

    @asynccontextmanager
    async def view(self, file: OutputFile) -> AsyncIterator[httpx.Response]:
        """Open an output file as a response whose bytes can be streamed.

        Raises:
            OutputLost: ComfyUI's history or cache names the file, but it is not there.
        """
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        url = f"{self.base_url}/view"
        try:
            async with self._http.stream(
                "GET", url, params=query, headers={"Accept-Encoding": "identity"}, timeout=_SLOW_SECONDS
            ) as response:
                if not response.is_success:
                    raise OutputLost(
                        f"ComfyUI made '{file.filename}' and answers {response.status_code} when asked for it."
                    )
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def _get_object(self, path: str, **options: Any) -> dict[str, Any]:
        response = await self._send("GET", path, **options)
        answer = _object_of(response)
        if answer is None or not response.is_success:
            raise self._nonsense(response)
        return answer

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, f"{self.base_url}{path}", **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> ComfyUIUnreachable:
        if isinstance(error, httpx.ReadTimeout):
            return ComfyUISilent(f"ComfyUI at {self.base_url} does not answer in time.")
        reason = str(error) or type(error).__name__
        return ComfyUIUnreachable(f"ComfyUI at {self.base_url} does not answer: {reason}.")

    def _nonsense(self, response: httpx.Response) -> ComfyUIUnreachable:
        path = response.request.url.path
        return ComfyUIUnreachable(f"ComfyUI at {self.base_url} answered {path} with {_excerpt(response)}.")


def _object_of(response: httpx.Response) -> dict[str, Any] | None:
    try:
        answer = json.loads(response.content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _excerpt(response: httpx.Response) -> str:
    text = without_folders(" ".join(response.text.split()))[:300]
    return f"{response.status_code}: {text}" if text else str(response.status_code)
