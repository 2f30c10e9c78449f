"""What exports call a row of totals or means, in the languages that ad platforms speak.

Total: Account        Gesamt: Konto        Total : compte        総計        Grand total
"""

import re

_NAMED = re.compile(
    r"(?:total(?:e|i)? (?:g[eé]n[eé]ral|geral|complessivo)|(?:sub|suma )total|sous-total|totaux|totale|totali|totalt|"
    r"(?:eind|sub)?totaal|(?:(?:grand|sub|account|campaign|overall|report|deleted items)[ -]?)?totals?|averages?|"
    r"(?:gesamt|end|zwischen)?summen?|gesamt(?:ergebnis|wert)?|insgesamt|zwischenergebnis|i alt|sammanlagt|"
    r"yhteensä|suma|razem|łącznie|ogółem|celkem|spolu|összesen|toplam|tổng(?: cộng)?|jumlah|σύνολο|всего|итого|всього|"
    r"разом|合计|总计|总和|小计|共计|合計|総計|總計|小計|합계|총계|전체|รวม(?:ทั้งหมด)?|الإجمالي|المجموع|סה[\"״]כ)"
    r"(?![a-z\u00df-\u024f\u0370-\u04ff])"
)
# What may stand behind the name without making an ad of it.
_OF_WHAT = re.compile(
    r"\s*(?:[:：|(–—-]|of|for)\s*(?:the |all )?(?:account|campaign|ad group|ad set|ad|keyword|search|display|video|"
    r"network|shopping|performance max|experiment|filtered|row|page|item|result|user|konto|kampagne|anzeige|compte|"
    r"cuenta|conta|帐号|账号|账户|帳戶|アカウント|계정|\d)[\w\s&/()-]*",
)
_ANYTHING = re.compile(r"\s*[:：|(–—-].*", re.DOTALL)


def names_total(text: str, certain: bool) -> bool:
    """Whether a cell names a row of totals; where that is certain anyway, with whatever stands behind the name."""
    plain = text.strip().casefold()
    if (found := _NAMED.match(plain)) is None:
        return False
    rest = plain[found.end() :]
    return not rest or _OF_WHAT.fullmatch(rest) is not None or (certain and _ANYTHING.match(rest) is not None)
