"""The library: its assets, and the files that become some. The page's script uploads by the same API as programs."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response

from comfyfleet.core.assets import ARCHIVE_SUFFIXES, KIND_OF_FOLDER, SUFFIXES_TAKEN, AssetKind
from comfyfleet.protocol.library import NewAssetImport
from comfyfleet.server.assets import importing, repository
from comfyfleet.server.assets.repository import AssetFilter, AssetOrder
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.web.admin import render_admin
from comfyfleet.web.findings import scan_of
from comfyfleet.web.forms import validated
from comfyfleet.web.notices import done
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/comfyui/assets", include_in_schema=False)

ASSETS_ON_A_PAGE: Final = 50
_FOLDER_RULES: Final = {
    "suffixes": SUFFIXES_TAKEN,
    "archives": ARCHIVE_SUFFIXES,
    "kinds": {folder: kind for folder, kind in KIND_OF_FOLDER.items() if kind is not AssetKind.OTHER},
}
"""What the page's script takes of a folder, and as which kind."""

Text = Annotated[str, Query(max_length=300)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Line = Annotated[str, Form(max_length=5000)]


@router.get("")
async def show_assets(
    request: Request,
    viewer: Viewer,
    session: Transaction,
    q: Text = "",
    kind: Text = "",
    sort: AssetOrder = AssetOrder.NEWEST,
    only: Text = "",
    expect: Text = "",
    offset: Offset = 0,
) -> Response:
    """List assets; `expect` and `kind` tell of a file that some other page found missing."""
    chosen = AssetKind(kind) if kind in set(AssetKind) else None
    wanted = AssetFilter(
        clean(q.strip()),
        None if expect else chosen,
        is_unused=only == "unused",
        is_quarantined=only == "quarantined",
    )
    total, size = await repository.count(session, wanted)
    found = await repository.search(session, wanted, sort, limit=ASSETS_ON_A_PAGE, offset=offset)
    expected = await repository.by_filename(session, _base(clean(expect)), 1) if expect else []
    context = {
        "assets": found,
        "uses": await repository.use_counts(session, [asset.id for asset in found]),
        "scans": {asset.id: scan_of(asset) for asset in found},
        "q": q,
        "kind": chosen.value if chosen and not expect else "",
        "kinds": [kind.value for kind in AssetKind],
        "sort": sort.value,
        "only": only,
        "expect": expect,
        "expected": expected[0] if expected else None,
        "expected_kind": chosen.value if chosen and expect else "",
        "rules": _FOLDER_RULES,
        "total": total,
        "size": size,
        "offset": offset,
        "limit": ASSETS_ON_A_PAGE,
    }
    return render_admin(request, viewer, "assets/list.html", context)


@router.post("/import")
async def import_asset(
    request: Request,
    operator: Operator,
    wiring: WiringDep,
    url: Line,
    sha256: Line = "",
    kind: Line = "",
    notes: Line = "",
) -> Response:
    """Bring a file from a URL into the library."""
    new = validated(
        NewAssetImport, url=url.strip(), sha256=sha256.strip().lower() or None, kind=kind or None, notes=notes
    )
    standing = await importing.begin(wiring, operator, new)
    request.app.state.arrivals.wake()
    return done(request, f"/admin/comfyui/assets/imports/{standing.upload.id}", "The import has begun.")


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
