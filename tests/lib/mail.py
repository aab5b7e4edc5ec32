"""Mail that the instance under test sent, out of its file (MAIL_URL is file:...)."""

import mailbox
import re
import time
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from pathlib import Path

PARSER = BytesParser(policy=policy.default)
WAIT_SECONDS = 15


@dataclass(frozen=True)
class Mail:
    id: str
    to: str
    sender: str
    subject: str
    text: str
    headers: dict

    @property
    def links(self) -> list[str]:
        return re.findall(r"https://\S+", self.text)

    @property
    def link(self) -> str:
        """The one link in it."""
        (found,) = self.links
        return found

    @property
    def token(self) -> str:
        """What stands behind `#token=` in its link."""
        return re.fullmatch(r"[^#]+#token=([A-Za-z0-9_-]+)", self.link)[1]


def read(message: bytes) -> Mail:
    """A message as it went over the wire or lies in the file."""
    parsed = PARSER.parsebytes(message)
    assert not parsed.defects, parsed.defects
    (to,) = parsed["to"].addresses
    return Mail(
        id=parsed["message-id"],
        to=to.addr_spec,
        sender=str(parsed["from"]),
        subject=parsed["subject"],
        text=parsed.get_content(),
        headers=dict(parsed.items()),
    )


def sink(instance) -> Path:
    url = instance.env["ELEUSIS_MAIL_URL"]
    assert url.startswith("file:"), url
    return Path(url.removeprefix("file:"))


def mails(instance, to: str | None = None, subject: str | None = None) -> list[Mail]:
    """All mails so far, in the order they were queued, whichever came first (Message-IDs are
    UUIDv7s): to somebody, or with these words in the subject."""
    path = sink(instance)
    if not path.exists():
        return []
    box = mailbox.mbox(path, create=False)
    kept = (box.get_bytes(key) for key in box.iterkeys())
    # Most are somebody else's: no need to parse those.
    found = [read(m) for m in kept if to is None or to.lower().encode() in m.lower()]
    return [
        mail
        for mail in sorted(found, key=lambda mail: mail.id)
        if (to is None or mail.to.lower() == to.lower())
        and (subject is None or subject.lower() in mail.subject.lower())
    ]


def wait_mails(
    instance, to: str, count: int = 1, subject: str | None = None, seconds: float = WAIT_SECONDS
) -> list[Mail]:
    """Those mails, once there are at least so many of them."""
    until = time.monotonic() + seconds
    while len(found := mails(instance, to, subject)) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} mail(s) after {seconds} s"
        time.sleep(0.05)
    return found


def wait_mail(
    instance, to: str, subject: str | None = None, after: int = 0, seconds: float = WAIT_SECONDS
) -> Mail:
    """The newest mail to somebody, once there are more than `after`."""
    return wait_mails(instance, to, after + 1, subject, seconds)[-1]
