"""Numbers and results in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

MINUS = "−"
"""A true minus sign, as wide as a plus."""

THIN = "\u202f"
"""A narrow space at which no line breaks."""

NOT_KNOWN = "–"
"""What stands where a value is missing."""


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in [0, 1] as a percentage."""
    return NOT_KNOWN if share is None else f"{100 * share:.{decimals}f}{THIN}%".replace("-", MINUS)


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a few significant digits."""
    return NOT_KNOWN if value is None else f"{value:.{digits}g}".replace("-", MINUS)


def signed(value: float | None, decimals: int = 3) -> str:
    """A number with its sign, + included."""
    if value is None:
        return NOT_KNOWN
    shown = f"{value:+.{decimals}f}"
    return shown[1:] if float(shown) == 0 else shown.replace("-", MINUS)


def small(value: float | None) -> str:
    """A number that may be tiny, with its sign: 0.012, or 2.1 × 10⁻⁴."""
    if value is None:
        return NOT_KNOWN
    if value == 0 or abs(value) >= 0.001:
        return signed(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × {power_of_ten(int(exponent))}".replace("-", MINUS)


def power_of_ten(exponent: int) -> str:
    """10⁻⁴ and the like."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def p_value(p: float | None) -> str:
    """A p-value with its name: "p = 0.012" or "p < 0.0001"."""
    if p is None:
        return f"p {NOT_KNOWN}"
    return "p < 0.0001" if p < 0.0001 else f"p = {probability(p)}"


def probability(p: float | None) -> str:
    """A p- or q-value with two significant digits, never in powers of ten."""
    if p is None:
        return NOT_KNOWN
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.01 else f"{p:.4f}"


def duration(seconds: float | None) -> str:
    """A stretch of time in the two units that matter."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def grouped(value: float | None) -> str:
    """A whole number with thin spaces between thousands."""
    return NOT_KNOWN if value is None else f"{value:,.0f}".replace(",", THIN).replace("-", MINUS)


def several(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 candidate", "412 candidates"."""
    return f"{grouped(count)} {one if count == 1 else many or one + 's'}"


def file_name(path: str) -> str:
    """The last part of a path, without the ending of a network file; a plain name stays as it is."""
    return PurePath(path).name.removesuffix(".pb.gz").removesuffix(".safetensors")


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
