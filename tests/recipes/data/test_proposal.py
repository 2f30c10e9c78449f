"""A recipe that is guessed from a file: it says why, it loads, and the file's rows are sound by it."""

import json
from pathlib import Path

import pytest

from recipes.data import check, propose
from recipes.errors import DataError
from recipes.options import FormatOptions, read_yaml
from recipes.recipe import Recipe
from tests.recipes.data.test_formats import GA4, GOOGLE, META, MICROSOFT

DATA = Path(__file__).parents[4] / "shared" / "data"


def proposed(path: Path, written: FormatOptions | None = None) -> tuple[Recipe, str]:
    proposal = propose(path, written)
    assert proposal.problems == ()
    recipe = Recipe.from_dict(read_yaml(proposal.text))
    assert check(recipe, path).rows > 0
    return recipe, proposal.text


def lines(shape: str, head: str = "") -> str:
    """Forty rows: {n} is the row's number, {who} one of two words."""
    return head + "".join(
        shape.format(n=n, who="late" if n % 3 else "lost", yes="Yes" if n % 2 else "No.") for n in range(40)
    )


@pytest.mark.parametrize(
    ("name", "content", "task", "columns"),
    [
        (
            "a.csv",
            lines("shoes {n},ad {n},{yes}\n", "history,creative,bought\n"),
            "recommendation",
            {"user": "history", "ad": "creative", "clicked": "bought"},
        ),
        (
            "b.tsv",
            lines("{n}\twhere is order {n} now\t{who}\n", "id\tmessage\tintent\n"),
            "behavior",
            {"text": "message", "label": "intent"},
        ),
        (
            "c.jsonl",
            lines('{{"description": "a light shoe {n} for rain", "headline": "Run where it is wet {n}"}}\n'),
            "ad-copy",
            {"product": "description", "copy": "headline"},
        ),
        (
            "d.csv",
            lines("where is order {n} on the 7 now,{who}\n"),
            "behavior",
            None,
        ),
        ("e.csv", GOOGLE, "recommendation", None),
        (
            "f.csv",
            META,
            "recommendation",
            {"ad": "Ad name", "impressions": "Impressions", "clicks": "Link clicks"},
        ),
        (
            "h.csv",
            MICROSOFT.replace('"90","-"', '"90","1"'),
            "recommendation",
            {"ad": "Title part 1", "impressions": "Impressions", "clicks": "Clicks"},
        ),
        (
            "g.csv",
            lines("shoes {n},10{n},0.0{n}\n", "Ad name,Views,CTR\n"),
            "recommendation",
            {"ad": "Ad name", "impressions": "Views", "ctr": "CTR"},
        ),
    ],
)
def test_task_and_columns_are_guessed_and_each_says_why(
    tmp_path: Path, name: str, content: str, task: str, columns: dict[str, str] | None
) -> None:
    path = tmp_path / name
    path.write_text(content)
    if name == "e.csv":
        path.write_text(content.replace(" --,0.00%", "1,1.11%"))
    recipe, text = proposed(path)
    assert recipe.task == task
    if columns is not None:
        assert recipe.data.columns == columns
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("    ") and "#" not in line:
            assert lines[number - 1].strip().startswith("# ")


def test_a_file_without_a_header_gets_columns_to_name(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"order {n} is late again\t{n % 2}\n" for n in range(40)))
    recipe, text = proposed(path)
    assert recipe.data.format.columns == ["column_1", "column_2"]
    assert recipe.data.columns == {"text": "column_1", "label": "column_2"}
    assert "there is no header; give the columns names of your own" in text
    recipe, _ = proposed(path, FormatOptions(columns=["text", "label"]))
    assert recipe.data.columns == {"text": "text", "label": "label"}


def test_private_data_is_masked_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"mail me at a{n}@b.com,{n % 2}\n" for n in range(40)))
    recipe, text = proposed(path)
    assert recipe.data.pii == "mask" and "mask, or refuse, allow_own, allow" in text


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        propose(tmp_path / "none.csv")


def test_a_report_without_clicks_still_gives_a_recipe_to_edit(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GA4)
    proposal = propose(path)
    assert Recipe.from_dict(read_yaml(proposal.text)).task in ("recommendation", "behavior", "ad-copy")


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "task", "columns"),
    [
        ("banking77/test.csv", "behavior", {"text": "text", "label": "category"}),
        ("e2e_en/test-fixed.csv", "ad-copy", {"product": "mr", "copy": "ref"}),
        ("waimai_zh/waimai_10k.csv", "behavior", {"text": "review", "label": "label"}),
        ("advertisegen_zh/dev.json", "ad-copy", {"product": "content", "copy": "summary"}),
        ("upworthy_headline_ab/upworthy_clean.parquet", "recommendation", None),
        ("online_shoppers/online_shoppers_intention.csv", "recommendation", {"clicked": "Revenue"}),
        ("tallrec_movie/test.json", "behavior", {"text": "input", "label": "output"}),
    ],
)
def test_real_files(file: str, task: str, columns: dict[str, str] | None) -> None:
    path = DATA / file
    if not path.exists():
        pytest.skip("the data is not here")
    recipe, _ = proposed(path)
    assert recipe.task == task
    assert columns is None or recipe.data.columns == columns


@pytest.mark.parametrize(
    "name",
    [
        "How do you\nfeel?\n- x: y",
        "a\r\nb # c",
        "mood\u2028two",
        "mood\x85\x9f",
        "\u200fmood",
        "{mood}: [",
        "'\"\\mood",
    ],
)
def test_a_recipe_is_yaml_whatever_columns_are_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"said": f"so it goes {n}", name: ("yes\n# no", "no")[n % 2], f"idle {name}": f"x{n}"}
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe, text = proposed(path)
    assert recipe.data.columns == {"text": "said", "label": name}
    assert "idle" in text


def test_of_many_columns_some_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    names = [f"f{n}" for n in range(500)]
    path.write_text(
        ",".join(["text", "label", *names])
        + "\n"
        + "".join(f"so it goes {n},{'ab'[n % 2]}" + ",1" * 500 + "\n" for n in range(20))
    )
    text = proposed(path)[1]
    assert "f11 and 488 more" in text and max(map(len, text.splitlines())) < 200
    assert "f11 and 488 more" in check(Recipe.load("behavior"), path).notes[0]


@pytest.mark.parametrize(
    ("head", "row", "odd", "task", "columns"),
    [
        ("text,label", "where is order {n} now,{who}", "and this one,", "behavior", {"label"}),
        ("user,ad,clicked", "shoes {n},ad {n},{n}%", "x,y,7%", "recommendation", {"clicked"}),
        ("ad,impressions,clicks", "ad {n},1.{n}K,{n}", "x,1K,2", "recommendation", {"impressions", "clicks"}),
        ("text,label,timestamp", "order {n},{who},07.06.2026", "x,y,z", "behavior", {"timestamp"}),
        ("text,label,weight", "order {n},{who},2", "x,lost,(5)", "behavior", {"weight"}),
    ],
)
def test_a_column_called_like_a_role_is_never_said_to_be_unread(
    tmp_path: Path, head: str, row: str, odd: str, task: str, columns: set[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(lines(f"{row}\n", f"{head}\n") + f"{odd}\n")
    proposal = propose(path)
    recipe = Recipe.from_dict(read_yaml(proposal.text))
    assert recipe.task == task and recipe.data.columns.keys() >= columns and "not read" not in proposal.text
    assert proposal.problems and all("no column" not in problem for problem in proposal.problems)


@pytest.mark.parametrize(
    ("yes", "no"), [("WAHR", "FALSCH"), ("Vrai", "Faux"), ("VERDADERO", "FALSO"), ("1", "-1")]
)
def test_true_and_false_are_known_in_the_languages_of_excel(tmp_path: Path, yes: str, no: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text("user,ad,clicked\n" + "".join(f"u {n},ad {n},{(no, yes)[n % 2]}\n" for n in range(40)))
    recipe, _ = proposed(path)
    assert recipe.data.labels.items() >= {no: 0}.items() and recipe.data.labels.get(yes, 1) == 1


@pytest.mark.parametrize("again", ["text,label", "\ufefftext,label", "Text,LABEL"])
def test_files_that_were_joined_have_a_header_and_its_second_one_is_told(tmp_path: Path, again: str) -> None:
    path = tmp_path / "in.csv"
    rows = lines("where is order {n} on the 7 now,{who}\n")
    path.write_text(f"text,label\n{rows}{again}\n{rows}")
    proposal = propose(path)
    assert "no header" not in proposal.text
    assert [problem for problem in proposal.problems if "the row is the header again" in problem]


@pytest.mark.parametrize(
    ("column", "yes", "no"),
    [
        ("geklickt", "1", "0"),
        ("hat_geklickt", "ja", "nein"),
        ("Konvertiert", "1", "0"),
        ("cliqu\u00e9", "oui", "non"),
        ("clique\u0301", "1", "0"),
        ("clic", "s\u00ed", "no"),
        ("clicado", "1", "0"),
        ("cliccato", "vero", "falso"),
        ("clicou", "sim", "n\u00e3o"),
        ("geklikt", "ja", "nee"),
        ("\u30af\u30ea\u30c3\u30af", "1", "0"),
        ("\u70b9\u51fb", "1", "0"),
        ("\u662f\u5426\u70b9\u51fb", "\u662f", "\u5426"),
        ("\u5e7f\u544a\u662f\u5426\u70b9\u51fb", "1", "0"),
        ("\ubbf8\ub514\uc5b4 \ud074\ub9ad", "1", "0"),
        ("clicks", "1", "0"),
        ("ad was clicked?", "yes", "no"),
    ],
)
def test_clicked_is_known_in_the_languages_of_clients(tmp_path: Path, column: str, yes: str, no: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"sucht Schuhe {n},Leichte Schuhe {n % 5},{yes if n % 3 else no}\n" for n in range(40)]
    path.write_text("".join([f"profil,anzeige,{column}\n", *rows]), encoding="utf-8")
    recipe, _ = proposed(path)
    assert recipe.task == "recommendation" and recipe.data.columns["clicked"] == column


@pytest.mark.parametrize(
    "columns",
    ["hat_gekauft,hat_geklickt", "nicht_geklickt,x", "\u672a\u70b9\u51fb,x", "\ubbf8\ud074\ub9ad,x"],
)
def test_of_two_that_may_be_clicks_and_of_what_denies_one_none_is_taken(tmp_path: Path, columns: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"sucht Schuhe {n},Leichte Schuhe {n % 5},{n % 2},{n // 2 % 2}\n" for n in range(40)]
    path.write_text("".join([f"profil,anzeige,{columns}\n", *rows]), encoding="utf-8")
    assert "clicked" not in proposed(path)[0].data.columns


@pytest.mark.parametrize("column", ["geklickt", "hat geklickt", "\u70b9\u51fb"])
def test_what_says_neither_yes_nor_no_is_no_click(tmp_path: Path, column: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"wo ist meine Bestellung {n},{('zufrieden', 'enttaeuscht')[n % 2]}\n" for n in range(40)]
    path.write_text("".join([f"nachricht,{column}\n", *rows]), encoding="utf-8")
    assert proposed(path)[0].task == "behavior"


def test_clicks_beside_impressions_are_counts_though_none_is_above_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"leichte Schuhe {n},10{n},{n % 2}\n" for n in range(40)]
    path.write_text(
        "".join(["\u5e7f\u544a\u6807\u9898 1,\u5c55\u793a\u6b21\u6570,\u70b9\u51fb\n", *rows]),
        encoding="utf-8",
    )
    assert proposed(path)[0].data.columns["clicks"] == "\u70b9\u51fb"
