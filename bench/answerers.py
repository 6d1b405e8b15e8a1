"""How often people and answering machines are mistaken for each other, on generated greetings.

Usage: python -m bench.answerers [HOW_MANY [SEED]]
"""

from __future__ import annotations

import sys

from media.answerer import Answerer
from tests.support.answerers import judge
from tests.support.greetings import generated


def main(count: int, seed: int) -> None:
    """Print what people and machines were taken for, and how long that took."""
    greetings = generated(count, seed)
    found = [(greeting, *judge(greeting)) for greeting in greetings]
    for machine, name in ((False, "people"), (True, "machines")):
        mine = [(who, seconds) for greeting, who, seconds in found if greeting.machine is machine]
        counts = ", ".join(f"{who.value}: {sum(one is who for one, _ in mine)}" for who in Answerer)
        times = sorted(seconds for _, seconds in mine)
        print(f"{len(mine)} {name} were taken for {counts}; judged after {times[len(times) // 2]:.1f} s (median)")
    right = {False: Answerer.PERSON, True: Answerer.MACHINE}
    wrong = sum(who is not right[greeting.machine] for greeting, who, _ in found)
    print(f"{wrong} of {count} wrong: {100 * wrong / count:.1f} %")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    main(*(given + [1000, 7][len(given) :]))
