from pathlib import Path

import av
import numpy as np
import pytest

from comfyfleet.core.effects import check_overrides, resolve_values
from comfyfleet.core.graphs import parse_graph
from comfyfleet.core.payloads import fill
from comfyfleet.core.workflows import WorkflowSpec, check_slug, check_workflow
from comfyfleet.protocol.api import NewEffect, NewWorkflow
from comfyfleet.up.seed import sample_path, seed_effects, seed_workflows
from comfyfleet.up.seed.make_sample import FPS, HEIGHT, SECONDS, WIDTH, draw_frame, write_sample

MODEL_FREE = {
    "CreateVideo",
    "GetVideoComponents",
    "ImageInvert",
    "LoadImage",
    "LoadVideo",
    "SaveImage",
    "SaveVideo",
    "TextOverlay",
}


def spec_of(workflow: NewWorkflow) -> WorkflowSpec:
    return WorkflowSpec(
        graph=parse_graph(workflow.graph),
        output_node_id=workflow.output_node_id,
        output_extension=workflow.output_extension,
        output_mime_type=workflow.output_mime_type,
        properties=tuple(prop.to_property() for prop in workflow.properties),
    )


@pytest.mark.parametrize("workflow", seed_workflows(), ids=lambda workflow: workflow.slug)
def test_each_workflow_passes_the_import_check_and_needs_no_model(workflow: NewWorkflow) -> None:
    spec = spec_of(workflow)
    check_slug(workflow.slug)
    check_workflow(spec)
    assert {node["class_type"] for node in spec.graph.values()} <= MODEL_FREE
    assert [prop for prop in spec.properties if prop.is_primary_input]


@pytest.mark.parametrize("effect", seed_effects(), ids=lambda effect: effect.slug)
def test_each_effect_is_on_a_seeded_workflow(effect: NewEffect) -> None:
    workflow = next(workflow for workflow in seed_workflows() if workflow.slug == effect.workflow)
    check_overrides(spec_of(workflow).properties, effect.property_overrides)


def test_the_effects_cost_what_the_demo_says() -> None:
    costs = {effect.slug: effect.credits_cost for effect in seed_effects()}
    assert costs == {"caption-video": 3, "invert-video": 2, "invert-image": 1}


def test_a_prompt_reaches_the_text_of_the_overlay_as_typed() -> None:
    spec = spec_of(next(workflow for workflow in seed_workflows() if workflow.slug == "caption-video"))
    prompt = 'a "quote", a \\ and {{INPUT_VIDEO}}\n🎬'
    values = resolve_values(spec.properties, {}, {"input_video": "upload-1", "prompt": prompt, "font_size": 20})
    overlay = fill(spec, values).graph["4"]["inputs"]
    assert (overlay["text"], overlay["font_size"], overlay["position"]) == (prompt, 20, "bottom")


def test_the_sample_is_a_short_h264_clip_with_sound() -> None:
    with av.open(str(sample_path())) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.average_rate == FPS
    assert sample_path().stat().st_size <= 300_000
    assert len(frames) == FPS * SECONDS
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert np.abs(frames[0].astype(int) - frames[36]).mean() > 5


def test_the_sample_is_what_its_script_draws(tmp_path: Path) -> None:
    write_sample(tmp_path / "again.mp4")
    for clip in (tmp_path / "again.mp4", sample_path()):
        with av.open(str(clip)) as container:
            first = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert np.abs(first.astype(int) - draw_frame(0)).mean() < 6
