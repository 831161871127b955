"""Run files as objects: description, comparison, moving picture and HTML page of finished and growing runs."""
