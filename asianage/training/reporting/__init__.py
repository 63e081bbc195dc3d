"""What an evaluation looks like: tables, figures and contact sheets, written to a folder."""
