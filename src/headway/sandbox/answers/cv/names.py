"""Finds whose CV it is, and how they call themselves in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from headway.sandbox.answers.cv.contact import is_contact_line, strip_contact
from headway.sandbox.answers.cv.dates import find_span
from headway.sandbox.answers.cv.folding import fold, fold_level, folded_words
from headway.sandbox.answers.cv.headings import heading_of
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.sections import Cv
from headway.sandbox.answers.cv.vocabulary import pattern, phrases
from headway.sandbox.answers.cv.words import company_score, is_place, title_score

__all__ = ["bring_name_forward", "find_headline", "find_name", "split_name"]

_LABEL = re.compile(
    r"^(?:full )?(?:name|nom|nombre|nome|naam|namn|navn|nimi|imie i nazwisko|jmeno|nev|ad soyad|"
    r"vor- und nachname|nom et prenom|prenom et nom|nombre y apellidos|nome e cognome|фио|имя|الاسم|שם|"
    r"氏名|姓名|이름)\s*[:：]\s*(.+)$"
)
_FIRST_LABEL = re.compile(
    r"^(?:first name|given names?|vorname|prenom|nombres?|nome|voornaam|fornamn|fornavn|imie)\s*[:：]\s*(.+)$"
)
_LAST_LABEL = re.compile(
    r"^(?:last name|family name|surname|nachname|familienname|nom|nom de famille|apellidos?|cognome|apelido|"
    r"sobrenome|achternaam|efternamn|etternavn|nazwisko)\s*[:：]\s*(.+)$"
)
_PAPER = pattern("papers")
_PERSONAL = pattern("personal")
_TITLES = re.compile(
    r"^(?:(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|dame|lord|lady|rev|herr|frau|monsieur|madame|mme|m|sr|sra|"
    r"don|dona|dott|dott\.ssa|ing|dipl|univ|hon|eng|arch|mag|med|h\.c|phd|rer|nat|habil|-ing|inz|mgr|lic)\b\.?[\s-]*)+",
)
_SUFFIXES = re.compile(
    r"(?:[,\s]+(?:phd|ph\.d|mba|msc|m\.sc|bsc|b\.sc|ma|m\.a|ba|b\.a|md|m\.d|jd|cpa|cfa|acca|fca|aca|pmp|llm|ll\.m|"
    r"meng|beng|dphil|rn|esq|jr|sr|ii|iii|obe|mbe|cbe|dbe|kbe|qc|kc|frs|fba|freng|jp|frsa|pe|p\.eng|cissp|mbcs|fcca|cima|acma|dipl\.?-ing)\.?)+$"
)
# Russian papers often begin with the family's name, which its ending tells.
_FAMILY_FIRST = re.compile(r"[а-яё](?:ова?|ева?|ёва?|ина?|ский|ская|енко|чук|юк)$")
# ", RN, BSN": letters behind a name, whatever they stand for.
_LETTERS = re.compile(r"(?:,\s*[A-Z][A-Za-z]?[A-Z.-]{1,6}[A-Z.]?)+$")
# "Adaeze Okonkwo MBBS MRCP(UK)": the same without commas, behind words in small letters.
_LETTERS_BEHIND = re.compile(
    # Looked at before they are taken: a word can be matched in one way only, whatever stands in the line.
    r"((?=\S*[a-zß-ÿ])\S+(?:[ ](?=\S*[a-zß-ÿ.])\S+){1,5})"
    r"(?:[ ](?=\S{0,20}[A-Z]\S{0,20}[A-Z])[A-Z][A-Za-z]{1,20}(?:\([A-Za-z]{1,20}\))?){1,6}$"
)
_NICKNAME = re.compile(r"\s+[(\"“„][^\W\d_]{2,15}[)\"”“]")
_MARGIN = ("contact", "skills", "languages", "sectors", "other")
_MOST_WORDS = 6
_SEARCHED = 8
_HIGH_UP = 4
_DIVIDED = re.compile(r"\s*[|·•–—]\s*|\s+-\s+|\s{3,}")


def find_name(
    head: Sequence[Line], lines: Sequence[Line], email: str | None, *, iberian: bool = False
) -> tuple[str, str, str] | None:
    """First name, last name, and the line that they were found in.

    Args:
        head: The lines before the first heading.
        lines: Of contact sections and the like, where the head has no name.
        email: The person's address, which often tells the name.
        iberian: Whether the CV is Spanish or Portuguese.
    """
    everything = [*head[: _SEARCHED * 2], *lines]
    first = _labelled(_FIRST_LABEL, everything)
    last = _labelled(_LAST_LABEL, everything)
    if first and last:
        return first, last, f"{first} {last}"
    if whole := _labelled(_LABEL, everything):
        cleaned = _clean(whole)
        if cleaned is not None:
            return *split_name(cleaned, iberian=iberian), whole
    best: tuple[float, str, str] | None = None
    for place, line in enumerate(everything[: _SEARCHED * 2]):
        for part in _DIVIDED.split(strip_contact(line.text)):
            name = _clean(part, small=part.strip().islower())
            if name is None or (part.strip().islower() and _told_by(email, name) < 0.5):
                continue
            score = 1.0 / (1 + place) + 2 * _told_by(email, name)
            if best is None or score > best[0]:
                best = (score, name, line.text)
    if best is not None:
        return *split_name(best[1], iberian=iberian), best[2]
    # Given and family name in two lines, as large as the page allows.
    for above, below in pairwise(head[:_HIGH_UP]):
        two = f"{above.text} {below.text}"
        if len(two.split()) == 2 and (name := _clean(two)) is not None:
            return *split_name(name, iberian=iberian), below.text
    return None


def bring_name_forward(cv: Cv, email: str | None) -> None:
    """Move a name that stands below the lists of a margin, as in a LinkedIn export, to the head of the CV.

    Args:
        cv: By sections; changed in place.
        email: The person's address, which tells the name.
    """
    named = [name for line in cv.head if (name := _clean(line.text)) is not None]
    if any(_told_by(email, name) >= 0.5 for name in named):
        return
    for told in (True, False):
        for kind in _MARGIN:
            lines = cv.sections.get(kind, [])
            for place, line in enumerate(lines):
                name = _clean(line.text)
                if name is None:
                    continue
                # Where the address tells nothing, a name is what stands above a title.
                below = lines[place + 1].text if place + 1 < len(lines) else ""
                if _told_by(email, name) >= 0.5 if told else not named and title_score(below) >= 0.5:
                    begins = cv.begins.get(kind, [])
                    end = next((begin for begin in begins if begin > place), len(lines))
                    cv.head[:0] = lines[place:end]
                    cv.sections[kind] = [*lines[:place], *lines[end:]]
                    cv.begins[kind] = [begin if begin <= place else begin - end + place for begin in begins]
                    return


def split_name(name: str, *, iberian: bool = False) -> tuple[str, str]:
    """Given names and family names.

    Args:
        name: Without titles.
        iberian: Whether the CV is Spanish or Portuguese, where people have two family names.
    """
    if "," in name:
        last, _, first = name.partition(",")
        return _cased(first.strip()), _cased(last.strip())
    words = name.split()
    if len(words) == 1:
        # Chinese, Japanese and Korean names stand without a space, the family's first.
        if re.fullmatch(r"[\u4e00-\u9fff\uac00-\ud7af]{2,4}", name):
            return name[1:], name[:1]
        return _cased(name), ""
    shouted = [word.isupper() and len(word) > 2 for word in words]
    # The point of an initial is not a word in small letters.
    if any(shouted) and any(word[1:2].islower() for word in words):
        # "DUPONT Marie", "Marie DUPONT": the capitals are the family's.
        family = [word for word, loud in zip(words, shouted, strict=True) if loud]
        given = [word for word, loud in zip(words, shouted, strict=True) if not loud]
        return _cased(" ".join(given)), _cased(" ".join(family))
    if _FAMILY_FIRST.search(words[0].lower()) and not _FAMILY_FIRST.search(words[1].lower()):
        return _cased(" ".join(words[1:])), _cased(words[0])
    cut = len(words) - 1
    for place in range(1, len(words) - 1):
        if fold(words[place]) in phrases("particles"):
            cut = place
            break
    else:
        spanish = iberian or any(letter in "ñãõ" for letter in name.lower())
        if len(words) == 4 and (spanish or fold(words[1]) in phrases("second_given")):
            cut = 2
        elif len(words) == 3 and spanish and fold(words[1]) not in phrases("second_given"):
            cut = 1
    return _cased(" ".join(words[:cut])), _cased(" ".join(words[cut:]))


def find_headline(head: Sequence[Line], name_line: str | None) -> str | None:
    """What the person calls themself, in the lines below the name.

    Args:
        head: The lines before the first heading.
        name_line: The line with the name.
    """
    texts = [line.text for line in head]
    start = texts.index(name_line) if name_line in texts else -1
    if name_line is not None and start >= 0:
        for part in _DIVIDED.split(strip_contact(name_line))[1:]:
            if title_score(part) and not is_place(part):
                return part.strip(" ,")
    for text in texts[start + 1 : start + 1 + _SEARCHED]:
        rest = strip_contact(text)
        if (
            text[:1].isdigit()
            or is_contact_line(text)
            or ":" in text[:20]
            or _PERSONAL.search(fold(text))
            or (title_score(text) == 0 and any(letter.isdigit() for letter in text))
            or text.count("|") > 1
            or find_span(text)
        ):
            continue
        if is_place(text) or _PAPER.search(fold(text)) or heading_of(text):
            continue
        if len(text.split()) <= 14 and not text.endswith((".", "!")) and re.search(r"[^\W\d_]{3}", rest):
            parts = [part for part in _DIVIDED.split(text) if part and not is_place(part)]
            return " ".join(parts[:1]).strip(" |·•–—-") if len(parts) == 1 else text.strip(" |·•–—-")
    return None


def _labelled(pattern: re.Pattern[str], lines: Sequence[Line]) -> str | None:
    for line in lines:
        for part in re.split(r"\s*[|·•]\s*|\s{3,}", line.text):
            if match := pattern.match(fold(part)):
                return part.strip()[-len(match[1]) :].strip(" ,")
    return None


def _clean(part: str, *, small: bool = False) -> str | None:
    """The name that a part of a line is; ``None`` when it is none.

    Args:
        part: Of a line.
        small: Whether names may be written without capitals.
    """
    # "Wei Zhang (Wayne)"
    text = _NICKNAME.sub("", part.strip(" ,.;:|*#"))
    low = fold(text)
    if _PAPER.search(low):
        # "Curriculum Vitae of Ada Lovelace"
        found = re.search(r"\b(?:of|von|de|di|van|for)\s+(.+)$", text, re.IGNORECASE)
        text = (
            found[1]
            if found
            else re.sub(r"(?i)\b(?:curriculum vitae|cv|resume|résumé|lebenslauf)\b", "", text)
        )
        text = text.strip(" -–—:|,")
        low = fold(text)
        if not text or _PAPER.search(low):
            return None
    if _PERSONAL.search(low):
        return None
    if (letters := _LETTERS.search(text)) and len(text[: letters.start()].split()) >= 2:
        text = text[: letters.start()]
    if (behind := _LETTERS_BEHIND.match(text)) is not None:
        text = behind[1]
    if titles := _TITLES.match(fold_level(text)):
        text = text[titles.end() :]
    if suffix := _SUFFIXES.search(fold_level(text)):
        text = text[: suffix.start()].rstrip(" ,")
    words = text.split()
    if not 1 <= len(words) <= _MOST_WORDS or heading_of(text) is not None:
        return None
    if len(words) == 1 and not re.fullmatch(r"[\u4e00-\u9fff\uac00-\ud7af]{2,4}", text):
        return None
    if not re.fullmatch(r"[^\W\d_](?:[^\W\d_]|\u0300-\u036f|[ .'’,\-‐־])*", text) or len(text) > 60:
        return None
    if title_score(text) >= 0.5 or company_score(text) or is_place(text):
        return None
    cased = re.search(r"[A-Za-zÀ-ÿ]", text)
    if cased and not small and not any(word[:1].isupper() for word in words):
        return None
    lower = [word for word in words if word[:1].islower() and fold(word) not in phrases("particles")]
    if lower and cased and not small:
        return None
    return text.title() if small and text.islower() else text


def _told_by(email: str | None, name: str) -> float:
    if email is None:
        return 0.0
    local, _, domain = fold(email).partition("@")
    # "mail@ada-lovelace.example" tells it, too.
    told = f"{local} {domain.partition('.')[0]}"
    words = [word for word in folded_words(name) if len(word) > 1]
    words = [word for word in words if word not in phrases("particles")] or words
    hits = sum(1 for word in words if word in told or (len(word) > 4 and word[:4] in told))
    return hits / len(words) if words else 0.0


def _cased(name: str) -> str:
    """Shouted names in usual letters; others as they are written."""
    if not name.isupper() or len(name) < 3:
        return name
    parts = re.split(r"([\s\-'’.])", name.lower())
    return "".join(
        part if part in phrases("particles") and place > 0 else part[:1].upper() + part[1:]
        for place, part in enumerate(parts)
    )
