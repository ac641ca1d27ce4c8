"""Slow, obvious twins of the fast code: what the tests hold it against."""

from __future__ import annotations
