"""A profile as a PDF: in every script, with text that can be copied, dates no more precise than they are."""

from __future__ import annotations

import io
from pathlib import Path

import pypdfium2
import pytest
from babel import Locale

from headway import ConfigError, InvalidRequest
from workers.cv.export.document import ExportedProfile, render_profile
from workers.cv.export.fonts import typefaces
from workers.cv.export.wording import HEADINGS, is_right_to_left, locale_of, shown_date, shown_period
from workers.cv.records import Board, Education, FullProfile, Language, Profile, Work

WHOLE = FullProfile(
    profile=Profile(
        first_name="Łukasz", last_name="Żółkiewski", professional_headline="Leiter Einkauf",
        email="l@example.com", phone="+48 22 123", location="Łódź", website="https://example.com/l",
        bio="Źdźbło i święto.",
        skills=["Rachunkowość"], languages=[Language(language="Türkçe", level="B2")], sectors=["Energia"],
    ),
    work_experience=[
        Work(title="مديرة مالية", company="شركة الواحة", start_date="2012", end_date="2019-05"),
        Work(title="מנהלת מוצר", company="כרמל", start_date="2019", key_achievements=["ראשון"]),
        Work(title="Kupiec", company="Młyn", start_date="2019-03", is_current=True),
    ],
    board_experience=[Board(role="Chair", organization="Bank", start_date="2020-02-29", is_current=True)],
    education=[Education(degree="BA", institution="Oxford", graduation_year=2001, honors=["First"])],
)  # fmt: skip


def text_of(exported: ExportedProfile) -> str:
    with pypdfium2.PdfDocument(io.BytesIO(exported.content)) as pdf:
        return "".join(page.get_textpage().get_text_range() for page in pdf)


@pytest.fixture(scope="module")
def exported() -> ExportedProfile:
    return render_profile(WHOLE, Locale.parse("en"))


def test_every_script_can_be_copied_again(exported: ExportedProfile) -> None:
    text = text_of(exported)
    for part in (
        "Łukasz Żółkiewski", "Źdźbło", "Türkçe (B2)", "مديرة", "الواحة", "מנהלת", "ראשון", "l@example.com",
        "Mar 2019 – present", "Feb 29, 2020 – present", "2001",
    ):  # fmt: skip
        assert part in text, part
    assert (exported.pages, exported.missing) == (1, "")


def test_contact_details_stay_out_when_asked() -> None:
    latin = WHOLE.model_copy(update={"work_experience": WHOLE.work_experience[2:]})
    text = text_of(render_profile(latin, Locale.parse("de"), contact=False))
    assert "l@example.com" not in text
    assert "+48" not in text
    assert "Berufserfahrung" in text


def test_links_are_only_to_the_web(exported: ExportedProfile) -> None:
    assert exported.content.count(b"/URI (") == 1
    assert b"/URI (https://example.com/l)" in exported.content


def test_a_long_career_takes_several_pages() -> None:
    jobs = [
        Work(title=f"Job {n}", company="Acme", start_date="2000", description="word " * 150)
        for n in range(40)
    ]
    exported = render_profile(FullProfile(work_experience=jobs), Locale.parse("en"))
    assert exported.pages > 5
    text = text_of(exported)
    assert all(f"Job {n}" in text for n in range(40))


def test_an_empty_profile_is_a_page() -> None:
    assert render_profile(FullProfile(), Locale.parse("ar")).pages == 1


def test_a_font_of_ones_own_is_checked(tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_text("none")
    with pytest.raises(ConfigError, match="HEADWAY_CV_FONT_FILES"):
        typefaces(["山"], tmp_path, [tmp_path / "no.ttf"])


@pytest.mark.parametrize(
    ("value", "language", "expected"),
    [
        ("2019", "en", "2019"), ("2019-03", "en", "Mar 2019"), ("2019-03-15", "en", "Mar 15, 2019"),
        ("2019-03", "de", "März 2019"), ("2019-03-15", "de", "15.03.2019"), ("2019-03", "fr", "mars 2019"),
    ],
)  # fmt: skip
def test_dates_are_no_more_precise_than_they_are(value: str, language: str, expected: str) -> None:
    assert shown_date(value, Locale.parse(language)) == expected


def test_periods() -> None:
    german = Locale.parse("de")
    assert shown_period("2019", None, True, german) == "2019 – heute"
    assert shown_period(None, "2019", False, german) == "2019"
    assert shown_period("2019", None, False, german) == "2019"
    assert shown_period(None, None, False, german) == ""


def test_directions() -> None:
    assert is_right_to_left("123 שלום")
    assert is_right_to_left("مرحبا world")
    assert not is_right_to_left("world مرحبا")
    assert not is_right_to_left("12345")


def test_languages() -> None:
    assert all(str(locale_of(language)) == language for language in HEADINGS)
    with pytest.raises(InvalidRequest) as refused:
        locale_of("tlh")
    assert refused.value.details == "language"


def test_where_a_job_was_and_what_a_grade_is() -> None:
    whole = FullProfile(
        profile=Profile(languages=[Language(language="Englisch", level="fließend (C1)")]),
        work_experience=[Work(title="Leiter", company="Neckar GmbH", location="Ulm", company_size="450")],
        board_experience=[Board(role="Beirat", organization="Museum", sector="Kultur")],
        education=[Education(degree="Abitur", institution="Gymnasium", gpa="1,7", honors=["Preis"])],
    )
    text = text_of(render_profile(whole, Locale.parse("de")))
    for part in ("Ulm · 450", "Kultur", "Note: 1,7, Preis", "Englisch – fließend (C1)"):
        assert part in text, part


def test_a_script_without_a_font_is_refused_and_a_rare_sign_is_not() -> None:
    with pytest.raises(InvalidRequest, match="no font of the worker has") as refused:
        render_profile(FullProfile(profile=Profile(first_name="美咲", last_name="田中")), Locale.parse("en"))
    assert refused.value.code == "font_missing"
    assert "HEADWAY_CV_FONT_FILES" in (refused.value.hint or "")
    fine = render_profile(
        FullProfile(profile=Profile(first_name="Ada", bio="Ships it 🚀")), Locale.parse("en")
    )
    assert fine.missing == "🚀"
