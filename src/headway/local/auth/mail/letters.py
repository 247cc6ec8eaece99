"""Which tokens each mail carries, and how the database remembers them.

Source: supabase/auth ``internal/api/mail.go`` and ``internal/mailer/templatemailer``.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from headway.local.auth import onetime, users
from headway.local.auth.database import Connection
from headway.local.auth.errors import too_many
from headway.local.auth.mail.inbox import Letter
from headway.local.auth.mail.templates import MailKind, MailTemplates
from headway.local.auth.models import User
from headway.local.auth.ratelimits import RateLimits
from headway.local.auth.settings import AuthSettings

__all__ = ["LinkType", "Post", "Postman"]

LinkType = Literal["signup", "invite", "magiclink", "recovery", "email_change"]


class Post:
    """Letters of one request, delivered only when its transaction has committed.

    Args:
        connection: In that transaction.
        redirect_to: Where the links lead in the end.
        now: When.
    """

    def __init__(self, connection: Connection, redirect_to: str, now: datetime) -> None:
        self.connection = connection
        self.redirect_to = redirect_to
        self.now = now
        self.letters: list[Letter] = []


class Postman:
    """Makes tokens and writes the letters that carry them.

    Args:
        settings: Auth's settings.
        templates: What the letters say.
        limits: How many may be sent.
    """

    def __init__(self, settings: AuthSettings, templates: MailTemplates, limits: RateLimits) -> None:
        self._settings = settings
        self._templates = templates
        self._limits = limits

    def new_token(self, address: str, *, pkce: bool = False) -> tuple[str, str]:
        """A code and its hash.

        Args:
            address: Where the code goes.
            pkce: Whether the link is to end in a code that must be redeemed.
        """
        code = onetime.new_code(self._settings.otp_length)
        return code, (onetime.PKCE_PREFIX if pkce else "") + onetime.token_hash(address, code)

    def link(self, token: str, kind: LinkType, redirect_to: str) -> str:
        """The address behind a mail's button.

        Args:
            token: The hash with its prefix.
            kind: What it is good for.
            redirect_to: Where it leads in the end.
        """
        query = urlencode({"token": token, "type": kind, "redirect_to": redirect_to})
        return f"{self._settings.external_url}/verify?{query}"

    async def confirmation(self, post: Post, user: User, *, pkce: bool) -> User:
        """Ask a new user to confirm their address; the user with the token."""
        self._check_frequency(user.confirmation_sent_at, post.now)
        code, token = self.new_token(user.email, pkce=pkce)
        self._write(post, "confirmation", user, user.email, code, token, "signup")
        return await self.remember_confirmation(post, user, token)

    async def invite(self, post: Post, user: User) -> User:
        """Invite somebody; the user with the token."""
        code, token = self.new_token(user.email)
        self._write(post, "invite", user, user.email, code, token, "invite")
        user = await self.remember_confirmation(post, user, token)
        return await users.update(post.connection, user, post.now, invited_at=post.now)

    async def magic_link(self, post: Post, user: User, *, pkce: bool) -> User:
        """Send a link to sign in by; the user with the token."""
        return await self._recovery(post, user, "magic_link", "magiclink", pkce=pkce)

    async def recovery(self, post: Post, user: User, *, pkce: bool) -> User:
        """Send a link to choose a new password by; the user with the token."""
        return await self._recovery(post, user, "recovery", "recovery", pkce=pkce)

    async def reauthentication(self, post: Post, user: User) -> User:
        """Send a code that proves the user's presence; the user with the token."""
        self._check_frequency(user.reauthentication_sent_at, post.now)
        code, token = self.new_token(user.email)
        self._write(post, "reauthentication", user, user.email, code, token, None)
        await onetime.store(post.connection, user.id, "reauthentication_token", user.email, token, post.now)
        return await users.update(
            post.connection, user, post.now, reauthentication_token=token, reauthentication_sent_at=post.now
        )

    async def email_change(self, post: Post, user: User, new_email: str, *, pkce: bool) -> User:
        """Ask the new address, and if so configured the old one, for consent; the user with the tokens."""
        self._check_frequency(user.email_change_sent_at, post.now)
        new_code, new_token = self.new_token(new_email, pkce=pkce)
        current_token = ""
        self._write(post, "email_change", user, new_email, new_code, new_token, "email_change", new_email)
        if self._settings.double_confirm_changes and user.email:
            current_code, current_token = self.new_token(user.email, pkce=pkce)
            self._write(
                post, "email_change", user, user.email, current_code, current_token, "email_change", new_email
            )
        return await self.remember_email_change(post, user, new_email, new_token, current_token)

    async def remember_email_change(
        self, post: Post, user: User, new_email: str, new_token: str, current_token: str
    ) -> User:
        """Keep the tokens of an e-mail change, of which one may be empty; the user with them."""
        kinds: tuple[tuple[onetime.TokenKind, str, str], ...] = (
            ("email_change_token_new", new_email, new_token),
            ("email_change_token_current", user.email, current_token),
        )
        for kind, address, token in kinds:
            if token:
                await onetime.store(post.connection, user.id, kind, address, token, post.now)
        return await users.update(
            post.connection,
            user,
            post.now,
            email_change=new_email,
            email_change_token_new=new_token,
            email_change_token_current=current_token,
            email_change_sent_at=post.now,
            email_change_confirm_status=0,
        )

    async def _recovery(self, post: Post, user: User, kind: MailKind, link: LinkType, *, pkce: bool) -> User:
        self._check_frequency(user.recovery_sent_at, post.now)
        code, token = self.new_token(user.email, pkce=pkce)
        self._write(post, kind, user, user.email, code, token, link)
        return await self.remember_recovery(post, user, token)

    async def remember_recovery(self, post: Post, user: User, token: str) -> User:
        """Keep a token by which a user can sign in; the user with it."""
        await onetime.store(post.connection, user.id, "recovery_token", user.email, token, post.now)
        return await users.update(
            post.connection, user, post.now, recovery_token=token, recovery_sent_at=post.now
        )

    async def remember_confirmation(self, post: Post, user: User, token: str) -> User:
        """Keep a token by which a user can confirm their address; the user with it."""
        await onetime.store(post.connection, user.id, "confirmation_token", user.email, token, post.now)
        return await users.update(
            post.connection, user, post.now, confirmation_token=token, confirmation_sent_at=post.now
        )

    def _check_frequency(self, sent_at: datetime | None, now: datetime) -> None:
        if sent_at is not None and (again := sent_at + self._settings.mail_frequency) > now:
            seconds = math.ceil((again - now).total_seconds())
            raise too_many(
                "over_email_send_rate_limit",
                f"For security purposes, you can only request this after {seconds} seconds.",
            )

    def _write(
        self,
        post: Post,
        kind: MailKind,
        user: User,
        to: str,
        code: str,
        token: str,
        link: LinkType | None,
        new_email: str = "",
    ) -> None:
        self._limits.take("email_sent", "")
        values = {
            "SiteURL": self._settings.site_url,
            "Email": user.email,
            "NewEmail": new_email,
            "Token": code,
            "TokenHash": token,
            "RedirectTo": post.redirect_to,
            "Data": user.user_metadata,
            "ConfirmationURL": self.link(token, link, post.redirect_to) if link else "",
        }
        post.letters.append(self._templates.letter(kind, to, values))
