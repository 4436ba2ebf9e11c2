"""`make bench-pages`: the server's time for every list page, and the compressed bytes of a first look."""

import asyncio
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr

from benchmarks.bars import Bar, end
from benchmarks.pages.filling import fill
from comfyfleet import names
from comfyfleet.asgi import create_site
from comfyfleet.cloud.local.postgres.server import EmbeddedPostgres
from comfyfleet.server.auth import service as auth
from comfyfleet.server.auth.guard import SignInGuard
from comfyfleet.server.migrate import migrate
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.wiring import Wiring, wire
from comfyfleet.up.first_start import ADMIN_EMAIL, prepare

RUNS: Final = 60
WARM: Final = 5
P95_LIMIT_MS: Final = 50.0
FIRST_LOAD_LIMIT_KB: Final = 200.0
LISTS: Final = (
    "/admin/jobs",
    "/admin/jobs?status=failed",
    "/admin/jobs?q=memory",
    "/admin/jobs?q=nothing-has-this-word",
    "/admin/jobs?before=500",
    "/admin/workers",
    "/admin/workers?status=lost",
    "/admin/comfyui/assets",
    "/admin/comfyui/assets?sort=name",
    "/admin/comfyui/assets?only=unused",
    "/admin/comfyui/assets?q=model-99",
    "/admin/comfyui/assets?offset=9000",
    "/admin/comfyui/bundles",
    "/admin/comfyui/fleets",
    "/admin/workflows",
    "/admin/effects",
    "/admin/tenants",
    "/admin/audit",
    "/admin",
    "/runs",
    "/",
)
FIRST_LOOKS: Final = ("/", "/effects/caption-video", "/sign-in", "/admin", "/admin/jobs", "/admin/comfyui/assets")
_LOADED: Final = re.compile(r'<(?:script[^>]* src|link rel="(?:stylesheet|icon)" href)="([^"]+)"')
_IMPORTED: Final = re.compile(r'^import [^"]*"\./([^"]+)"', re.MULTILINE)


def main() -> int:
    """Measure, print, and return 0 when all bars hold."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as postgres:
        return asyncio.run(measure(postgres.url, Path(folder)))


async def measure(url: str, folder: Path) -> int:
    """Fill the database of `url`, look at every page, and report."""
    settings = ServerSettings(
        database_url=url,
        app_key=SecretStr("a-key-for-this-benchmark"),
        comfyui_fleet_secret=SecretStr("a-secret-for-this-benchmark"),
        objects_folder=folder / "objects",
    )
    wiring = wire(settings)
    await migrate(wiring.engine)
    password = await prepare(wiring, "gpu-default")
    print("filling the database …", flush=True)
    await fill(url)
    transport = httpx.ASGITransport(create_site(wiring))
    cookies = {names.SESSION_COOKIE: await session_of(wiring, password or "")}
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", cookies=cookies) as client:
        times = {path: await times_of(client, path) for path in LISTS}
        sizes = {path: await first_load(client, path) for path in FIRST_LOOKS}
    await wiring.engine.dispose()
    return report(times, sizes)


async def session_of(wiring: Wiring, password: str) -> str:
    """Sign the administrator in, and choose a password; return the session's token."""
    async with wiring.sessions.begin() as session:
        user, _ = await auth.sign_in(
            session, SignInGuard(), ADMIN_EMAIL, password, now=wiring.clock(), lasts_seconds=3600
        )
        await auth.change_password(session, auth.principal_of(user), password, "a password for this benchmark")
        _, token = await auth.sign_in(
            session,
            SignInGuard(),
            ADMIN_EMAIL,
            "a password for this benchmark",
            now=wiring.clock(),
            lasts_seconds=3600,
        )
    return token


async def times_of(client: httpx.AsyncClient, path: str) -> list[float]:
    """Return how many milliseconds the app takes to answer, `RUNS` times after some that warm it."""
    found = []
    for run in range(WARM + RUNS):
        start = time.perf_counter()
        answer = await client.get(path, headers={"Accept-Encoding": "gzip"})
        taken = 1000 * (time.perf_counter() - start)
        answer.raise_for_status()
        if run >= WARM:
            found.append(taken)
    return found


async def first_load(client: httpx.AsyncClient, path: str) -> float:
    """Return the compressed kB of a page with all that it loads before anybody touches it."""
    total, waiting, seen = 0, [path], set[str]()
    while waiting:
        address = waiting.pop()
        if address.split("?", 1)[0] in seen:
            continue
        seen.add(address.split("?", 1)[0])
        async with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
            content = b"".join([chunk async for chunk in answer.aiter_raw()])
            total += len(content)
            text = (await read(client, address)).text
        waiting += _LOADED.findall(text) if address == path else []
        waiting += [f"/static/{name}" for name in _IMPORTED.findall(text)] if ".js" in address else []
    return total / 1000


async def read(client: httpx.AsyncClient, address: str) -> httpx.Response:
    """Return an answer as a browser reads it."""
    answer = await client.get(address)
    answer.raise_for_status()
    return answer


def report(times: dict[str, list[float]], sizes: dict[str, float]) -> int:
    """Print what was measured, and whether the bars hold."""
    figures: dict[str, dict[str, float]] = {}
    print(f"{'page':<48} {'median ms':>10} {'p95 ms':>8} {'max ms':>8}")
    for path, found in times.items():
        p95 = statistics.quantiles(found, n=20)[-1]
        figures[path] = {"median_ms": statistics.median(found), "p95_ms": p95, "max_ms": max(found)}
        print(f"{path:<48} {statistics.median(found):10.1f} {p95:8.1f} {max(found):8.1f}")
    print(f"\n{'first look':<48} {'kB compressed':>14}")
    for path, size in sizes.items():
        print(f"{path:<48} {size:14.1f}")
    bars = {
        "slowest_p95_ms": Bar(P95_LIMIT_MS, max(one["p95_ms"] for one in figures.values())),
        "largest_first_load_kb": Bar(FIRST_LOAD_LIMIT_KB, max(sizes.values())),
    }
    return end("pages", RUNS, figures | {"first_load_kb": sizes}, {}, bars)


if __name__ == "__main__":
    raise SystemExit(main())
