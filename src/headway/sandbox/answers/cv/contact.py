"""Finds how a person is reached: e-mail, phone, links, and where they live."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headway.sandbox.answers.cv.dates import find_span
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.sections import Cv
from headway.sandbox.answers.cv.words import company_score, is_place, title_score

__all__ = ["Contact", "find_contact", "find_email", "is_contact_line", "strip_contact"]

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_LINKEDIN = re.compile(r"(?:https?://)?(?:[\w-]+\.)?linkedin\.com/(?:in|pub)/[\w%.-]+/?", re.IGNORECASE)
_URL = re.compile(
    r"(?:https?://|www\.)[^\s|,;()<>·•]+|(?<![\w.@-])(?:[a-z0-9-]{1,63}\.){1,5}(?:com|org|net|io|dev|me|de|fr|es|it|uk|eu|nl|pl|ch|at|"
    r"be|info|tech|ai|app|co|pt|se|no|dk|fi|ie|in|ca|au|design|blog|page|site|online)(?:/[^\s|,;()<>·•]*)?(?![\w@.])",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w/.-])(?:\(?\+|00)?\(?\d[\d\s().\u2011/-]{6,20}\d(?![\w/])")
_PHONE_LABEL = re.compile(
    r"(?:phone|tel\w*|mobile?|mob|cell|handy|fon|gsm|portable|movil|cellulare|telemovel|telefone|puhelin|тел\w*|"
    r"هاتف|جوال|טלפון|נייד|電話|电话|手机)\W{0,3}",
)
_PLACE_LABEL = re.compile(
    r"^(?:address|location|adresse|anschrift|wohnort|ort|domicile|lieu|direccion|ubicacion|lugar|domicilio|"
    r"residencia|indirizzo|residenza|citta|endereco|morada|localidade|adres|woonplaats|plaats|adress|bopel|"
    r"bosted|osoite|miejsce zamieszkania|city|based in|lives in|home|bydliste|адрес|город|العنوان|المدينة|"
    r"כתובת|מגורים|住所|地址)\s*[:：]\s*(.+)$",
)
_SEPARATOR = re.compile(r"\s*[|·•;¦]\s*|\s{3,}|\s+[–—/-]\s+")
_PARTS = re.compile(rf"{_SEPARATOR.pattern}|,\s+")
# Small pictures before an address, a number, a place.
_SYMBOL = re.compile("[\u2600-\u2604\u2606-\u27bf\U0001f300-\U0001faff\ue000-\uf8ff]\ufe0f?")
_SOCIAL = re.compile(
    r"github|gitlab|twitter|x\.com|facebook|instagram|xing|stackoverflow|medium\.com", re.IGNORECASE
)
_LABEL = re.compile(r"^[^\W\d][^:：|]{0,24}[:：]\s*")
_HEAD_LINES = 12


@dataclass(frozen=True, slots=True)
class Contact:
    """How a person is reached; ``None`` for what the CV does not say."""

    email: str | None
    phone: str | None
    linkedin_url: str | None
    website: str | None
    location: str | None


def find_contact(cv: Cv) -> Contact:
    """The person's contact data.

    Args:
        cv: By sections.
    """
    near = [*cv.head, *cv.of("contact")]
    lines = near if any(_EMAIL.search(line.text) for line in near) else [*near, *cv.lines]
    texts = [line.text for line in lines]
    linkedin = _first(_LINKEDIN, [*texts, *(line.text for line in cv.lines)])
    return Contact(
        email=find_email(cv),
        phone=_phone([line.text for line in near] or texts),
        linkedin_url=linkedin.rstrip("/.") if linkedin else None,
        website=_website(texts),
        location=_location(near),
    )


def find_email(cv: Cv) -> str | None:
    """The person's e-mail address: the first one.

    Args:
        cv: By sections.
    """
    near = [*cv.head, *cv.of("contact"), *cv.lines]
    email = _first(_EMAIL, [line.text for line in near])
    return email.rstrip(".") if email else None


def is_contact_line(text: str) -> bool:
    """Whether a line says how somebody is reached.

    Args:
        text: One line.
    """
    return bool(
        _EMAIL.search(text)
        or _LINKEDIN.search(text)
        or (_phones(text) and find_span(text) is None)
        or re.match(r"^\s*(?:https?://|www\.)", text)
    )


def strip_contact(text: str) -> str:
    """A line without e-mail addresses, links and phone numbers.

    Args:
        text: One line.
    """
    for pattern in (_EMAIL, _LINKEDIN, _URL, _SYMBOL):
        text = pattern.sub(" | ", text)
    for phone in _phones(text):
        text = text.replace(phone, " | ")
    return text


def _first(pattern: re.Pattern[str], texts: Sequence[str]) -> str | None:
    return next((match[0] for text in texts if (match := pattern.search(text))), None)


def _phones(text: str) -> list[str]:
    found = []
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if 7 <= len(digits) <= 15 and not re.fullmatch(r"\s*(?:19|20)\d\d\W+(?:19|20)\d\d\s*", match[0]):
            found.append(match[0].strip())
    return found


def _phone(texts: Sequence[str]) -> str | None:
    candidates: list[tuple[int, str]] = []
    for text in texts:
        cleaned = _URL.sub(" ", _EMAIL.sub(" ", text))
        for phone in _phones(cleaned):
            labelled = bool(_PHONE_LABEL.search(fold(cleaned.split(phone)[0])))
            alone = phone in (part.strip(" ;|/") for part in _PARTS.split(cleaned))
            if find_span(phone) is None or labelled or phone.startswith(("+", "00")):
                signs = phone.startswith(("+", "00", "(", "0"))
                candidates.append((3 * labelled + 2 * signs + alone, phone))
    best = max(candidates, key=lambda each: each[0], default=None)
    # Without a sign of being one, a long number is anything: a register's, a card's.
    return best[1] if best and best[0] > 0 else None


def _website(texts: Sequence[str]) -> str | None:
    for text in texts:
        for match in _URL.finditer(_LINKEDIN.sub(" ", _EMAIL.sub(" ", text))):
            url = match[0].rstrip("./")
            if not _SOCIAL.search(url) and "linkedin" not in url.lower():
                return url
    return None


def _location(near: Sequence[Line]) -> str | None:
    for line in near:
        if match := _PLACE_LABEL.match(fold(line.text)):
            return strip_contact(line.text[-len(match[1]) :]).strip(" |,;") or None
    for line in near[:_HEAD_LINES]:
        for part in _SEPARATOR.split(strip_contact(line.text)):
            text = _LABEL.sub("", part).strip(" ,;|/")
            if is_place(text) and title_score(text) == 0 and find_span(text) is None:
                return text
    # Beside an address or a number, what is left of the line is a place more often than anything else.
    for line in near[:_HEAD_LINES]:
        if not is_contact_line(line.text):
            continue
        for part in _SEPARATOR.split(strip_contact(line.text)):
            text = part.strip(" ,;|/")
            if (
                re.fullmatch(r"[^\W\d_][^\d@:/]{1,40}", text)
                and len(text.split()) <= 5
                and not _LABEL.match(part)
                and not (title_score(text) or company_score(text))
                and not _PHONE_LABEL.fullmatch(fold(text))
                and fold(text) not in ("e-mail", "email", "mail", "linkedin", "github", "web", "website", "e")
                and line is not near[0]
            ):
                return text
    return None
