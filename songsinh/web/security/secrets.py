"""Secrets: drawn at random, kept only as hashes, and signs made with the centre's own."""

import hashlib
import hmac
import secrets
import time

__all__ = ["DAY_US", "SECOND_US", "draw", "fingerprint", "now_us", "same", "sign"]

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def now_us() -> int:
    """The time now, in us since 1970 (UTC)."""
    return time.time_ns() // 1000


def draw() -> str:
    """A new secret of 256 random bits, in letters that may stand in an address."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """The SHA-256 under which a random secret is kept; 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def sign(key: bytes, purpose: str, text: str) -> str:
    """A sign that only who has the key can make, for one purpose; 64 hexadecimal digits."""
    return hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, found in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
