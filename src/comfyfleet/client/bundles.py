"""The typed client of bundles, of what workflows need, and of what fleets point to."""

from typing import Any
from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.protocol.api import FleetView
from comfyfleet.protocol.bundles import (
    ActivationView,
    AnalysisRequest,
    AnalysisView,
    BundlePage,
    BundlePlan,
    BundleRef,
    BundleView,
    CoverageView,
    DifferenceView,
    GcRequest,
    GcView,
    ManifestView,
    NewActivation,
    NewBundle,
    PointerView,
)
from comfyfleet.protocol.fleets import FleetMachinesView, FleetName, FleetPointerView


class BundlePlane(ControlPlane):
    """A control plane's bundles. References are an id, `name`, `name@version`, or the unique beginning of an id."""

    def bundles(self, *, q: str | None = None, limit: int | None = None, offset: int | None = None) -> BundlePage:
        """Return a page of bundles, newest first; `q` is a part of the name or the notes."""
        return self._get(BundlePage, "/api/bundles", q=q, limit=limit, offset=offset)

    def bundle(self, reference: str) -> BundleView:
        """Return one bundle with its entries."""
        return self._get(BundleView, f"/api/bundles/{_part(reference)}")

    def create_bundle(self, bundle: NewBundle) -> BundleView:
        """Write a bundle, or the next version of one."""
        return self._send(BundleView, "POST", "/api/bundles", bundle)

    def plan_bundle(self, bundle: NewBundle) -> BundlePlan:
        """Return what a bundle would be, and write nothing."""
        return self._send(BundlePlan, "POST", "/api/bundles/plan", bundle)

    def manifest(self, reference: str) -> ManifestView:
        """Return a bundle's manifest to the byte."""
        return self._get(ManifestView, f"/api/bundles/{_part(reference)}/manifest")

    def difference(self, before: str, after: str) -> DifferenceView:
        """Return what changes from one bundle to another."""
        return self._get(DifferenceView, f"/api/bundles/{_part(before)}/diff/{_part(after)}")

    def delete_bundle(self, reference: str) -> BundleRef:
        """Delete a bundle that no fleet points to."""
        return self._send(BundleRef, "DELETE", f"/api/bundles/{_part(reference)}")

    def clear_up_bundles(self, *, dry_run: bool = True, older_than_days: int | None = None) -> GcView:
        """Delete manifests that no bundle has, or only say which; list bundles never used that are that old."""
        return self._send(
            GcView, "POST", "/api/bundles/gc", GcRequest(dry_run=dry_run, older_than_days=older_than_days)
        )

    def analyze(self, document: dict[str, Any], fleet: str | None = None) -> AnalysisView:
        """Return what a workflow in API or UI format needs and where that is; `fleet` is `stage/slug`."""
        request = AnalysisRequest(document=document, fleet=fleet)
        return self._send(AnalysisView, "POST", "/api/workflows/analyze", request)

    def coverage(self, stage: str, slug: str, bundle: str | None = None) -> CoverageView:
        """Return what a fleet's workflows need and what of it a bundle has, by default the active one."""
        return self._get(CoverageView, f"{_fleet(stage, slug)}/coverage", bundle=bundle)

    def activate(self, stage: str, slug: str, bundle: str | None, *, accept_missing: bool = False) -> PointerView:
        """Point a fleet to a bundle, or to none; refused with `coverage_incomplete` unless what lacks is accepted."""
        request = NewActivation(bundle=bundle, accept_missing=accept_missing)
        return self._send(PointerView, "PUT", f"{_fleet(stage, slug)}/bundle", request)

    def pointer(self, stage: str, slug: str) -> FleetPointerView:
        """Compare what the database and the parameter say of a fleet's bundle."""
        return self._get(FleetPointerView, f"{_fleet(stage, slug)}/pointer")

    def machines(self, stage: str, slug: str) -> FleetMachinesView:
        """Return what the cloud says of a fleet's machines."""
        return self._get(FleetMachinesView, f"{_fleet(stage, slug)}/machines")

    def mend_pointer(self, stage: str, slug: str) -> FleetPointerView:
        """Write the parameter of a fleet again, by the database."""
        return self._send(FleetPointerView, "POST", f"{_fleet(stage, slug)}/pointer/mend")

    def activations(self, stage: str, slug: str, *, limit: int | None = None) -> list[ActivationView]:
        """Return what a fleet pointed to, newest first."""
        return self._get(list[ActivationView], f"{_fleet(stage, slug)}/activations", limit=limit)

    def rename_fleet(self, stage: str, slug: str, name: str) -> FleetView:
        """Change a fleet's name for people."""
        return self._send(FleetView, "PATCH", _fleet(stage, slug), FleetName(name=name))

    def delete_fleet(self, stage: str, slug: str) -> None:
        """Delete a fleet that never had a worker or a job."""
        self._call("DELETE", _fleet(stage, slug))


def _fleet(stage: str, slug: str) -> str:
    return f"/api/fleets/{_part(stage)}/{_part(slug)}"


def _part(text: str) -> str:
    return quote(text, safe="")
