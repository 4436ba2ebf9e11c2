"""The typed client of what operators do with effects."""

from pathlib import Path
from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.protocol.effects import EffectAdminPage, EffectAdminView, EffectOrder, EffectState


class EffectPlane(ControlPlane):
    """A control plane's effects, active or not."""

    def all_effects(
        self, *, q: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> EffectAdminPage:
        """Return a page of all effects in the catalogue's order; `q` is a part of slug or name."""
        return self._get(EffectAdminPage, "/api/effects/all", q=q, limit=limit, offset=offset)

    def order_effects(self, slugs: list[str]) -> None:
        """Put effects first in the catalogue, in this order."""
        self._call("PUT", "/api/effects/order", json=EffectOrder(slugs=slugs).model_dump())

    def set_effect_active(self, slug: str, *, is_active: bool) -> EffectAdminView:
        """Put an effect into the catalogue, or take it out."""
        return self._send(EffectAdminView, "PUT", f"{_path(slug)}/active", EffectState(is_active=is_active))

    def set_preview(self, slug: str, path: Path, content_type: str) -> None:
        """Keep a picture or a clip as an effect's preview."""
        self._call("PUT", f"{_path(slug)}/preview", content=path.read_bytes(), headers={"Content-Type": content_type})

    def delete_effect(self, slug: str) -> None:
        """Delete an effect that no job was made with."""
        self._call("DELETE", _path(slug))


def _path(slug: str) -> str:
    return f"/api/effects/{quote(slug, safe='')}"
