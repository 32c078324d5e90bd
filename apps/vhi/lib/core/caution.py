"""A warning that knows what it is about, so that nobody has to guess it from the words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

About = Literal["t1w", "plane", "region", "marrow", "coverage", "fat suppression", "motion"]


class Caution(str):
    """A sentence for the reader of a result; `about` says what of the scan it is about."""

    about: About

    def __new__(cls, sentence: str, about: About) -> Caution:
        made = super().__new__(cls, sentence)
        made.about = about
        return made

    def __reduce__(self) -> tuple[type[Caution], tuple[str, About]]:
        return Caution, (str(self), self.about)


def cautions(about: About, sentences: Iterable[str]) -> tuple[Caution, ...]:
    """Sentences about one thing."""
    return tuple(Caution(sentence, about) for sentence in sentences)
