import json
from copy import deepcopy
from dataclasses import asdict, dataclass

import pytest

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.licence import LicenceNumber, number_in, without_numbers
from totalseg_mcp.engine.sources import Sources

NUMBER = "aca_98765432101234"


@pytest.mark.parametrize("text", [NUMBER, f" {NUMBER}\n", "x" * 18, "A1-_" * 4 + "#~"])
def test_eighteen_characters_are_a_number(text):
    assert LicenceNumber(text).reveal() == text.strip()


@pytest.mark.parametrize("text", ["", NUMBER[:-1], NUMBER + "5", "aca_9876 432101234", "ü" * 18])
def test_what_cannot_be_a_number_is_refused_without_repeating_it(text):
    with pytest.raises(BadRequestError, match="18") as error:
        LicenceNumber(text)
    assert not text or text not in str(error.value)


@dataclass
class Holder:
    number: LicenceNumber


def test_a_number_is_shown_by_nothing():
    number = LicenceNumber(NUMBER)
    holder = Holder(number)
    shown = (number, holder, asdict(holder), deepcopy(holder), Sources(number=number))
    assert all(NUMBER not in text for value in shown for text in (repr(value), str(value)))
    assert NUMBER not in f"{number}"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"license_number": NUMBER}),
        json.dumps(json.dumps({"license_number": NUMBER})),
        repr({"licence_number": NUMBER, "task": "total"}),
        f"license_number={NUMBER}",
        f"licenseNumber: '{NUMBER}'",
        f'TOTALSEG_MCP_LICENSE="{NUMBER}"',
        f"Arguments(license_number='{NUMBER}')",
        f"('license_number', '{NUMBER}')",
    ],
)
def test_what_is_named_as_a_number_is_hidden_in_any_text(text):
    hidden = without_numbers(text)
    assert NUMBER not in hidden
    assert "(hidden)" in hidden


def test_other_text_stays_as_it_is():
    text = "Licence numbers: see https://backend.totalsegmentator.com/license-academic/ {'a': 'b'}"
    assert without_numbers(text) == text


def test_totalsegmentators_own_number_is_found(tmp_path):
    config = tmp_path / "config.json"
    assert number_in(config) is None
    config.write_text('{"totalseg_id": "x"}')
    assert number_in(config) is None
    config.write_text(json.dumps({"license_number": NUMBER}))
    found = Sources(config=config).licence()
    assert found is not None
    assert found.reveal() == NUMBER


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"license_number": 5}', f'{{"license_number": "{NUMBER}5"}}']
)
def test_a_configuration_that_cannot_be_used_is_told_by_its_place_only(tmp_path, content):
    config = tmp_path / "config.json"
    config.write_text(content)
    with pytest.raises(NotReadyError, match=r"config\.json") as error:
        number_in(config)
    assert NUMBER not in str(error.value)


def test_our_own_number_comes_before_totalsegmentators(tmp_path):
    config = tmp_path / "config.json"
    config.write_text("{")
    number = LicenceNumber(NUMBER)
    assert Sources(number=number, config=config).licence() is number
