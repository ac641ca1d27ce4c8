"""Exchanges on this machine: real APIs on loopback over the kit's matching engine, and synthetic markets."""
