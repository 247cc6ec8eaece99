"""The samples are what their kinds take, and the video is the one that its script makes."""

from __future__ import annotations

import json
from pathlib import Path

from headway.sandbox.gemini.video import read_facts
from workers.discovery.payload import DiscoveryPayload
from workers.video.payload import VideoPayload
from workers.video.samples.make_sample import SAMPLE_LINES, make_video

WORKERS = Path(__file__).parents[3] / "workers"


def test_the_payloads_fit() -> None:
    video = json.loads((WORKERS / "video" / "samples" / "payload.json").read_text("utf-8"))
    assert VideoPayload.model_validate(video).languages == ["de", "fr"]
    campaign = json.loads((WORKERS / "discovery" / "samples" / "payload.json").read_text("utf-8"))
    assert DiscoveryPayload.model_validate(campaign).max_results == 30


def test_the_video_says_what_its_script_says(tmp_path: Path) -> None:
    sample = WORKERS / "video" / "samples" / "welcome.mp4"
    assert sample.stat().st_size < 100_000
    assert read_facts(sample) == read_facts(make_video(tmp_path / "again.mp4"))
    assert [heard.text for heard in read_facts(sample).spoken] == [line[2] for line in SAMPLE_LINES]


def test_containers_without_subtitles_are_read_too(tmp_path: Path) -> None:
    silent = read_facts(make_video(tmp_path / "silent.mkv", [], seconds=2, title=None))
    assert (silent.title, silent.spoken, silent.sound) == ("", (), True)
    assert silent.shown[0].text.endswith("picture.")
    assert 1.9 < silent.duration < 2.5
