"""Parity of exported programs with the networks that they record."""
