"""Text in the encodings that people have saved it in."""

from __future__ import annotations

import pytest

from workers.reading.content_type import Unreadable, kind_of
from workers.reading.limits import Limits
from workers.reading.plain_text import read_text

WESTERN = "Jürgen Großmann\nExpérience: “Café” (2019 – Present)\nClerk, Bank, 2012 – 2019\n" * 3
POLISH = "Żółć gęślą jaźń, Łódź 2019\nDoświadczenie zawodowe: główny księgowy, spółka\n" * 3
RUSSIAN = "Иван Петров\nГлавный инженер\nОпыт работы\nИнженер, Завод Салют, 2012 по настоящее время\n" * 2
GREEK = "Γιώργος Παπαδόπουλος\nΜηχανικός λογισμικού\nΕμπειρία από τον Μάρτιο του 2015 έως σήμερα\n" * 2
JAPANESE = "山田太郎\nソフトウェアエンジニア\n2015年4月 - 現在 株式会社サンプル エンジニア\n東京大学 2013年\n"
CHINESE = "王小明\n软件工程师\n工作经历\n2015年4月至今 某某科技有限公司 工程师\n教育\n北京大学 2013年\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((WESTERN, name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252")),
        *((WESTERN, name) for name in ("utf-16-le", "utf-16-be")),
        *((RUSSIAN, name) for name in ("utf-8", "cp1251", "koi8-r")),
        (POLISH, "cp1250"),
        (GREEK, "cp1253"),
        *((JAPANESE, name) for name in ("shift_jis", "euc_jp")),
        (CHINESE, "gb18030"),
    ],
)  # fmt: skip
def test_encodings(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    assert kind_of(content) == "text"
    assert read_text(content, Limits()).lstrip("\ufeff") == text


def test_line_ends_and_controls() -> None:
    assert read_text(b"a\r\nb\rc\x1b[0m\x7f\td", Limits()) == "a\nb\nc[0m\td"


def test_too_much() -> None:
    with pytest.raises(Unreadable) as refused:
        read_text(b"word " * 100, Limits(most_characters=100))
    assert refused.value.code == "file_too_long"
