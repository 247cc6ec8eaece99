"""A whole stack behind one port."""
