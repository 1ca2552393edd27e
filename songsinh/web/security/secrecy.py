"""Keeping secrets out of logs: what looks like one is blotted out on every way to a log."""

import logging
import re
from typing import Final

__all__ = ["blot", "keep_secrets"]

BLOT: Final = "[secret]"
SECRETS: Final = (
    re.compile(r"(?<=songsinh_)[A-Za-z0-9_-]{20,}"),  # tokens
    re.compile(r"(?<=/link/)[A-Za-z0-9_-]{20,}"),
    re.compile(r"(?<=songsinh=)[A-Za-z0-9_-]{20,}"),  # sessions
    re.compile(r"(?<=[?&]code=)[^&\s'\"]+"),
    re.compile(r"(?i)(?<=bearer )[^\s'\",;]{16,}"),
    re.compile(r"(?i)(?<=basic )[^\s'\",;]{16,}"),
    re.compile(
        r"(?i)((?:password|passwort|passwd|secret|token|csrf|cookie|verifier|authorization)"
        r"['\"]?\s*[=:]\s*['\"]?)(?!bearer |basic )[^\s'\"&,;)}\]]+"
    ),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # people and passwords in addresses
)


def blot(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern in SECRETS:
        text = pattern.sub(lambda found: (found[1] if found.re.groups else "") + BLOT, text)
    return text


def keep_secrets() -> None:
    """Blot secrets out of all log records of this process, whoever writes them; safe to repeat."""
    made = logging.getLogRecordFactory()
    if getattr(made, "keeps_secrets", False):
        return
    plain = logging.Formatter()

    def make(*args: object, **named: object) -> logging.LogRecord:
        record = made(*args, **named)
        record.msg, record.args = blot(record.getMessage()), ()
        if record.exc_info:
            # the text that formatters print when it is there, instead of the exception itself
            record.exc_text = blot(plain.formatException(record.exc_info))
        return record

    make.keeps_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)
