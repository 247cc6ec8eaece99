"""One port in front of the services, with the rules of Supabase's API gateway."""
