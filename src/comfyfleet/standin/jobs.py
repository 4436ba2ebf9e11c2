"""`/api/jobs`: queue and history once more, in one form for all states."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from comfyfleet.standin.state import Prompt, State

Job: TypeAlias = dict[str, Any]

STATUSES: Final = ("pending", "in_progress", "completed", "failed", "cancelled")

_MEDIA: Final = frozenset({"images", "video", "audio", "3d", "text"})
_TEXT_ENDINGS: Final = (".txt", ".md", ".json")
_MODEL_ENDINGS: Final = (".obj", ".fbx", ".gltf", ".glb", ".usdz")
_TERMINAL: Final = frozenset({"execution_success", "execution_error", "execution_interrupted"})


def all_jobs(state: State) -> list[Job]:
    """Return every prompt that is known, newest first."""
    running, waiting = state.queue()
    jobs = [_queued(prompt, "in_progress") for prompt in running] + [_queued(prompt, "pending") for prompt in waiting]
    jobs += [_past(prompt_id, entry) for prompt_id, entry in state.history().items()]
    return sorted(jobs, key=lambda job: job.get("create_time", 0), reverse=True)


def one_job(state: State, prompt_id: str) -> Job | None:
    """Return one prompt with its workflow and, if it has ended, its outputs and status; None if it is unknown."""
    if entry := state.past(prompt_id):
        return _past(prompt_id, entry) | {
            "outputs": entry["outputs"],
            "execution_status": entry["status"],
            "workflow": {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]},
        }
    running, waiting = state.queue()
    for prompts, status in ((running, "in_progress"), (waiting, "pending")):
        for prompt in prompts:
            if prompt.id == prompt_id:
                return _queued(prompt, status) | {"workflow": {"prompt": prompt.graph, "extra_data": prompt.extra_data}}
    return None


def duration(job: Job) -> int:
    """Return how many milliseconds a job ran; 0 if it has not ended."""
    start, end = job.get("execution_start_time"), job.get("execution_end_time")
    return end - start if start and end else 0


def _queued(prompt: Prompt, status: str) -> Job:
    return _without_none(
        {
            "id": prompt.id,
            "status": status,
            "priority": prompt.number,
            "create_time": prompt.extra_data.get("create_time"),
            "outputs_count": 0,
            "previewable_outputs_count": 0,
            "workflow_id": _workflow_id(prompt.extra_data),
        }
    )


def _past(prompt_id: str, entry: dict[str, Any]) -> Job:
    number, _, _, extra_data, _ = entry["prompt"]
    messages = dict(entry["status"]["messages"])
    ending = next((name for name in messages if name in _TERMINAL), None)
    found = list(_references(entry["outputs"]))
    previewable = [(node_id, media, one) for node_id, media, one in found if _is_previewable(media, one)]
    return _without_none(
        {
            "id": prompt_id,
            "status": _status(entry["status"]["status_str"], ending),
            "priority": number,
            "create_time": extra_data.get("create_time"),
            "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
            "execution_end_time": messages[ending]["timestamp"] if ending else None,
            "execution_error": messages.get("execution_error"),
            "outputs_count": len(found),
            "previewable_outputs_count": len(previewable),
            "preview_output": _preview(previewable),
            "workflow_id": _workflow_id(extra_data),
        }
    )


def _status(status_str: str, ending: str | None) -> str:
    if status_str == "success":
        return "completed"
    return "cancelled" if ending == "execution_interrupted" else "failed"


def _references(outputs: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield node, medium and reference of each file that the outputs name."""
    for node_id, output in outputs.items():
        for media, items in output.items():
            yield from ((node_id, media, item) for item in items if isinstance(item, dict))


def _is_previewable(media: str, reference: dict[str, Any]) -> bool:
    return media in _MEDIA or str(reference.get("filename", "")).lower().endswith(_TEXT_ENDINGS + _MODEL_ENDINGS)


def _preview(previewable: list[tuple[str, str, dict[str, Any]]]) -> dict[str, Any] | None:
    """Choose the reference to show: something to look at before a text."""
    ranked = sorted(previewable, key=lambda found: str(found[2].get("filename", "")).endswith(_TEXT_ENDINGS))
    if not ranked:
        return None
    node_id, media, reference = ranked[0]
    return {**reference, "nodeId": node_id, "mediaType": media}


def _workflow_id(extra_data: dict[str, Any]) -> str | None:
    pnginfo = extra_data.get("extra_pnginfo")
    workflow = pnginfo.get("workflow") if isinstance(pnginfo, dict) else None
    return workflow.get("id") if isinstance(workflow, dict) else None


def _without_none(job: Job) -> Job:
    return {key: value for key, value in job.items() if value is not None}
