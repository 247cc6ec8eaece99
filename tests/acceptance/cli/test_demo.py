"""``headway demo`` shows what there is anywhere, and leaves nothing."""

from __future__ import annotations

from .conftest import Shop


def test_the_demo_runs_outside_any_project(shop: Shop) -> None:
    outside = Shop(shop.root / "supabase" / "migrations", shop.temporary)
    before = sorted(shop.root.rglob("*"))
    done = outside.run("demo")
    assert done.returncode == 0, done.stderr
    for shown in ("Postgres 17", "Ada reads one note, Grace none", "42501: new row violates", "gone again"):
        assert shown in " ".join(done.stdout.split()), done.stdout
    assert sorted(shop.root.rglob("*")) == before
