"""The embedded Supabase-compatible stack: for development and tests, never for production."""
