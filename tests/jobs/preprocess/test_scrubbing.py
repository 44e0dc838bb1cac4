import pytest

from raytide.core.spec.preprocess import Pii
from raytide.jobs.preprocess.scrub import scrubbed

ALL: tuple[Pii, ...] = ("email", "ip", "card", "iban", "phone")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("write to jane.doe+x@mail.example.co.uk, please", "write to <email>, please"),
        ("from 8.8.8.8 and 93.184.216.34.", "from <ip> and <ip>."),
        ("card 4111 1111 1111 1111 expires", "card <card> expires"),
        ("pay DE89 3704 0044 0532 0130 00 now", "pay <iban> now"),
        ("call +44 20 7946 0958 or +1 (555) 123-4567", "call <phone> or <phone>"),
    ],
)
def test_personal_data_is_replaced_by_its_kind(text: str, clean: str) -> None:
    assert scrubbed(text, ALL)[0] == clean


@pytest.mark.parametrize(
    "text",
    [
        "@decorator and a@b are no addresses",
        "127.0.0.1, 192.168.1.1, 10.0.0.7 and 999.1.1.1 name nobody on the internet",
        "version 1.2.3.4.5 and section 3.2.1",
        "card 4111 1111 1111 1112 fails its checksum, and 0000 0000 0000 0000 is none",
        "DE00 3704 0044 0532 0130 00 fails its checksum",
        "2 + 2 is 4, and +1 is a vote",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert scrubbed(text, ALL)[0] == text


def test_only_the_kinds_that_are_asked_for_go_and_are_counted() -> None:
    text, counts = scrubbed("a@example.com b@example.com 8.8.8.8", ("email",))
    assert text == "<email> <email> 8.8.8.8"
    assert counts == {"email": 2}
