"""`DATA=builtin:name=number`: what is accepted, and the one line for what is not."""

import pytest

from bench.errors import UserError
from bench.tasks import builtin_options

DEFAULTS = {"subjects": 160, "test": 0}


def test_options_replace_defaults():
    assert builtin_options("builtin", DEFAULTS) == DEFAULTS
    assert builtin_options("builtin:", DEFAULTS) == DEFAULTS
    assert builtin_options("builtin:test=280,subjects=007", DEFAULTS) == {"subjects": 7, "test": 280}


# int() accepts the Arabic-Indic digit, and refuses the superscript that str.isdigit() accepts, and 4301 digits
@pytest.mark.parametrize("value", ["²", "٣", "", "-1", "+1", "1.5", " 1", "1\n", "1_000", "many", "9" * 4301])
def test_values_are_digits(value):
    with pytest.raises(UserError) as caught:
        builtin_options(f"builtin:subjects={value}", DEFAULTS)
    shown, found = value.replace("\n", "?"), repr(f"subjects={value}")  # no control character is printed
    assert str(caught.value) == (
        f"DATA=builtin:subjects={shown}: found {found}; expected subjects=number, test=number"
    )


def test_other_names_are_answered_with_all_there_are():
    with pytest.raises(UserError, match="found 'brains=3'; expected subjects=number, test=number"):
        builtin_options("builtin:brains=3", DEFAULTS)
    with pytest.raises(UserError, match="found 'subjects=3'; expected no options"):
        builtin_options("builtin:subjects=3", {})


def test_a_million_images_are_too_many_and_seeds_may_be_large():
    with pytest.raises(UserError, match="found 'subjects=1000000'; expected a number below a million"):
        builtin_options("builtin:subjects=1000000", DEFAULTS)
    assert builtin_options("builtin:seed=4294967295", {"seed": 0}) == {"seed": 4294967295}
