import pytest

from comfyfleet.core.search_words import MAX_WORDS_LENGTH, words_of, words_query


def test_words_of_texts_stand_by_themselves_and_names_of_files_also_as_they_are() -> None:
    assert words_of(["A cat/dog, 3x"], ["my_clip-7.mp4"]) == "A cat dog 3x my_clip-7.mp4 my clip 7 mp4"


def test_words_can_be_stored_whatever_was_typed() -> None:
    assert words_of(["nul\x00here \ud800 ünï 猫"], ["a\x00b.png"]) == "nul here ünï 猫 ab.png a b png"
    assert len(words_of(["word " * 10_000], [])) == MAX_WORDS_LENGTH


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("fox", "'fox':*"),
        ("red fox", "'red' & 'fox':*"),
        ("model-1.safetensors", "('model-1.safetensors' | ('model' & '1' & 'safetensors':*))"),
        ("it's red", "('it''s' | ('it' & 's')) & 'red':*"),
        ("a\\b", "('a\\\\b' | ('a' & 'b'))"),
        ("x", "'x'"),
        (" & | ! :* ", None),
        ("", None),
    ],
)
def test_a_search_is_for_all_words_and_the_last_may_be_a_beginning(typed: str, query: str | None) -> None:
    assert words_query(typed) == query
