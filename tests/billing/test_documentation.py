"""docs/billing.md and its tests stay the same table."""

import re
from pathlib import Path

from tests.billing import test_billing_table

PAGE = Path(__file__).parents[2] / "docs" / "billing.md"


def test_every_row_of_the_table_is_a_test_and_every_test_a_row() -> None:
    rows = re.findall(r"^\|.*`(test_\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    tests = [name for name in vars(test_billing_table) if name.startswith("test_")]
    assert sorted(rows) == sorted(tests)
