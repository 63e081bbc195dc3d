"""What a user calls, and what it returns."""
