"""Reports of clicks in any language: known by titles, totals and a rate that is the ratio of two counts."""

import random
from pathlib import Path

import pytest

from recipes import Recipe
from recipes.data import check, propose
from recipes.data.click_shape import Measured, measured

# Titles; ad, campaign, impressions, clicks, rate and cost; a total; what groups digits; the decimal sign.
REPORTS = {
    "sv": (
        "Annonsrapport",
        "Rubrik ett|Kampanj|Visn.|Klick|Klickfrekv.|Kostn.",
        "Totalt: konto",
        "\u00a0",
        ",",
    ),
    "ar": (
        "تقرير الإعلانات",
        "العنوان|الحملة|مرات الظهور|النقرات|نسبة النقر|التكلفة",
        "الإجمالي: الحساب",
        ",",
        ".",
    ),
    "he": ("דוח מודעות", "כותרת|קמפיין|חשיפות|קליקים|שיעור|עלות", 'סה"כ: חשבון', ",", "."),
    "da": ("Annoncerapport", "Overskrift|Kampagne|Vist|Kl.|Rate|Pris", "I alt: konto", ".", ","),
    "hu": ("Hirdetések", "Címsor|Kampány|Megj.|Katt.|Arány|Ár", "Összesen: fiók", "\u202f", ","),
    "vi": (
        "Báo cáo",
        "Tiêu đề|Chiến dịch|Lượt hiển thị|Lượt nhấp|Tỷ lệ|Chi phí",
        "Tổng: tài khoản",
        ".",
        ",",
    ),
    "none": ("aaa", "bbb|ccc|ddd|eee|fff|ggg", "Total: hhh", ",", "."),
}


def report(language: str, delimiter: str, rows: int = 40) -> str:
    title, names, total, group, sign = REPORTS[language]
    draw, shown_in_all, clicked_in_all = random.Random(language), 0, 0

    def cells(ad: str, campaign: str, shown: int, clicked: int) -> str:
        numbers = [f"{shown:,}".replace(",", group), f"{clicked:,}".replace(",", group)]
        rates = [
            f"{100 * clicked / shown:.2f}".replace(".", sign) + "%",
            f"{clicked * 0.3:.2f}".replace(".", sign),
        ]
        return delimiter.join(
            f'"{cell}"' if delimiter in cell else cell for cell in (ad, campaign, *numbers, *rates)
        )

    lines = [title, "1 – 30", delimiter.join(names.split("|"))]
    for number in range(rows):
        shown = draw.randint(20, 20_000)
        clicked = int(shown * draw.random() * 0.08)
        shown_in_all, clicked_in_all = shown_in_all + shown, clicked_in_all + clicked
        lines.append(cells(f"light shoes {number} for rain", draw.choice(["one", "two"]), shown, clicked))
    return "\n".join([*lines, cells(total, "--", shown_in_all, clicked_in_all)]) + "\n"


@pytest.mark.parametrize("language", [*REPORTS])
@pytest.mark.parametrize(("delimiter", "encoding"), [("\t", "utf-16"), (",", "utf-8"), (";", "utf-8")])
def test_a_report_in_any_language_is_read_and_its_recipe_guessed(
    tmp_path: Path, language: str, delimiter: str, encoding: str
) -> None:
    path = tmp_path / "report.csv"
    path.write_bytes(report(language, delimiter).encode(encoding))
    proposed = propose(path)
    assert not proposed.problems and "read as google-ads" in proposed.text
    (tmp_path / "r.yaml").write_text(proposed.text)
    recipe, names = Recipe.load(tmp_path / "r.yaml"), REPORTS[language][1].split("|")
    assert recipe.task == "recommendation"
    assert recipe.data.columns == {"ad": names[0], "impressions": names[2], "clicks": names[3]}
    found = check(recipe, path)
    assert found.rows == 40 and any(
        "1 rows of totals are left out, in line 44" in note for note in found.notes
    )


def test_the_ad_is_the_headline_and_no_campaign(tmp_path: Path) -> None:
    path = tmp_path / "linkedin.csv"
    above = ["Ad Performance Report (in UTC)", "Report Start: June 1, 2026", ""]
    names = "Start Date (in UTC)\tCampaign Name\tAd Headline\tImpressions\tClicks\tClick Through Rate".split(
        "\t"
    )
    rows = [
        f"6/1/2026\tSpring\tLight shoes {n}\t{900 + 7 * n}\t{n}\t{100 * n / (900 + 7 * n):.2f}%"
        for n in range(40)
    ]
    path.write_bytes("\n".join([*above, "\t".join(names), *rows]).encode("utf-16"))
    assert 'ad: "Ad Headline"' in propose(path).text


@pytest.mark.parametrize(
    "rows",
    [
        [["a", "100", "5", "7.00%"], ["b", "200", "9", "1.00%"], ["c", "300", "8", "9.00%"]],  # another ratio
        [["a", "100", "0", "0.00%"], ["b", "200", "0", "0.00%"], ["c", "300", "0", "0.00%"]],  # says nothing
        [["a", "3", "1", "0.3"], ["b", "3", "1", "0.3"], ["c", "2", "1", "0.5"]],  # too coarse to tell
        [["a", "x", "y", "z"]],
        [["a", "9" * 5000, "1", "0.5"]] * 4,  # more digits than Python makes a number of
        [],
    ],
)
def test_what_is_no_rate_of_two_counts_measures_nothing(rows: list[list[str]]) -> None:
    assert measured(rows) is None


def test_the_rate_of_conversions_is_not_that_of_impressions() -> None:
    rows = [[f"{900 + n * 31}", f"{90 + n}", f"{n}", "", ""] for n in range(1, 9)]
    for row in rows:
        shown, clicked, bought = map(int, row[:3])
        row[3:] = [f"{100 * bought / clicked:.2f} %", f"{100 * clicked / shown:.2f} %"]
    assert measured(rows) == Measured(impressions=0, clicks=1, rate=4)


def test_a_plain_table_is_no_report(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(report("none", ";").splitlines()[2:-1]))
    proposed = propose(path).text
    assert "google-ads" not in proposed and "impressions: ddd" in proposed and "clicks: eee" in proposed


@pytest.mark.parametrize(
    "told",
    [
        "{0:.2f} %",
        "%{0:.2f}",
        "% {0:.2f}",
        "{0:.2f}\u066a",
        "{0:.2f}\uff05",
        "{0:.2f}",
        "{1:.4f}",
    ],
)
@pytest.mark.parametrize("comma", [False, True])
def test_a_rate_is_known_however_its_percent_is_written(tmp_path: Path, told: str, comma: bool) -> None:
    draw = random.Random(5)
    counts = [
        (shown, draw.randrange(10, shown // 10)) for shown in (draw.randrange(900, 9000) for _ in range(30))
    ]
    said = [told.format(100 * clicks / shown, clicks / shown) for shown, clicks in counts]
    rows = [
        [
            f"Light shoes for all, kind {at}",
            str(shown),
            str(clicks),
            rate.replace(".", ",") if comma else rate,
        ]
        for at, ((shown, clicks), rate) in enumerate(zip(counts, said, strict=True))
    ]
    assert measured(rows) == Measured(1, 2, 3)
    path = tmp_path / "a.tsv"
    path.write_text("bbb\tccc\tddd\teee\n" + "".join("\t".join(row) + "\n" for row in rows))
    (tmp_path / "a.yaml").write_text(propose(path).text)
    assert check(Recipe.load(tmp_path / "a.yaml"), path).rows


def test_a_number_that_is_no_percent_of_two_counts_is_no_rate() -> None:
    draw = random.Random(6)
    rows = [
        [
            f"a {at}",
            str(draw.randrange(900, 9000)),
            str(draw.randrange(10, 90)),
            f"{draw.uniform(0.1, 9):.2f}",
        ]
        for at in range(40)
    ]
    assert measured(rows) is None
