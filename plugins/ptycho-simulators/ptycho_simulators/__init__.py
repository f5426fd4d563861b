"""Simulated ptychographic scans whose object is known."""
