import pytest

from raytide.jobs.preprocess.language import known_languages, language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The tide rises twice a day, and the boats rise with it.", "en"),
        ("Das Wasser steigt zweimal am Tag, und die Boote steigen mit ihm.", "de"),
        ("La marée monte deux fois par jour, et les bateaux avec elle.", "fr"),
        ("潮は一日に二度満ちて、舟も一緒に上がります。", "ja"),
        ("潮水每天涨两次,船也跟着升起来。", "zh"),
        ("Прилив поднимается дважды в день, и лодки вместе с ним.", "ru"),
    ],
)
def test_a_sentence_is_enough(text: str, code: str) -> None:
    found = language(text)
    assert found.code == code
    assert 0.65 <= found.probability <= 1


def test_codes_have_two_letters() -> None:
    assert {"en", "de", "zh"} <= known_languages()
    assert all(len(code) in {2, 3} for code in known_languages())
