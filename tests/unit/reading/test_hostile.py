"""Files that are no CVs: each is refused in words that help, within limits of time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cvs import hostile
from support.cvs.paper import as_text
from support.cvs.people import PEOPLE
from workers.reading import isolated
from workers.reading.isolated import read_file
from workers.reading.limits import Limits
from workers.reading.refusals import CODES, FileRefused

ROOT = Path(__file__).parents[3]
QUICK = Limits(seconds=4, memory_bytes=768 * 1024 * 1024)


async def refusal(content: bytes, tmp_path: Path, limits: Limits = QUICK) -> FileRefused:
    file = tmp_path / "curriculum vitae.pdf"
    file.write_bytes(content)
    with pytest.raises(FileRefused) as refused:
        await read_file(file, limits, tmp_path / "found")
    assert refused.value.hint
    return refused.value


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "file_empty", "empty"),
        (b" \n\t\x00\x00 ", "file_empty", "empty"),
        (hostile.executable(), "file_type", "a Windows program"),
        (b"\x7fELF" + bytes(100), "file_type", "a program"),
        (b"{\\rtf1 Jane}", "file_type", "an RTF document"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(50), "file_type", "a HEIC picture"),
        (b"\x1f\x8b" + bytes(50), "file_type", "an archive"),
        (bytes(range(256)) * 20, "file_type", "no PDF"),
        (hostile.encrypted_office(), "file_encrypted", "password"),
        (hostile.old_word(), "file_type", ".doc"),
        (hostile.encrypted_pdf(), "file_encrypted", "password"),
        (hostile.truncated_pdf(), "file_damaged", "damaged"),
        (b"%PDF-1.7\nnothing else", "file_damaged", "damaged"),
        (b"\xff\xd8\xff\xe0 no picture", "file_damaged", "damaged"),
        (hostile.huge_image(), "file_too_large", "megapixels"),
        (b"PK\x03\x04 broken", "file_damaged", "damaged"),
    ],
)
async def test_what_is_no_cv_is_refused(content: bytes, code: str, says: str, tmp_path: Path) -> None:
    refused = await refusal(content, tmp_path)
    assert (refused.code, refused.details) == (code, "files")
    assert says in refused.message


async def test_too_many_pages(tmp_path: Path) -> None:
    refused = await refusal(hostile.many_pages(300), tmp_path)
    assert refused.code == "file_too_long"
    assert "300 pages" in refused.message


async def test_too_large_is_not_even_opened(tmp_path: Path) -> None:
    refused = await refusal(b"%PDF-1.7" + bytes(2048), tmp_path, Limits(most_bytes=1024))
    assert refused.code == "file_too_large"


async def test_too_much_text(tmp_path: Path) -> None:
    refused = await refusal(b"word " * 60_000, tmp_path)
    assert refused.code == "file_too_long"


# In a process of its own, whose only child is the reader: what that has used is known to the last page.
_MEASURED = """
import asyncio, json, resource, sys
from pathlib import Path
from workers.reading.isolated import read_file
from workers.reading.limits import Limits
from workers.reading.refusals import FileRefused
file, into, limits = Path(sys.argv[1]), Path(sys.argv[2]), Limits(**json.loads(sys.argv[3]))
try:
    asyncio.run(read_file(file, limits, into))
    code = None
except FileRefused as refused:
    code = refused.code
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": code, "seconds": used.ru_utime, "bytes": used.ru_maxrss * 1024}))
"""


@pytest.mark.parametrize(
    "bomb", [hostile.pdf_bomb, hostile.docx_bomb, hostile.nested_xml_docx, hostile.lying_docx]
)
def test_bombs_take_their_own_process_with_them(bomb: Callable[[], bytes], tmp_path: Path) -> None:
    file = tmp_path / "curriculum vitae.pdf"
    file.write_bytes(bomb())
    limits = {"seconds": QUICK.seconds, "memory_bytes": QUICK.memory_bytes}
    run = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(file), str(tmp_path / "found"), json.dumps(limits)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    used = json.loads(run.stdout)
    assert used["code"] in ("file_too_complex", "file_damaged", "file_no_text")
    # What the limit allows, and the start and end of the process.
    assert used["seconds"] < QUICK.seconds + 2
    assert used["bytes"] < QUICK.memory_bytes


async def test_a_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.reading.isolated._RUN", "import time; time.sleep(600)")
    refused = await refusal(as_text(PEOPLE["plain"]), tmp_path, Limits(seconds=1))
    assert refused.code == "file_too_complex"


async def test_the_reader_has_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_x")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    tell = (
        "import os, sys, json, pathlib; into = pathlib.Path(json.loads(sys.argv[2])['into']);"
        "(into / 'answer.json').write_text(json.dumps({'kind': 'text', 'text': repr(dict(os.environ)),"
        " 'pages': 1, 'pictures': 0}))"
    )
    monkeypatch.setattr("workers.reading.isolated._RUN", tell)
    (tmp_path / "cv").write_bytes(b"x")
    found = await read_file(tmp_path / "cv", Limits(), tmp_path / "found")
    assert "sb_secret_x" not in found.text
    assert "sk-x" not in found.text


def test_every_code_has_a_message_and_a_remedy() -> None:
    assert all(message and remedy for message, remedy in CODES.values())


@pytest.mark.parametrize("name", ["answer.json", "1.jpg"])
@pytest.mark.parametrize("pipe", [False, True])
async def test_a_parser_that_was_taken_over_leads_the_worker_to_no_other_file(
    name: str, pipe: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "found"
    answer = json.dumps({"kind": "image", "text": "", "pages": 1, "pictures": 1})

    def hijacked(_given: str, into: Path) -> subprocess.Popen[bytes]:
        (tmp_path / "secret").write_text(answer)
        (into / "answer.json").write_text(answer)
        (into / name).unlink(missing_ok=True)
        if pipe:
            os.mkfifo(into / name)
        else:
            (into / name).symlink_to(tmp_path / "secret")
        return subprocess.Popen(["true"], start_new_session=True)

    monkeypatch.setattr(isolated, "_start", hijacked)
    file = tmp_path / "cv.pdf"
    file.write_bytes(b"%PDF-1.7")
    with pytest.raises(FileRefused) as refused:
        await read_file(file, QUICK, found)
    assert refused.value.code == "file_too_complex"


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux keeps them")
def test_a_parser_cannot_start_programs_and_is_the_first_to_go_when_memory_ends() -> None:
    program = """
import resource
from workers.reading import child, limits
child._confine(limits.Limits())
print(resource.getrlimit(resource.RLIMIT_NPROC), open("/proc/self/oom_score_adj").read())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["(0,", "0)", "1000"]
