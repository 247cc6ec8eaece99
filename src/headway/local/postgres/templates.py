"""What ``initdb`` made, kept to be copied for clusters that are thrown away: that takes a fifth of the time.

Clusters that somebody keeps are not made this way: copies share a system identifier, which backups and
replication tell clusters apart by.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from headway.local.postgres.accounts import ServerAccount
from headway.local.postgres.binaries import Binaries
from headway.local.postgres.install import cache_dir, exclusive

__all__ = ["ClusterTemplate"]


class ClusterTemplate:
    """The cluster that one installation's ``initdb`` makes with certain options, once it has been kept.

    It belongs to the user of this process: a less trusted server cannot change what later ones are made of.

    Args:
        binaries: The installation.
        options: The options of ``initdb`` that shape the cluster.
        account: The user that servers run as, who gets the copies.
    """

    def __init__(self, binaries: Binaries, options: Sequence[str], account: ServerAccount) -> None:
        digest = sha256("\0".join([str(binaries.bin_dir), *options]).encode()).hexdigest()[:12]
        self._place = cache_dir(account) / "clusters" / f"{binaries.source}-{binaries.version}-{digest}"
        self._account = account

    def copy(self, destination: Path) -> bool:
        """Copy the template into an empty directory; ``False`` when there is none, or not all of it.

        Args:
            destination: A directory of the server's user.
        """
        try:
            expected = int((self._place / "files").read_text("ascii"))
            shutil.copytree(self._place / "data", destination, symlinks=True, dirs_exist_ok=True)
        except (OSError, ValueError):
            return False
        copied = 0
        for folder, folders, files in os.walk(destination):
            copied += len(files)
            if self._account.drops:
                for name in (*folders, *files):
                    path = Path(folder, name)
                    os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)
        # Caches are cleaned by all sorts of programs, by halves too.
        return copied == expected

    def keep(self, source: Path) -> None:
        """Keep a cluster on which no server has run yet; without effect where the cache cannot take it.

        Args:
            source: What ``initdb`` made.
        """
        try:
            with exclusive(self._place.parent):
                partial = self._place.with_name(f".partial-{secrets.token_hex(6)}")
                partial.mkdir(mode=0o700)
                shutil.copytree(source, partial / "data", symlinks=True)
                count = sum(len(files) for _, _, files in os.walk(partial / "data"))
                (partial / "files").write_text(str(count), "ascii")
                shutil.rmtree(self._place, ignore_errors=True)
                partial.rename(self._place)
        except OSError:
            pass  # a cache is no condition; what is half-made is swept by the next who holds it
