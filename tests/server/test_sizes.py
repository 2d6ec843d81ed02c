import pytest

from totalseg_mcp.server.sizes import size


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("0", 0),
        ("1B", 1),
        ("4096MiB", 4_294_967_296),
        ("4 GiB", 4_294_967_296),
        (" 0.5GiB ", 536_870_912),
        ("8GB", 8_000_000_000),
        ("1TiB", 1_099_511_627_776),
        ("3KB", 3_000),
    ],
)
def test_an_amount_is_read(text, nbytes):
    assert size(text) == nbytes


@pytest.mark.parametrize("text", ["8", "", "GiB", "-1GiB", "8gib", "8 G", "1e3MB", "8GiB and more"])
def test_what_is_no_amount_is_refused_with_the_text(text):
    with pytest.raises(ValueError, match="is not an amount of memory, such as 8GiB"):
        size(text)
