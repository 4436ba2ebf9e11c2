"""`Account` on this machine and on STS."""

from tests.ports.cloud.sites import DISK, LAB, MEMORY, MOTO, Site, on


@on(DISK, MEMORY, MOTO, LAB)
def test_an_account_tells_who_we_are(site: Site) -> None:
    identity = site.cloud.account.identity()
    assert len(identity.account) == 12
    assert identity.account.isdigit()
    assert identity.region
    assert identity.arn
