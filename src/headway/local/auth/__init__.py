"""``/auth/v1``: sign-up, sign-in, tokens and users as the Auth server serves them."""
