"""The currencies of ISO 4217 and their minor units."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from billing.errors import InvalidRateError

_TWO: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP "
    "CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR "
    "NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT "
    "TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
)
_ZERO: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR: Final = "CLF UYW"

MINOR_UNITS: Final = {
    code: digits for digits, codes in ((2, _TWO), (0, _ZERO), (3, _THREE), (4, _FOUR)) for code in codes.split()
}
"""Decimal places of each currency's smallest unit: 2 for RUB (kopecks), 0 for JPY, 3 for KWD."""


def minor_units(currency: str) -> int:
    """Return the decimal places of a currency.

    Raises:
        InvalidRateError: ISO 4217 has no such code.
    """
    try:
        return MINOR_UNITS[currency]
    except KeyError:
        raise InvalidRateError(
            f"“{currency[:10]}” is not a currency code.", hint="Use a code of ISO 4217, like RUB, BRL or EUR."
        ) from None


def plain(value: Decimal, currency: str) -> Decimal:
    """Return the same value with no more zeros at its end than the currency's minor units.

    The databases give prices back with different numbers of zeros; this makes them read alike.
    """
    exponent = value.normalize().as_tuple().exponent
    places = max(-exponent if isinstance(exponent, int) else 0, MINOR_UNITS.get(currency, 2))
    return value.quantize(Decimal(1).scaleb(-places))
