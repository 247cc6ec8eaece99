"""What the sandbox's models say, computed from what they are sent.

``registry`` finds the rule for a task, which is the title of the JSON schema that the answer shall have (a
pydantic model's name), whichever provider is asked; ``generic`` answers what no rule knows; ``conform`` makes
any answer valid by its schema.
"""
