"""Report of the quickstart: its trainings in a table, in JSON and in a figure."""
