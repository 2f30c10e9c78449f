"""What the columns of ad platforms' reports are called, in the languages in which they are exported.

After the exports of Google Ads, Meta Ads Manager and Microsoft Advertising as people show them in public. Names are
compared without case and white space, and without what stands in round brackets at their end: "CTR (alle)" is `ctr`.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping

# What a column says -> how it is called, "/" between names. English first, then the others.
_CALLED: Mapping[str, str] = {
    "impressions": "impr./impressions/impressionen/impresiones/impressioni/impression/impressões/vertoningen/vert./"
    "weergaven/wyświetlenia/wyśw./visningar/exponeringar/eksponeringer/visninger/näyttökerrat/näytöt/zobrazení/zobr./"
    "megjelenítések/gösterimler/gösterim/afișări/показы/покази/εμφανίσεις/表示回数/インプレッション/インプレッション数/"
    "展示次数/展示/曝光/曝光次數/曝光次数/노출수/노출",
    "clicks": "clicks/link clicks/klicks/link-klicks/klicks auf link/linkklicks/clics/clics sur un lien/"
    "clics en el enlace/clic/clic sul link/cliques/cliques no link/klikken/klikken op links/klikken op link/linkkliks/"
    "link-kliks/kliknięcia/kliknięcia linku/klick/länkklickningar/klik/klikkaukset/kliknutí/prokliky/kattintások/"
    "tıklamalar/tıklama/clicuri/клики/кліки/клики по ссылке/κλικ/クリック数/クリック/"
    "リンクのクリック/リンクのクリック数/点击次数/点击/点击量/链接点击量/链接点击次数/點擊/"
    "點擊次數/連結點擊次數/클릭수/클릭/링크 클릭",
    "ctr": "ctr/klickrate/点击率/クリック率/點閱率/點擊率/클릭률",
    "spend": "spend/ausgaben/dépense/gasto/spesa/uitgaven",
    "cost": "cost/amount spent/kosten/ausgegebener betrag/coût/montant dépensé/coste/costo/importe gastado/"
    "importo speso/custo/valor usado/valor gasto/besteed bedrag/koszt/wydana kwota/kostnad/omkostninger/kostnader/"
    "náklady/cena/költség/maliyet/cost total/стоимость/расход/расходы/потраченная сумма/费用/花费/花费金额/已花费金额/"
    "費用/花費金額/消化金額/비용/지출 금액",
    "currency": "currency code/currencycode/currency/währungscode/währung/code de devise/devise/código de moneda/"
    "código de la moneda/divisa/codice valuta/valuta/código da moeda/código de moeda/moeda/valutacode/kod waluty/"
    "kód měny/valutakod/код валюты/para birimi kodu/货币代码/币种/貨幣代碼/通貨コード/통화 코드",
    "campaign": "campaign/campaign name/campaignname/"
    "kampagne/kampagnenname/name der kampagne/campagne/nom de la campagne/campaña/"
    "nombre de la campaña/campagna/nome della campagna/campanha/nome da campanha/campagnenaam/naam campagne/kampania/"
    "nazwa kampanii/kampanj/kampanjnamn/kampaň/kampanya/kampány/кампания/название кампании/广告系列/广告系列名称/"
    "廣告活動/行銷活動名稱/キャンペーン/キャンペーン名/캠페인/캠페인 이름",
    "ad_group": "ad group/ad group name/adgroup/adgroupname/"
    "ad set name/anzeigengruppe/anzeigengruppenname/name der anzeigengruppe/groupe d'annonces/"
    "nom de l'ensemble de publicités/grupo de anuncios/nombre del conjunto de anuncios/gruppo di annunci/"
    "nome del gruppo di inserzioni/grupo de anúncios/nome do conjunto de anúncios/advertentiegroep/"
    "naam advertentieset/grupa reklam/annonsgrupp/группа объявлений/reklam grubu/广告组/广告组名称/廣告群組/"
    "広告グループ/広告セット名/광고그룹/광고 세트 이름",
    "ad": "ad title/adtitle/title part 1/titlepart1/"
    "headline 1/headline1/ad name/headline/anzeigentitel 1/titel 1/anzeigenname/name der anzeige/"
    "name der werbeanzeige/titre 1/nom de la publicité/título 1/nombre del anuncio/titolo 1/nome dell'inserzione/"
    "nome do anúncio/kop 1/advertentiekop 1/naam advertentie/advertentienaam/nagłówek 1/nazwa reklamy/rubrik 1/"
    "заголовок 1/название объявления/标题 1/广告标题 1/广告名称/廣告標題 1/廣告名稱/広告見出し 1/見出し 1/広告の名前/"
    "広告名/광고 제목 1/광고 이름",
    # Of clients' own tables: whether a row was clicked, or what was shown was bought.
    "clicked": "clicked/converted/purchased/geklickt/angeklickt/konvertiert/gekauft/cliqué/cliquée/converti/convertie/"
    "acheté/clicado/clicada/clicó/convertido/convertida/comprado/compró/cliccato/cliccata/convertito/convertita/"
    "acquistato/clicou/converteu/comprou/geklikt/aangeklikt/geconverteerd/gekocht/kliknięto/kliknięte/kupiono/klickat/"
    "klickad/köpt/klikket/købt/kjøpt/klikattu/ostettu/kliknuto/zakoupeno/kattintott/tıklandı/tıkladı/satın alındı/"
    "кликнул/кликнули/клик был/купил/是否点击/已点击/是否转化/是否购买/是否點擊/已點擊/是否購買/クリックした/"
    "クリック有無/クリック済み/購入した/購入有無/클릭 여부/클릭함/구매 여부",
    # Meta alone.
    "starts": "reporting starts/berichtsstart/berichtsbeginn/auswertungsbeginn/début des rapports/inicio del informe/"
    "inizio report/inizio dei report/inizio del report/inizio rapporto/início dos relatórios/start rapportage/"
    "rapportage start/begin rapportage/rozpoczęcie raportowania/rapportering startar/начало отчетности/"
    "报告开始日期/报告开始/レポート開始日/報告開始/보고 시작",
    "ends": "reporting ends/berichtsende/auswertungsende/fin des rapports/fin del informe/fine report/fine dei report/"
    "fine del report/fine rapporto/término dos relatórios/encerramento dos relatórios/fim dos relatórios/"
    "einde rapportage/rapportage eindigt/rapportage einde/zakończenie raportowania/rapportering slutar/"
    "окончание отчетности/дата окончания отчетности/报告结束日期/报告结束/レポート終了日/報告結束/보고 종료",
}
WORDS: Mapping[str, tuple[str, ...]] = {
    meaning: tuple(names.split("/")) for meaning, names in _CALLED.items()
}
"""What a column says -> how it is called; the first names are English."""

_BRACKETS = re.compile(r"\s*[(（][^()（）]*[)）]$")
_COUNTED = re.compile(
    r"impr|[ck]li[ckq]|views|users|sessions|reach|conversions|count|aufrufe|nutzer|sitzungen|reichweite|couverture|"
    r"utilisateurs|vues|alcance|usuarios|copertura|utenti|bereik|vertoning|weergaven|wyśw|visning|показ|клик|表示|"
    r"クリック|リーチ|展示|点击|點擊|曝光|覆盖|노출|클릭|도달",
)
_PER = re.compile(
    r"ct[rc]|cp[cmav]|cost|kosten|coût|coste|custo|rate|avg|durchschn|moy|gem\.|médi[oa]|ratio|taux|tasa|taxa|率|"
    r"平均|単価|费用|費用|률|비용| per | pro | par | por "
)
_NAMED = frozenset({"campaign", "ad_group", "ad"})
_NAME = re.compile(r"name|\bnom\b|nombre|nome\b|naam|nazwa|namn|navn|nimi|назван|adı\b|名|이름")


def says(column: str) -> frozenset[str]:
    """What a column says by its name: `impressions`, `clicks` and so on."""
    plain = _plain(column)
    return _MEANS.get(plain, frozenset()) | _MEANS.get(_BRACKETS.sub("", plain), frozenset())


def said_by(columns: Collection[str]) -> frozenset[str]:
    """What some columns say together."""
    return frozenset().union(*map(says, columns))


def counts(column: str) -> bool:
    """Whether a column counts something by its name, so that its numbers have no decimals."""
    plain = _plain(column)
    return _COUNTED.search(plain) is not None and _PER.search(plain) is None


def names_something(column: str) -> bool:
    """Whether a column holds the names of ads, ad sets or campaigns."""
    return bool(says(column) & _NAMED) or _NAME.search(_plain(column)) is not None


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


_MEANS: dict[str, frozenset[str]] = {}
for _meaning, _names in WORDS.items():
    for _name in _names:
        _MEANS[_plain(_name)] = _MEANS.get(_plain(_name), frozenset()) | {_meaning}
