"""Root becomes somebody else, everybody else stays who they are, and nobody's files change hands."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from headway.errors import ConfigError
from headway.local.postgres.accounts import ServerAccount, server_account

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> pwd.struct_passwd:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
    return NOBODY


def _owned_by(monkeypatch: pytest.MonkeyPatch, uid: int) -> Path:
    directory = Path("/somebody/s/postgres")
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result((0o40700, 1, 1, 1, uid, uid + 1, 0, 0, 0, 0)))
    return directory


@pytest.mark.usefixtures("root")
class TestRoot:
    def test_becomes_nobody(self) -> None:
        assert server_account(None) == ServerAccount("nobody", NOBODY.pw_uid, NOBODY.pw_gid, drops=True)

    def test_becomes_who_is_named(self) -> None:
        daemon = pwd.getpwnam("daemon")
        assert server_account("daemon") == ServerAccount("daemon", daemon.pw_uid, daemon.pw_gid, drops=True)

    def test_does_not_stay_root(self) -> None:
        with pytest.raises(ConfigError, match="cannot run as root"):
            server_account("root")

    def test_names_the_setting_for_an_unknown_user(self) -> None:
        with pytest.raises(ConfigError, match="no-such-user") as raised:
            server_account("no-such-user")
        assert "HEADWAY_LOCAL_RUN_AS" in (raised.value.hint or "")

    def test_becomes_the_owner_of_somebody_s_data(self, monkeypatch: pytest.MonkeyPatch) -> None:
        account = server_account(None, owning=_owned_by(monkeypatch, 4321))
        assert (account.uid, account.gid, account.drops) == (4321, 4322, True)

    def test_does_not_take_somebody_s_data_for_a_named_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ConfigError, match="belongs to user id 4321") as raised:
            server_account("nobody", owning=_owned_by(monkeypatch, 4321))
        assert "chown" in (raised.value.hint or "")


class TestOthers:
    def test_stay_themselves(self, user: pwd.struct_passwd) -> None:
        assert server_account(None).drops is False
        assert server_account(user.pw_name).uid == user.pw_uid

    @pytest.mark.usefixtures("user")
    def test_cannot_become_anybody(self) -> None:
        with pytest.raises(ConfigError, match="only root"):
            server_account("daemon")


class TestReach:
    account = ServerAccount("them", 4321, 4321, drops=True)

    def test_a_private_directory_is_out_of_reach(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        (tmp_path / "inner").mkdir(mode=0o755)
        assert not self.account.can_enter(tmp_path / "inner")

    def test_only_execution_is_needed_on_the_way(self) -> None:
        assert self.account.can_enter(Path("/usr/bin"))

    @pytest.mark.parametrize(
        ("mode", "uid", "gid", "usable"),
        [
            (0o100755, 0, 0, True),
            (0o100744, 0, 0, False),
            (0o100644, 0, 0, True),
            (0o100600, 0, 0, False),
            (0o100700, 4321, 0, True),
            (0o100750, 0, 4321, True),
            (0o100705, 0, 4321, False),
        ],
    )
    def test_a_file_is_usable_by_its_bits(self, mode: int, uid: int, gid: int, usable: bool) -> None:
        entry = os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))
        assert self.account.can_use(entry) is usable
