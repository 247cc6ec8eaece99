"""Slugs do not collide; languages have one spelling."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.languages import language_name, normalized, normalized_list
from workers.video.slugs import free_slug, slug_of


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Getting started", "getting-started"),
        ("Einführung: größer", "einfuhrung-grosser"),
        ("日本語", "ri-ben-yu"),
        ("🎉", "chapter"),
        ("  --  ", "chapter"),
        ("C++ & C#", "c-c"),
    ],
)
def test_titles_of_any_script_have_a_slug(title: str, slug: str) -> None:
    assert slug_of(title) == slug


@given(st.text(max_size=300))
def test_every_slug_fits_the_tables(title: str) -> None:
    slug = slug_of(title)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= 80


@given(st.lists(st.sampled_from(["Setup", "setup", "Set up", "Setup 2", "🎉", "set-up"]), max_size=20))
def test_no_two_titles_share_a_slug(titles: list[str]) -> None:
    taken: set[str] = set()
    for title in titles:
        slug = free_slug(title, taken)
        assert slug not in taken
        taken.add(slug)


@pytest.mark.parametrize(
    ("tag", "spelling"),
    [
        ("de", "de"),
        ("PT_br", "pt-BR"),
        ("zh-hant", "zh-Hant"),
        (" EN ", "en"),
        ("eng", "en"),
        ("sgn-us", "ase"),
    ],
)
def test_a_language_has_one_spelling(tag: str, spelling: str) -> None:
    assert normalized(tag) == spelling


@pytest.mark.parametrize(
    "tag", ["", "und", "x-private", "german", "de-", "d", "qq", "🇩🇪", "en;drop", "e" * 100]
)
def test_what_is_no_language_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="write one such as de"):
        normalized(tag)


def test_each_language_is_wanted_once() -> None:
    assert normalized_list(["de", "DE", "fr", "de"]) == ["de", "fr"]


def test_models_are_told_the_name() -> None:
    assert language_name("pt-BR") == "Portuguese (Brazil)"
