"""`Account` on this machine and on STS."""

from comfyfleet.cloud.fleet_ports import Account


def test_an_account_tells_who_we_are(account: Account) -> None:
    identity = account.identity()
    assert len(identity.account) == 12
    assert identity.account.isdigit()
    assert identity.region
    assert identity.arn
