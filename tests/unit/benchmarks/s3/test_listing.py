"""Listings: order, prefixes, delimiters and pages."""

import pytest
from benchmarks.s3.bucket import Stored
from benchmarks.s3.listing import Ask, ListingInvalid, page_of, page_xml, read_ask

STORED = [Stored(key, 1, 0) for key in ("b", "a/2", "a/1", "a/sub/3", "c & d")]


def keys(ask: Ask) -> list[str]:
    return [one.key for one in page_of(STORED, ask).objects]


def test_keys_come_in_order() -> None:
    assert keys(Ask()) == ["a/1", "a/2", "a/sub/3", "b", "c & d"]


def test_a_prefix_chooses() -> None:
    assert keys(Ask(prefix="a/s")) == ["a/sub/3"]


def test_a_delimiter_folds_what_lies_deeper() -> None:
    page = page_of(STORED, Ask(prefix="a/", delimiter="/"))
    assert [one.key for one in page.objects] == ["a/1", "a/2"]
    assert page.prefixes == ("a/sub/",)


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_together_give_everything_once(delimiter: str, size: int) -> None:
    whole = page_of(STORED, Ask(delimiter=delimiter))
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = page_of(STORED, Ask(delimiter=delimiter, after=after, max_keys=size))
        seen += [*(one.key for one in page.objects), *page.prefixes]
        after = page.next_after
        if not after:
            break
    assert sorted(seen) == sorted([*(one.key for one in whole.objects), *whole.prefixes])


def test_a_token_leads_to_the_rest() -> None:
    ask = Ask(max_keys=2)
    xml = page_xml("bucket", ask, page_of(STORED, ask)).decode()
    token = xml.partition("<NextContinuationToken>")[2].partition("<")[0]
    assert keys(read_ask({"continuation-token": token})) == ["a/sub/3", "b", "c & d"]


def test_keys_are_escaped_or_encoded() -> None:
    page = page_of(STORED, Ask())
    assert b"<Key>c &amp; d</Key>" in page_xml("bucket", Ask(), page)
    assert b"<Key>c%20%26%20d</Key>" in page_xml("bucket", Ask(encodes=True), page)


@pytest.mark.parametrize("query", [{"max-keys": "many"}, {"continuation-token": "no token!"}])
def test_a_query_without_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ListingInvalid):
        read_ask(query)
