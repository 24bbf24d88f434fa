"""The share of the variance of each component."""

import re

from attar.report.explored import Spectrum
from attar.report.scree import scree


def test_each_tick_has_a_place_of_its_own():
    # A share a little above a tick, by rounding alone.
    drawn = scree(Spectrum((0.1 + 0.2, 0.2, 0.2, 0.1), 3.0, 2.0, None, 4)).split("</figure>")[0]
    ticks = re.findall(r'<text class="side" x="-8" y="([\d.]+)%"[^>]*>(\d+) %<', drawn)
    assert ticks == [("100.0", "0"), ("66.67", "10"), ("33.33", "20"), ("0.0", "30")]
