"""The demonstration weights: how they are made, and how good they are."""
