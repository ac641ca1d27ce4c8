"""A market on this machine: simulated venues that speak a real exchange's wire."""
