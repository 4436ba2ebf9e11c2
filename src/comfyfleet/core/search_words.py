"""The words that a job is found by, and what somebody who searches for words means."""

import re
from collections.abc import Iterable
from typing import Final

MAX_WORDS_LENGTH: Final = 2_000
"""Characters that are kept of a job's words: enough to find it again, and cheap to look through."""

_PART: Final = re.compile(r"[^\W_]+")


def words_of(texts: Iterable[str], filenames: Iterable[str]) -> str:
    """Return the words of texts and names of files, such as `a red fox clip_7.mp4 clip 7 mp4`, for a column of text.

    Each word of a text stands by itself, for Postgres would take `cat/dog` for the name of one file.
    """
    words = [word for text in texts for word in _PART.findall(text)]
    for filename in filenames:
        words += [filename, *_PART.findall(filename)]
    storable = " ".join(words).replace("\x00", "").encode("utf-8", "ignore").decode()
    return storable[:MAX_WORDS_LENGTH]


def words_query(text: str) -> str | None:
    """Return a Postgres text-search query for all words of `text`; the last may be a beginning.

    A word with punctuation is looked for as it is, and as its parts: an error names `model-1.safetensors`, and a text
    that holds `cat/dog` holds two words. None when there is no word in it.
    """
    words = [word for word in text.replace("\x00", "").split() if _PART.search(word)]
    if not words:
        return None
    return " & ".join([*map(_whole, words[:-1]), _beginning(words[-1])])


def _whole(word: str) -> str:
    return _either(word, [_quoted(part) for part in _PART.findall(word)])


def _beginning(word: str) -> str:
    # Only the last part, and no single letter: Postgres collects all words that begin so before it looks at others.
    *parts, last = _PART.findall(word)
    return _either(word, [*map(_quoted, parts), f"{_quoted(last)}:*" if len(last) > 1 else _quoted(last)])


def _either(word: str, parts: list[str]) -> str:
    return parts[0] if _PART.fullmatch(word) else f"({_quoted(word)} | ({' & '.join(parts)}))"


def _quoted(word: str) -> str:
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
