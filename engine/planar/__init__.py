"""Networks in two dimensions on a CPU: convolutions by Winograd's way, several tiles at once."""
