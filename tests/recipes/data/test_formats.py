"""Exports and public sets as they come: small files after the public descriptions, each known by its lines and told."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recipes.data import propose
from recipes.data.tables import Table, read_tables
from recipes.options import read_yaml
from recipes.options.data import FormatOptions
from recipes.recipe import Recipe
from tests.recipes.data.test_file_bytes import workbook

GOOGLE = """Ad report
"June 1, 2026 - June 30, 2026"
Campaign,Ad group,Headline 1,Currency code,Impr.,Clicks,CTR,Cost
Spring,Shoes,"Trail shoes, light",EUR,"1,234",38,3.08%,"1,050.25"
Autumn, --,Boots,EUR,90, --,0.00%,0.00
Total: Ads, --, --,EUR,"1,324",38,2.87%,"1,050.25"
Total: Account, --, --,EUR,"123,456",38,2.87%,"1,050.25"
"""
GOOGLE_ROWS = [
    {"Headline 1": "Trail shoes, light", "Impr.": "1234", "Clicks": "38", "CTR": "0.0308", "Cost": "1050.25"},
    {"Headline 1": "Boots", "Ad group": "", "Impr.": "90", "Clicks": "", "CTR": "0.0000", "Cost": "0.00"},
]
META = """Reporting starts,Reporting ends,Campaign name,Ad name,Impressions,Link clicks,Amount spent (EUR)
2026-06-01,2026-06-30,,,2300,52,80.10
2026-06-01,2026-06-30,Spring,Shoes on grass,1300,30,50.05
2026-06-01,2026-06-30,Spring,Shoes on rock,1000,22,30.05
"""
GA4 = """# ----------------------------------------
# Pages and screens: Page title
# Shop - GA4
# ----------------------------------------
#
# All Users
# Start date: 20260601
# End date: 20260630
Page title,Views,Users,Average engagement time,
Trail shoes,1520,800,31.5,
"Kettles, quiet",310,120,12.25,
,1830,920,28.1,Grand total

# Start date: 20260601
# End date: 20260630
Nth day,Users
0001,12
"""


MICROSOFT = """"Report Name: Ad performance"
"Report Time: 6/1/2026-6/30/2026"
"Time Zone: (GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"
"Last Completed Available Day: 7/1/2026 8:00:00 AM (GMT)"
"Report Aggregation: Summary"
"Report Filter: "
"Potential Incomplete Data: false"
"Rows: 2"

"Campaign","Ad group","Title part 1","Currency code","Impressions","Clicks","CTR","Spend"
"Spring","Shoes","Trail shoes, light","EUR","1,234","38","3.08%","1,050.25"
"Autumn","-","Boots","EUR","90","-","0.00%","0.00"
"Total","-","-","-","1,324","38","2.87%","1,050.25"

"\u00a92026 Microsoft Corporation. All rights reserved. "
"""
MICROSOFT_ROWS = [
    {
        "Title part 1": "Trail shoes, light",
        "Impressions": "1234",
        "Clicks": "38",
        "CTR": "0.0308",
        "Spend": "1050.25",
    },
    {
        "Title part 1": "Boots",
        "Ad group": "",
        "Impressions": "90",
        "Clicks": "",
        "CTR": "0.0000",
        "Spend": "0.00",
    },
]


def read(path: Path, content: str | bytes, **given: Any) -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [table] = read_tables(path, written=FormatOptions(**given))
    return table


def rows(table: Table) -> list[dict[str, Any]]:
    assert table.problems == ()
    return [dict(row.cells) for row in table.rows]


def holds(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert [{key: row[key] for key in want} for row, want in zip(found, wanted, strict=True)] == wanted


@pytest.mark.parametrize("given", [{}, {"name": "google-ads"}])
@pytest.mark.parametrize("packed", ["plain", "gz", "zst", "utf-16"])
def test_google_ads(tmp_path: Path, given: dict[str, Any], packed: str) -> None:
    content, name = GOOGLE.encode(), "report.csv"
    if packed == "gz":
        content, name = gzip.compress(content), "report.csv.gz"
    if packed == "zst":
        content, name = pa.compress(content, codec="zstd", asbytes=True), "report.csv.zst"
    if packed == "utf-16":
        lines = [line.replace('"1,', "1,").replace('",', ",") for line in GOOGLE.splitlines()]
        tabbed = [lines[0], "June 2026", *(_tabbed(line) for line in GOOGLE.splitlines()[2:])]
        content = "\n".join(tabbed).encode("utf-16")
    table = read(tmp_path / name, content, **given)
    holds(rows(table), GOOGLE_ROWS)
    told = "\n".join(table.notes)
    assert ("read as google-ads" in told) == (not given)
    assert ("read as UTF-16" in told) == (packed == "utf-16")
    assert "the header stands in line 3" in told and "decimal point" in told
    assert "2 rows of totals are left out, in line 6, 7" in told
    assert [row.line for row in table.rows] == [4, 5]


def _tabbed(line: str) -> str:
    return "\t".join(next(csv.reader([line])))


def test_numbers_of_another_locale_are_read_by_what_the_file_shows(tmp_path: Path) -> None:
    german = "Bericht\nCampaign;Impr.;Clicks;CTR;Cost\nHerbst;1.234;38;3,08 %;1.050,25\nMai;90;2;2,2 %;0,5\n"
    table = read(tmp_path / "a.csv", german)
    holds(
        rows(table), [{"Impr.": "1234", "CTR": "0.0308", "Cost": "1050.25"}, {"Impr.": "90", "Cost": "0.5"}]
    )
    assert "decimal comma" in "\n".join(table.notes)


def test_numbers_that_no_locale_explains_are_refused_until_it_is_declared(tmp_path: Path) -> None:
    open_ = 'Campaign,Impr.,Clicks,Cost\nSpring,90,2,"1,250"\nMay,80,1,"2,750"\n'
    [problem] = read(tmp_path / "a.csv", open_).problems
    assert (problem.line, problem.column, problem.value) == (2, "Cost", "1,250")
    assert "data.format.decimal=point or comma" in problem.fix
    holds(rows(read(tmp_path / "a.csv", open_, decimal="point")), [{"Cost": "1250"}, {"Cost": "2750"}])
    holds(rows(read(tmp_path / "a.csv", open_, decimal="comma")), [{"Cost": "1.250"}, {"Cost": "2.750"}])
    mixed = 'Campaign,Impr.,Clicks,Cost\nSpring,90,2,1.5\nMay,80,1,"2,5"\n'
    [problem] = read(tmp_path / "a.csv", mixed).problems
    assert "decimal comma" in problem.message and "line 2" in problem.message


def test_a_declared_decimal_sign_holds_for_any_table_and_leaves_texts(tmp_path: Path) -> None:
    table = "text;weight;label\nSave 20%;1.234,5;3,5\n50%;2,5;good\n"
    assert rows(read(tmp_path / "a.csv", table, decimal="comma")) == [
        {"text": "Save 20%", "weight": "1234.5", "label": "3,5"},
        {"text": "50%", "weight": "2.5", "label": "good"},
    ]


def test_meta_ads(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", META)
    holds(rows(table), [{"Ad name": "Shoes on grass", "Impressions": "1300"}, {"Ad name": "Shoes on rock"}])
    assert "read as meta-ads" in table.notes[0] and "1 rows of totals" in "\n".join(table.notes)


def test_ga4(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", GA4)
    holds(rows(table), [{"Page title": "Trail shoes", "Views": "1520"}, {"Page title": "Kettles, quiet"}])
    told = "\n".join(table.notes)
    assert "read as ga4" in told and "the table ends above line 14" in told and "1 rows of totals" in told


@pytest.mark.parametrize("given", [{}, {"name": "microsoft-ads"}])
@pytest.mark.parametrize("kind", ["csv", "a byte order mark", "tsv", "xlsx"])
def test_microsoft_ads(tmp_path: Path, given: dict[str, Any], kind: str) -> None:
    content: str | bytes = MICROSOFT
    if kind == "a byte order mark":
        content = MICROSOFT.encode("utf-8-sig")
    if kind == "tsv":
        content = "".join(f"{_tabbed(line) if line else ''}\n" for line in MICROSOFT.splitlines())
    if kind == "xlsx":
        cells = [next(csv.reader([line]), []) for line in MICROSOFT.splitlines()]
        content = workbook([[*each, *[""] * (8 - len(each))] for each in cells])
    table = read(tmp_path / ("a.csv" if "mark" in kind else f"a.{kind}"), content, **given)
    holds(rows(table), MICROSOFT_ROWS)
    told = "\n".join(table.notes)
    assert ("read as microsoft-ads, by its first lines" in told) == (not given)
    assert "1 rows of totals are left out, in line 13" in told
    assert "line 15, Microsoft's copyright, is left out" in told


@pytest.mark.parametrize(
    "total",
    [
        '"-","-","-","-","1,324","38","2.87%","1,050.25"',
        '"Overall total - 25 campaigns","-","-","-","1,324","38","2.87%","1,050.25"',
        '"Deleted items total","","","EUR","0","0","0.00%","0.00"',
        '"Total","--","--","--","1,324","38","2.87%","1,050.25"',
    ],
)
def test_totals_of_microsoft_ads_in_all_their_words(tmp_path: Path, total: str) -> None:
    lines = MICROSOFT.splitlines(keepends=True)
    table = read(tmp_path / "a.csv", "".join([*lines[:12], total + "\n", *lines[13:]]))
    holds(rows(table), MICROSOFT_ROWS)


def test_names_that_are_numbers_are_no_totals(tmp_path: Path) -> None:
    body = "2026-06-01,20931,1200,40\n2026-06-01,20932,90,2\n2026-06-01,,1290,42\n"
    table = read(tmp_path / "a.csv", f"TimePeriod,AdGroupName,Impressions,Clicks\n{body}")
    assert [row["AdGroupName"] for row in rows(table)] == ["20931", "20932"]


def test_microsoft_ads_as_its_programming_interface_calls_the_columns(tmp_path: Path) -> None:
    header = "TimePeriod,CampaignName,AdGroupName,TitlePart1,Impressions,Clicks,Ctr,Spend"
    body = "2026-06-01,Spring,Shoes,Trail shoes,1200,40,3.33%,10.25\n2026-06-02,Spring,Shoes,Boots,90,2,2.22%,1.50\n"
    table = read(
        tmp_path / "a.csv", f"{header}\n{body}\u00a92026 Microsoft Corporation. All rights reserved.\n"
    )
    assert "a.csv: read as microsoft-ads, by its first lines (data.format.name)" in table.notes
    holds(
        rows(table),
        [{"TitlePart1": "Trail shoes", "Ctr": "0.0333"}, {"TitlePart1": "Boots", "Spend": "1.50"}],
    )


def test_a_copyright_ends_any_table_of_several_columns_and_is_a_text_of_one(tmp_path: Path) -> None:
    line = "\u00a92026 Microsoft Corporation. All rights reserved."
    assert len(rows(read(tmp_path / "a.csv", f"text,label\nnice,good\n{line}\n"))) == 1
    assert len(rows(read(tmp_path / "b.csv", f"text\nnice\n{line}\n"))) == 2
    assert len(rows(read(tmp_path / "c.csv", f"text,label\nnice,good\n{line},bad\n"))) == 2


def test_a_dash_is_a_text_where_the_report_is_anothers(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", GOOGLE.replace("Boots", "-"))
    assert [row["Headline 1"] for row in rows(table)] == ["Trail shoes, light", "-"]


def test_an_ad_that_is_called_total_is_an_ad(tmp_path: Path) -> None:
    ads = "Campaign,Ad,Impr.,Clicks\nTotal: comfort,Soft shoes,10,1\nTotal: Account, --,10,1\n"
    assert [row["Ad"] for row in rows(read(tmp_path / "a.csv", ads))] == ["Soft shoes"]


# After what people show of exports in these languages: titles, header, the row of totals.
GOOGLE_IN = {
    "de": (
        "Anzeigenbericht",
        "1. Juni 2026 - 30. Juni 2026",
        "Kampagne;Anzeigengruppe;Anzeigentitel 1;Währungscode;Impressionen;Klicks;CTR;Kosten",
        "Gesamt: Konto",
    ),
    "fr": (
        "Rapport sur les annonces",
        "1 juin 2026 - 30 juin 2026",
        "Campagne;Groupe d'annonces;Titre 1;Code de devise;Impr.;Clics;CTR;Coût",
        "Total : compte",
    ),
    "es": (
        "Informe de anuncios",
        "1 de junio de 2026 - 30 de junio de 2026",
        "Campaña;Grupo de anuncios;Título 1;Código de moneda;Impresiones;Clics;CTR;Coste",
        "Total: Cuenta",
    ),
    "it": (
        "Report annunci",
        "1 giugno 2026 - 30 giugno 2026",
        "Campagna;Gruppo di annunci;Titolo 1;Codice valuta;Impressioni;Clic;CTR;Costo",
        "Totale: Account",
    ),
    "pt": (
        "Relatório de anúncios",
        "1 de junho de 2026 - 30 de junho de 2026",
        "Campanha;Grupo de anúncios;Título 1;Código da moeda;Impressões;Cliques;CTR;Custo",
        "Total: conta",
    ),
    "nl": (
        "Advertentierapport",
        "1 juni 2026 - 30 juni 2026",
        "Campagne;Advertentiegroep;Kop 1;Valutacode;Vertoningen;Klikken;CTR;Kosten",
        "Totaal: account",
    ),
    "zh": (
        "广告报告",
        "2026年6月1日 - 2026年6月30日",
        "广告系列;广告组;标题 1;货币代码;展示次数;点击次数;点击率;费用",
        "总计:帐号",
    ),
    "ja": (
        "広告レポート",
        "2026年6月1日 - 2026年6月30日",
        "キャンペーン;広告グループ;見出し 1;通貨コード;表示回数;クリック数;クリック率;費用",
        "合計: アカウント",
    ),
}
META_IN = {
    "de": "Berichtsstart,Berichtsende,Kampagnenname,Anzeigenname,Impressionen,Link-Klicks,Ausgegebener Betrag (EUR)",
    "fr": "Début des rapports,Fin des rapports,Nom de la campagne,Nom de la publicité,Impressions,Clics sur un lien,"
    "Montant dépensé (EUR)",
    "es": "Inicio del informe,Fin del informe,Nombre de la campaña,Nombre del anuncio,Impresiones,"
    "Clics en el enlace,Importe gastado (EUR)",
    "it": "Inizio report,Fine report,Nome della campagna,Nome dell'inserzione,Impression,Clic sul link,"
    "Importo speso (EUR)",
    "pt": "Início dos relatórios,Término dos relatórios,Nome da campanha,Nome do anúncio,Impressões,Cliques no link,"
    "Valor usado (BRL)",
    "nl": "Start rapportage,Einde rapportage,Campagnenaam,Advertentienaam,Weergaven,Klikken op links,"
    "Besteed bedrag (EUR)",
    "zh": "报告开始日期,报告结束日期,广告系列名称,广告名称,展示次数,链接点击量,已花费金额 (USD)",
    "ja": "レポート開始日,レポート終了日,キャンペーン名,広告の名前,インプレッション,リンクのクリック,消化金額 (JPY)",
    "by its shape": "Van,Tot,Veldtog se naam,Advertensie se naam,Impressions,Link clicks,Bedrag (ZAR)",
}


@pytest.mark.parametrize("language", GOOGLE_IN)
@pytest.mark.parametrize("way", ["titles", "bare", "xlsx"])
def test_google_ads_in_other_languages(tmp_path: Path, language: str, way: str) -> None:
    title, period, header, total = GOOGLE_IN[language]
    lines = [title, f'"{period}"', header] if way != "bare" else [header]
    lines += [f"Kamp {n};Gruppe;Schuhe, {n}, leicht;EUR;{n + 1}.003;{n};3,0{n} %;{n},50" for n in range(9)]
    lines.append(f"{total}; --; --;EUR;45.027;36;3,00 %;40,50")
    path = tmp_path / ("a.xlsx" if way == "xlsx" else "a.csv")
    if way == "xlsx":
        path.write_bytes(workbook([next(csv.reader([line], delimiter=";")) for line in lines]))
    else:
        path.write_text("\n".join(lines))
    [table] = read_tables(path)
    names = header.split(";")
    wanted = {
        names[2]: "Schuhe, 1, leicht",
        names[4]: "2003",
        names[5]: "1",
        names[6]: "0.0301",
        names[7]: "1.50",
    }
    holds(rows(table)[1:2], [wanted])
    told = "\n".join(table.notes)
    assert len(table.rows) == 9 and "read as google-ads" in told and "1 rows of totals are left out" in told
    recipe = Recipe.from_dict(read_yaml(propose(path).text))
    assert recipe.task == "recommendation"
    assert recipe.data.columns == {"ad": names[2], "impressions": names[4], "clicks": names[5]}


@pytest.mark.parametrize("language", META_IN)
@pytest.mark.parametrize("way", ["csv", "xlsx"])
def test_meta_ads_in_other_languages(tmp_path: Path, language: str, way: str) -> None:
    lines = [META_IN[language], "2026-06-01,2026-06-30,,,2300,52,80.10"]
    lines += [f"2026-06-01,2026-06-30,Spring,Shoes on grass {n},1{n}00,3{n},5.05" for n in range(9)]
    path = tmp_path / f"a.{way}"
    if way == "xlsx":
        path.write_bytes(workbook([line.split(",") for line in lines]))
    else:
        path.write_text("\n".join(lines))
    [table] = read_tables(path)
    names = META_IN[language].split(",")
    holds(rows(table)[:1], [{names[3]: "Shoes on grass 0", names[4]: "1000"}])
    assert len(table.rows) == 9 and "read as meta-ads" in "\n".join(table.notes)
    recipe = Recipe.from_dict(read_yaml(propose(path).text))
    assert {"impressions", "clicks"} <= recipe.data.columns.keys()
    assert recipe.data.columns.get("ad", names[3]) == names[3]


@pytest.mark.parametrize(
    ("since", "until", "total"),
    [
        ("Startdatum", "Enddatum", "Gesamtsumme"),
        ("Date de début", "Date de fin", "Total général"),
        ("Fecha de inicio", "Fecha de finalización", "Suma total"),
        ("Data di inizio", "Data di fine", "Totale complessivo"),
        ("Data de início", "Data de término", "Total geral"),
        ("Begindatum", "Einddatum", "Eindtotaal"),
        ("开始日期", "结束日期", "总计"),
        ("開始日", "終了日", "総計"),
    ],
)
def test_ga4_in_other_languages(tmp_path: Path, since: str, until: str, total: str) -> None:
    content = GA4.replace("Start date", since).replace("End date", until).replace("Grand total", total)
    table = read(tmp_path / "a.csv", content)
    holds(rows(table), [{"Page title": "Trail shoes", "Views": "1520"}, {"Page title": "Kettles, quiet"}])
    assert "read as ga4" in table.notes[0] and "1 rows of totals" in "\n".join(table.notes)


@pytest.mark.parametrize(
    "header",
    ["campaign,headline,impressions,clicks,price", "Kampagne,Anzeige,Impressionen,Klicks,Preis"],
)
def test_a_table_of_ones_own_is_no_report(tmp_path: Path, header: str) -> None:
    table = read(tmp_path / "a.csv", f'{header}\nSpring,Shoes,1200,3,"12,50"\nMay,Socks,900,--,"9,90"\n')
    assert rows(table)[1][header.rpartition(",")[2]] == "9,90" and table.notes == ()


def criteo(number: int) -> str:
    return "\t".join([str(number % 2), *["7", "", "-1"], *["3"] * 10, *["68fd1e64"] * 25, ""])


@pytest.mark.parametrize(("name", "given"), [("a.tsv", {}), ("train.txt", {"name": "criteo"}), ("a.txt", {})])
def test_criteo(tmp_path: Path, name: str, given: dict[str, Any]) -> None:
    table = read(tmp_path / name, "\n".join(map(criteo, range(4))) + "\n", **given)
    found = rows(table)
    assert [row["label"] for row in found] == ["0", "1", "0", "1"]
    assert len(table.columns) == 40 and found[0]["category_1"] == "68fd1e64" and found[0]["integer_3"] == "-1"


@pytest.mark.parametrize("given", [{}, {"name": "criteo"}])
def test_criteo_without_labels_is_read_to_be_answered(tmp_path: Path, given: dict[str, Any]) -> None:
    lines = [criteo(number).partition("\t")[2] for number in range(4)]
    table = read(tmp_path / "test.txt", "\n".join(lines) + "\n", **given)
    assert len(rows(table)) == 4 and table.columns[0] == "integer_1" and len(table.columns) == 39


def test_criteo_is_proposed_as_clicks(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("\n".join(map(criteo, range(40))) + "\n")
    proposal = propose(path)
    recipe = Recipe.from_dict(read_yaml(proposal.text))
    assert recipe.task == "recommendation" and recipe.data.columns == {"clicked": "label"}
    assert proposal.problems == ()


def test_a_total_behind_the_last_column_of_ga4_is_left_out(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", GA4.replace("engagement time,", "engagement time"))
    holds(rows(table), [{"Page title": "Trail shoes"}, {"Page title": "Kettles, quiet"}])


def test_any_table_without_a_header_is_read_by_names(tmp_path: Path) -> None:
    table = read(tmp_path / "a.tsv", "Nice\t1\nBad\t0\n", columns=["text", "label"])
    assert rows(table) == [{"text": "Nice", "label": "1"}, {"text": "Bad", "label": "0"}]
    assert [row.line for row in table.rows] == [1, 2]
    assert read(tmp_path / "a.csv", "Nice,1\nBad,0\n", header=0).columns == ("column_1", "column_2")
    [problem, _] = read(tmp_path / "a.tsv", "Nice\t1\nBad\t0\n", columns=["text", "label", "x"]).problems
    assert "2 cells, the columns 3" in problem.message


def test_movielens(tmp_path: Path) -> None:
    table = read(
        tmp_path / "ratings.dat", "1::1193::5::978300760\n1::661::3::978302109\n2::1::4::978302268\n"
    )
    assert rows(table)[0] == {"user_id": "1", "movie_id": "1193", "rating": "5", "timestamp": "978300760"}
    movies = '1::Toy Story (1995)::Animation|Comedy\n2::Jumanji: "a" (1995)::Adventure\n3::Heat::Action\n'
    table = read(tmp_path / "movies.dat", movies)
    assert rows(table)[1] == {"movie_id": "2", "title": 'Jumanji: "a" (1995)', "genres": "Adventure"}
    assert "read as movielens" in table.notes[0]


NEWS = (
    "N1\tsports\tgolf\tA long drive\tAbstract\thttps://x\t[]\t[]\n"
    'N2\tfood\tnewsgood\tSoup, "quoted\n'
    "N3\tfood\tx\tBread\n"
)
BEHAVIORS = "1\tU1\t11/11/2019 9:05:58 AM\tN1 N3\tN2-1 N3-0\n2\tU2\t11/12/2019 6:11:30 PM\t\tN1-0 N99-1\n"


@pytest.mark.parametrize("both", [True, False])
def test_mind_joins_what_was_shown_with_what_it_is(tmp_path: Path, both: bool) -> None:
    (tmp_path / "news.tsv").write_text(NEWS)
    path = tmp_path / "behaviors.tsv"
    path.write_text(BEHAVIORS)
    named = FormatOptions(name="mind")
    [table] = read_tables([path, tmp_path / "news.tsv"] if both else path, written=named)
    found = rows(table)
    assert found[0] == {
        "user": "A long drive; Bread",
        "ad": 'Soup, "quoted',
        "clicked": "1",
        "user_id": "U1",
        "ad_id": "N2",
        "group": "1",
        "timestamp": "2019-11-11T09:05:58",
        "category": "food",
        "subcategory": "newsgood",
    }
    assert [(row["ad"], row["clicked"]) for row in found[1:]] == [("Bread", "0"), ("A long drive", "0")]
    assert found[2]["user"] == "new" and found[2]["timestamp"] == "2019-11-12T18:11:30"
    assert "1 impressions of news" in "\n".join(table.notes)
    assert [row["ad"] for row in rows(read(path, BEHAVIORS))] == [row["ad"] for row in found]


def test_mind_says_what_is_missing(tmp_path: Path) -> None:
    [problem] = read(tmp_path / "behaviors.tsv", BEHAVIORS).problems
    assert "no news.tsv beside it" in problem.message
    (tmp_path / "news.tsv").write_text(NEWS)
    unseen = BEHAVIORS.replace("-1", "").replace("-0", "")
    table = read(tmp_path / "behaviors.tsv", unseen, name="mind")  # to be answered, and not to learn from
    assert [row["ad"] for row in rows(table)] == ['Soup, "quoted', "Bread", "A long drive"]
    assert "do not say which were clicked" in "".join(table.notes) and "clicked" not in table.columns


CHAT = {
    "messages": [
        {"role": "system", "content": "You write ads."},
        {"role": "user", "content": "Trail shoes"},
        {"role": "assistant", "content": [{"type": "text", "text": "Run where it is wet"}]},
    ]
}
SHARED = {
    "id": "x1",
    "conversations": [
        {"from": "human", "value": "Trail shoes"},
        {"from": "gpt", "value": "Run where it is wet"},
    ],
}


@pytest.mark.parametrize(("record", "name"), [(CHAT, "chatml"), (SHARED, "sharegpt")])
def test_chats_are_products_and_copy(tmp_path: Path, record: dict[str, Any], name: str) -> None:
    table = read(tmp_path / "a.jsonl", json.dumps(record) + "\n")
    holds(rows(table), [{"product": "Trail shoes", "copy": "Run where it is wet"}])
    assert f"read as {name}" in table.notes[0]
    assert read(tmp_path / "a.jsonl", json.dumps(record) + "\n", name=name).notes == ()


def test_a_chat_without_its_copy_is_read_to_be_answered(tmp_path: Path) -> None:
    line = json.dumps(
        {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "Shoes"}]}
    )
    assert rows(read(tmp_path / "a.jsonl", line)) == [{"product": "Shoes"}]


def test_a_chat_of_several_turns_asks_which(tmp_path: Path) -> None:
    turns = [("user", "Shoes"), ("assistant", "First"), ("user", "Shorter"), ("assistant", "Second")]
    line = json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})
    [problem] = read(tmp_path / "a.jsonl", line).problems
    assert "2 turns of `user`" in problem.message and "data.format.turns.product" in problem.fix
    given = {"product": "user 1", "copy": "assistant -1"}
    assert rows(read(tmp_path / "a.jsonl", line, turns=given)) == [{"product": "Shoes", "copy": "Second"}]
    [problem] = read(tmp_path / "a.jsonl", line, turns={"product": "user 1", "copy": "writer"}).problems
    assert "no turn of `writer`" in problem.message
    [problem] = read(tmp_path / "a.jsonl", '{"text": "x"}', name="chatml").problems
    assert "holds no `messages`" in problem.message
    [problem] = read(tmp_path / "a.csv", "text,label\nx,y\n", name="chatml").problems
    assert "chatml is JSON, and this is a table" in problem.message


def test_records_that_hold_turns_beside_roles_are_read_as_ever(tmp_path: Path) -> None:
    line = json.dumps({"text": "x", "label": "y", **CHAT})
    table = read(tmp_path / "a.jsonl", line)
    assert table.columns == ("text", "label", "messages") and table.notes == ()
