"""The operator at the fleet's page: a plan is looked at, agreed to, and followed to its end."""

import time
from html.parser import HTMLParser
from typing import Any, Final, Self

import httpx

from lab.runbook.operator import StepFailed
from lab.runbook.site import Site

_PATIENCE_SECONDS: Final = 300


class FleetPage:
    """A fleet's page of a control plane, opened with an operator's key in place of a session."""

    def __init__(self, site: Site, stage: str, fleet: str) -> None:
        headers = {"Authorization": f"Bearer {site.key}"}
        self._http = httpx.Client(base_url=site.url, headers=headers, timeout=60)
        self._path = f"/admin/comfyui/fleets/{stage}/{fleet}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def does(self, verb: str, **wishes: str) -> None:
        """Agree to a verb's plan and show what it says.

        Raises:
            StepFailed: There is no plan, or the operation does not succeed.
        """
        address = f"{self._path}/verbs/{verb}"
        print(f"  at {address}", flush=True)
        form = _Agreement()
        form.feed(self._http.get(address, params=wishes).text)
        answer = self._http.post(address, data=form.fields)
        if answer.status_code != 303:
            raise StepFailed(f"The page does not begin: {answer.status_code} {answer.text[:500]}")
        operation = self._end_of(answer.headers["location"])
        for line in self._http.get(f"{answer.headers['location']}/log").text.splitlines():
            print(f"    {line}")
        print(f"    {operation['status']}: {operation['outcome']}")
        if operation["status"] != "succeeded":
            raise StepFailed(f"{operation['title']}: {operation['outcome']}")

    def _end_of(self, page: str) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            number = page.rpartition("/")[2]
            found: dict[str, Any] = self._http.get(f"/api/operations/{number}").raise_for_status().json()["data"]
            if found["status"] != "running":
                return found
            time.sleep(0.5)
        raise StepFailed(f"{page} did not end in {_PATIENCE_SECONDS} s.")


class _Agreement(HTMLParser):
    """What the form below a plan sends."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and found.get("type") == "hidden":
            self.fields[str(found["name"])] = found.get("value") or ""
