"""The commands about jobs, thin over ``headway.client``."""
