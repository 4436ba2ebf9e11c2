"""The command that does the same as a verb's form."""

import shlex
from typing import Any

from comfyfleet.web.operating.forms import ApplyForm, BakeForm, LaunchForm, RollForm, StopForm, VerbForm, words_of


def launch(form: LaunchForm, label: str) -> str:
    """Return how a dev node is launched."""
    stage, slug = label.split("/", 1)
    words = ["devnode", "launch", slug, "--stage", stage]
    words += _given(form, "hours", "--hours") + _given(form, "image_id", "--ami") + _given(form, "cidr", "--cidr")
    words += _types(form, form.types) + ["--keep-disk"] * form.keeps_disk + ["--yes-i-mean-it"] * form.accepts_range
    return _command(words)


def stop(form: StopForm, label: str) -> str:
    """Return how a dev node is ended."""
    words = ["devnode", "stop", form.instance_id, "--stage", label.split("/", 1)[0]]
    return _command(words + ["--keep-disk"] * form.keeps_disk)


def apply(form: ApplyForm, label: str) -> str:
    """Return how a bundle is applied to a machine."""
    stage, slug = label.split("/", 1)
    return _command(
        ["bundles", "apply", form.bundle, "--instance", form.instance_id, "--fleet", slug, "--stage", stage]
    )


def bake(form: BakeForm, label: str) -> str:
    """Return how an image is baked."""
    stage, slug = label.split("/", 1)
    words = ["fleets", "bake", slug, "--stage", stage, "--bundle", form.bundle]
    return _command(words + _given(form, "keep", "--keep") + _given(form, "base", "--base") + _types(form, form.types))


def roll(form: RollForm, label: str) -> str:
    """Return how machines are rolled; files of a test are named as the shell has them."""
    stage, slug = label.split("/", 1)
    words = ["fleets", "roll", slug, "--stage", stage]
    if form.workflow and not form.skips_test:
        words += ["--test-workflow", form.workflow, "--input", "FILE"]
    words += ["--no-test"] * form.skips_test + _given(form, "canary_seconds", "--canary-seconds")
    words += _given(form, "min_healthy", "--min-healthy") + _given(form, "warmup", "--warmup")
    return _command(words + _given(form, "back_to", "--back-to"))


def _types(form: VerbForm, types: str) -> list[str]:
    is_usual = types == type(form).model_fields["types"].default
    return [] if is_usual else [word for one in words_of(types) for word in ("--type", one)]


def _given(form: VerbForm, field: str, option: str) -> list[str]:
    value: Any = getattr(form, field)
    return [] if value == type(form).model_fields[field].default else [option, str(value)]


def _command(words: list[str]) -> str:
    return shlex.join(["comfyfleet", *words])
