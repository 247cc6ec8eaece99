"""The five pipelines, written against the public names of ``headway`` only."""
