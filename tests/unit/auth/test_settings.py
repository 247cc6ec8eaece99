"""What config.toml means for Auth."""

from __future__ import annotations

from pathlib import Path

from headway.local.config import load_config


def test_paths_are_read_from_where_the_cli_reads_them(tmp_path: Path) -> None:
    supabase = tmp_path / "supabase"
    supabase.mkdir()
    config = supabase / "config.toml"
    config.write_text(
        '[auth]\nsigning_keys_path = "./signing_keys.json"\n'
        '[auth.email.template.invite]\nsubject = "Hi"\ncontent_path = "./supabase/templates/invite.html"\n'
        '[auth.hook.custom_access_token]\nenabled = true\nuri = "pg-functions://postgres/public/f"\n'
    )
    auth = load_config(config).auth
    assert Path(auth.signing_keys_path or "") == supabase / "signing_keys.json"
    invite = auth.email.template["invite"]
    assert Path(invite.content_path or "") == supabase / "templates" / "invite.html"
    assert invite.subject == "Hi"
    assert auth.hook["custom_access_token"].enabled


def test_without_paths_nothing_is_made_up(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[auth]\nsigning_keys_path = ""\n')
    auth = load_config(config).auth
    assert not auth.signing_keys_path
    assert auth.email.template == auth.hook == {}
