"""Turns an answer's words into the values of the field that was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from headway.sandbox.answers.cv.dates import first_date
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.vocabulary import phrases

__all__ = ["declines", "values_of", "wants_to_stop", "without_filler"]

_FILLER = re.compile(
    r"^(?:(?:well|um+|uh+|er+|hm+|so|oh|okay|ok|right|yes|yeah|yep|sure|of course|certainly|let me see|"
    r"let's see|i think|i guess|i suppose|i would say|i'd say|probably|basically|honestly|actually|"
    r"you know|that would be|that'd be|it would be|it's|it is|its|they are|they're|that is|that's|"
    r"there were|there was|we were|we had|it was|mostly|mainly|you can reach me (?:at|on|under)|"
    r"my \w+(?: \w+)? (?:is|are)|i speak|i have worked in|i've worked in|people come to me for|"
    r"i am proud of|i'm proud of|i'm proudest of|ja|oui|si|also)\b[\s,.!:;-]*)+",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:rather not|prefer not|don't want to|do not want to|won't say|skip|pass on|no comment|"
    r"next question|i don't know|i do not know|no idea|can't remember|cannot remember|don't remember|"
    r"not sure|don't have (?:one|any|a)|do not have (?:one|any|a)|haven't got|none of your|"
    r"lieber nicht|weiss nicht|keine angabe|je prefere ne pas|prefiero no)\b"
)
_STOPS = re.compile(
    r"\b(?:stop (?:here|now|the interview)|let's stop|end (?:the|this) (?:interview|conversation|call)|"
    r"that's all for (?:now|today)|i have to go|i need to go|i've got to go|enough for today|"
    r"can we (?:stop|finish|end)|finish here|goodbye|bye)\b"
)
_DIGITS = {
    "zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "plus": "+",
}  # fmt: skip
_PHONE = re.compile(r"\+?\(?\d[\d\s().-]{5,}\d")
_URL = re.compile(r"(?:https?://)?(?:[\w-]+\.)+[a-z]{2,}(?:/[^\s,;]*)?", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_AMOUNT = re.compile(r"(\d[\d.,' ]*\d|\d)\s*(k\b|thousand|million|m\b|tausend|mille|mil\b)?", re.IGNORECASE)
_CURRENCIES = {
    "eur": "EUR", "€": "EUR", "dollar": "USD", "usd": "USD", "$": "USD", "pound": "GBP", "gbp": "GBP",
    "£": "GBP", "chf": "CHF", "franc": "CHF", "franken": "CHF", "zloty": "PLN", "pln": "PLN", "krona": "SEK",
    "sek": "SEK", "nok": "NOK", "dkk": "DKK", "yen": "JPY", "jpy": "JPY", "inr": "INR", "rupee": "INR",
}  # fmt: skip
_AVAILABILITY = (
    ("not_available", r"not (?:available|looking|interested|on the market)|happy where i am|unavailable"),
    ("notice_period", r"notice|weeks?' time|months? (?:before|until)|in \w+ (?:weeks|months)"),
    ("open_to_offers", r"\bopen\b|listen|passive|right (?:offer|opportunity)|curious"),
    ("available", r"available|immediately|right away|now|looking|free|tomorrow|asap|sofort|yes"),
)
_REMOTE = (
    ("flexible", r"flexib|either|don't mind|do not mind|any of|no preference"),
    ("hybrid", r"hybrid|mix|both|some days|few days|days a week|partly"),
    ("onsite", r"on[- ]?site|\boffice\b|in person"),
    ("remote", r"remote|from home|home office|anywhere"),
)
_YES = re.compile(r"\b(?:yes|yeah|yep|sure|of course|fine|certainly|you can|may be shown|ja|oui|si)\b")
_NO = re.compile(r"\b(?:no|nope|not|rather not|don't|nein|non)\b")
_SIZE = re.compile(
    r"(?:(?:about|around|roughly|some|over|under|nearly|almost|between|maybe|approximately)\s+)?"
    r"\d[\d.,]*(?:k\b)?(?:\s*(?:to|and|-|–)\s*\d[\d.,]*)?(?:\s*(?:people|employees|staff|of us))?",
    re.IGNORECASE,
)
_LISTED = re.compile(r"\s*[,;]\s*(?:and\s+)?|\s+(?:and|und|et|as well as)\s+")
_LEADING = re.compile(r"^(?:also|the|some|a bit of|my)\s+", re.IGNORECASE)
_NO_LEVEL = re.compile(
    r"\b(?:i|speak|is|my|at|in|on|a|level|am|language|it's|also|some|we|the|well|as)\b", re.IGNORECASE
)
_GRADE = re.compile(
    r"\b(?:first[- ]class(?: honours)?|upper second|2:1|distinction|merit|summa cum laude|magna cum laude|"
    r"cum laude|\d+(?:[.,]\d+)?(?:\s*(?:out of|/|von)\s*\d+(?:[.,]\d+)?)?%?|[A-F][+-]?)(?!\w)"
)


def without_filler(text: str) -> str:
    """An answer without the words that only begin it.

    Args:
        text: As spoken.
    """
    return _FILLER.sub("", text.strip()).strip(" .,!") or text.strip(" .,!")


def declines(text: str) -> bool:
    """Whether somebody does not want to answer, or has no answer.

    Args:
        text: As spoken.
    """
    return bool(_DECLINES.search(fold(text)))


def wants_to_stop(text: str) -> bool:
    """Whether somebody asks to end the interview.

    Args:
        text: As spoken.
    """
    return bool(_STOPS.search(fold(text)))


def values_of(field: str, text: str) -> list[str]:
    """What an answer says for a field, none when it says nothing for it.

    Args:
        field: As in the list of questions.
        text: As spoken.
    """
    reader = _READERS.get(field)
    if reader is not None:
        return reader(text)
    said = without_filler(text)
    return [said] if said else []


def _phone(text: str) -> list[str]:
    words = [_DIGITS.get(word, word) for word in re.findall(r"[^\s,-]+", fold(text).replace(".", ""))]
    typed = ""
    double = False
    for word in words:
        if word in ("double", "triple"):
            double = True
        elif re.fullmatch(r"\+|\d+", word):
            typed += word * 2 if double and len(word) == 1 else word
            double = False
        else:
            typed += " "
    spoken = max(typed.split() or [""], key=len)
    written = _PHONE.search(text)
    if written:
        return [written[0].strip()]
    return [spoken] if len(spoken) >= 7 else []


def _typed(text: str) -> str:
    """Spoken addresses as they would be typed."""
    typed = re.sub(r"\s+dot\s+", ".", text, flags=re.IGNORECASE)
    typed = re.sub(r"\s+(?:forward )?slash\s+", "/", typed, flags=re.IGNORECASE)
    return re.sub(r"\s+(?:dash|hyphen|minus)\s+", "-", typed, flags=re.IGNORECASE)


def _url(text: str) -> list[str]:
    found = _URL.search(_EMAIL.sub(" ", _typed(text)))
    return [found[0].rstrip(".")] if found else []


def _email(text: str) -> list[str]:
    found = _EMAIL.search(re.sub(r"\s+at\s+(?=[\w-]+\.)", "@", _typed(text), flags=re.IGNORECASE))
    return [found[0]] if found else []


def _list(text: str) -> list[str]:
    cleaned = [_LEADING.sub("", item.strip(" .!")) for item in _LISTED.split(without_filler(text))]
    return [item for item in cleaned if 1 < len(item) <= 100]


def _languages(text: str) -> list[str]:
    found: list[str] = []
    for part in _LISTED.split(text.replace(". ", ", ")):
        words = part.split()
        place = next(
            (n for n, word in enumerate(words) if fold(word.strip(".,:")) in phrases("tongues")), None
        )
        if place is None:
            if found and ":" not in found[-1] and (level := _level(part)):
                found[-1] = f"{found[-1]}: {level}"
            continue
        level = _level(" ".join([*words[:place], *words[place + 1 :]]))
        name = words[place].strip(".,:()")
        found.append(f"{name}: {level}" if level else name)
    return found


def _level(words: str) -> str:
    rest = _NO_LEVEL.sub(" ", without_filler(words)).split() if words else []
    # More words than a level has are something else that was said in the same breath.
    return " ".join(rest).strip(" :-–(),.") if len(rest) <= 3 else ""


def _choice(choices: tuple[tuple[str, str], ...]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        said = fold(text)
        return next(([name] for name, pattern in choices if re.search(pattern, said)), [])

    return read


def _date(text: str) -> list[str]:
    if found := first_date(text):
        return [found]
    return ["immediately"] if re.search(r"immediate|right away|now|asap|tomorrow|sofort", fold(text)) else []


def _amounts(text: str) -> list[str]:
    found: list[tuple[float, int]] = []
    for number, scale in _AMOUNT.findall(text):
        digits = re.sub(r"(?<=\d)[.,' ](?=\d{3}(?:\D|$))", "", number.strip()).replace(",", ".")
        try:
            amount = float(digits)
        except ValueError:
            continue
        factor = 1_000_000 if scale.lower() in ("million", "m") else 1000 if scale else 1
        found.append((amount, factor))
    # "between 90 and 110k": what is said of the last holds for the first.
    if len(found) == 2 and found[1][1] > 1 and found[0][1] == 1 and found[0][0] < 1000:
        found[0] = (found[0][0], found[1][1])
    return [f"{amount * factor:.2f}".rstrip("0").rstrip(".") for amount, factor in found]


def _compensation(text: str) -> list[str]:
    amounts = _amounts(text)[:2]
    low = text.lower()
    currency = next((code for mark, code in _CURRENCIES.items() if mark in low), None)
    return [*amounts, *([currency] if currency and amounts else [])]


def _flag(text: str) -> list[str]:
    said = fold(text)
    if _NO.search(said):
        return ["false"]
    return ["true"] if _YES.search(said) else []


def _size(text: str) -> list[str]:
    found = _SIZE.search(text)
    return [found[0].strip()] if found else [without_filler(text)]


def _grade(text: str) -> list[str]:
    found = _GRADE.search(text)
    return [found[0]] if found else []


def _sentences(text: str) -> list[str]:
    said = re.split(r"(?<=[.!?])\s+", without_filler(text))
    return [sentence.strip(" .!") for sentence in said if len(sentence.split()) >= 3]


_READERS: Mapping[str, Callable[[str], list[str]]] = {
    "phone": _phone,
    "email": _email,
    "linkedin_url": _url,
    "website": _url,
    "skills": _list,
    "sectors": _list,
    "honors": _list,
    "languages": _languages,
    "availability_status": _choice(_AVAILABILITY),
    "available_from": _date,
    "remote_work_preference": _choice(_REMOTE),
    "compensation_expectation": _compensation,
    "compensation_expectation_min": lambda text: _amounts(text)[:1],
    "compensation_expectation_max": lambda text: _amounts(text)[-1:],
    "key_achievements": _sentences,
    "company_size": _size,
    "organization_size": _size,
    "compensation_disclosed": _flag,
    "is_current": _flag,
    "annual_fee": lambda text: _amounts(text)[:1],
    "gpa": _grade,
    "graduation_year": _date,
    "start_date": _date,
    "end_date": _date,
}
