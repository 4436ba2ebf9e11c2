from comfyfleet.client.events import ServerEvent, parse_events


def test_events_are_read_and_comments_dropped() -> None:
    lines = [": hello", "", "event: job", 'data: {"id": 1}', "", ": keep-alive", "", "data:plain", ""]
    assert list(parse_events(lines)) == [ServerEvent("job", '{"id": 1}'), ServerEvent("message", "plain")]


def test_data_over_several_lines_is_joined() -> None:
    assert list(parse_events(["data: a", "data:  b", ""])) == [ServerEvent("message", "a\n b")]


def test_an_event_that_the_stream_cuts_off_is_not_told() -> None:
    assert list(parse_events(["event: job", "data: {"])) == []
