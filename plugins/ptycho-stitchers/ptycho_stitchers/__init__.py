"""Assembly of object patches into one object."""
