"""Phone numbers by libphonenumber, asked only where its own metadata leave a number possible.

Its matcher tries each run of digits as a number, and each part of a run, in tenths of a millisecond. Nearly all of them
fail at its last question, whether the digits are a number of the country; that question comes first here.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from phonenumbers import PhoneNumberMatch, PhoneNumberMatcher
from phonenumbers.phonemetadata import PhoneMetadata
from phonenumbers.phonenumberutil import _VALID_PUNCTUATION, COUNTRY_CODE_TO_REGION_CODE

# Digits, and what may stand between those of one number.
_RUN = re.compile(rf"[0-9{_VALID_PUNCTUATION}]{{2,}}")
_EXTENSION = re.compile(r"[x~⁓∼～]")
_PLAIN = re.compile(rf"[0-9{_EXTENSION.sub('', _VALID_PUNCTUATION)}]+")
_GROUP = re.compile(r"[0-9]+")
# What libphonenumber is to read itself: numbers of any country, digits of other scripts, and groups of digits in whose
# middle a number may begin, because they are so long, or because the first of them end an extension before.
_OTHER = re.compile(
    r"[+＋]|(?![0-9])\d|[0-9]{16}|[0-9][^0-9]{0,20}[xｘ#＃~～,;tｔnｎoоб][:.．\s,-]{0,6}[0-9]{7}",
    re.IGNORECASE,
)
_LEAST = 7  # digits of a number of these regions
_MOST = 20  # with its country code and what is dialled before it
_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("voip", "personal_number", "pager", "uan", "voicemail"),
)


def phone_matches(text: str, regions: tuple[str, ...]) -> Iterator[PhoneNumberMatch]:
    """What `phonenumbers.PhoneNumberMatcher(text, region)` gives, for one region after the other."""
    if _worth_matching(text, regions):
        for region in regions:
            if len(regions) == 1 or _worth_matching(text, (region,)):
                yield from _Matcher(text, region)


class _Matcher(PhoneNumberMatcher):
    def _parse_and_verify(self, candidate: str, offset: int) -> Any:
        if _PLAIN.fullmatch(candidate):
            digits = "".join(_GROUP.findall(candidate))
            if _numbers((self.preferred_region,)).fullmatch(digits) is None:
                return None
        return super()._parse_and_verify(candidate, offset)


def _worth_matching(text: str, regions: tuple[str, ...]) -> bool:
    """False only where no groups of digits beside each other can be a number of a region."""
    if _OTHER.search(text):
        return True
    number = _numbers(regions).fullmatch
    for run in _RUN.findall(text):
        groups = _GROUP.findall(run)
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                count = len(digits)
                if count >= _LEAST and number(digits):
                    return True
                if count > _MOST:
                    break
    return False


@cache
def _numbers(regions: tuple[str, ...]) -> re.Pattern[str]:
    """Digits that may be a valid number in whichever way libphonenumber reads them in a region: with the country's code
    or without, with prefixes that it takes off or without; or of another country, dialled from here."""
    ways = []
    for region in regions:
        own: Any = PhoneMetadata.metadata_for_region(region)
        code, prefix = own.country_code, own.national_prefix_for_parsing or ""
        shared = map(PhoneMetadata.metadata_for_region, COUNTRY_CODE_TO_REGION_CODE[code])
        kinds = filter(None, (getattr(each, kind) for each in shared for kind in _KINDS))
        patterns = sorted({kind.national_number_pattern for kind in kinds if kind.national_number_pattern})
        ways.append(f"(?:{code})?(?:{prefix}){{0,2}}(?:{'|'.join(patterns)})")
        ways.append(f"(?:{own.international_prefix})[0-9]*")
        if own.national_prefix_transform_rule is not None:  # other digits take the place of the prefix
            ways.append(f"(?:{code})?(?:{prefix})[0-9]*")
    return re.compile("|".join(ways))
