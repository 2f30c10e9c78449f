"""The words of the page, in English and Chinese. A text of a template is its own key; what data, adapters and errors
say stays in the words that it was written in."""

from collections.abc import Callable, Mapping
from typing import Any

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
CHINESE: Mapping[str, str] = {
    "Where you are": "当前位置",
    "Adapters": "适配器",
    "version {number}": "版本 {number}",
    "No message.": "没有说明。",
    "Try it": "试用",
    "Bring into production": "投入生产",
    "Roll production back": "回退生产版本",
    "better than baselines": "优于所有基线",
    "worse than a baseline": "不及某个基线",
    "as good as a baseline": "与基线不相上下",
    "Gates": "门槛",
    "passed": "通过",
    "failed": "未通过",
    "Published all the same:": "仍然发布，理由：",
    "Held-out results": "留出数据上的结果",
    "On rows that neither the adapter nor a baseline saw. The band is the 95 % interval.": (
        "在适配器和基线都没有见过的数据行上测得。色带是 95% 区间。"
    ),
    "All numbers, with intervals and differences": "全部数字，含区间与差值",
    "Labels, the weakest first": "标签，最弱的在前",
    "Label": "标签",
    "Rows": "行数",
    "precision": "精确率",
    "recall": "召回率",
    "f1": "F1",
    "This version carries no report: nobody measured it here.": "此版本没有报告：没有人在这里测量过它。",
    "Training": "训练过程",
    "loss": "损失",
    "{low} to {high}": "{low} 至 {high}",
    "{what} by step": "{what} 随步数的变化",
    "step {number}": "第 {number} 步",
    "Calibration": "校准",
    "error {error}": "误差 {error}",
    "Observed share over given probability": "实际比例与给出概率之比",
    "probability given, to the right; share observed, upwards": "横轴为给出的概率，纵轴为实际比例",
    "Versions": "版本",
    "Version": "版本",
    "Quality": "质量",
    "Published": "发布",
    "Compare": "比较",
    "gates passed": "门槛通过",
    "gates failed": "门槛未通过",
    "Compare A with B": "比较 A 与 B",
    "Card": "名片",
    "Reference": "引用",
    "copied": "已复制",
    "copy": "复制",
    "Task": "任务",
    "Method": "方法",
    "rank {number}": "秩 {number}",
    "{number} positions": "{number} 个位置",
    "Base": "基座",
    "Labels": "标签",
    "Columns": "列",
    "{train} trained on, {test} measured on": "训练 {train} 行，测试 {test} 行",
    "Lineage": "来历",
    "Version before": "上一版本",
    "Imported from": "导入自",
    "Data": "数据",
    "Content": "内容",
    "Recipe": "配方",
    "Files": "文件",
    "Signatures": "签名",
    "a key that this server does not know": "此服务器不认识的密钥",
    "None.": "无。",
    "Who can serve it": "哪些工具可以加载",
    "no": "不可以",
    "History": "历史",
    "was removed": "已移除",
    "was rolled back to version {number}": "回退到版本 {number}",
    "was set to version {number}": "指向版本 {number}",
    "cannot be read": "无法读取",
    "was published": "已发布",
    "Move an alias": "移动别名",
    "Alias": "别名",
    "to version": "指向版本",
    "Show what will change": "先看会改变什么",
    "Search": "搜索",
    "words of a name or a message": "名称或说明中的词",
    "Client": "客户",
    "Campaign": "活动",
    "any": "不限",
    "Metric": "指标",
    "{found} of {total} adapters": "共 {total} 个适配器，显示 {found} 个",
    "Adapter": "适配器",
    "Quality, held out": "留出质量",
    "In production": "生产版本",
    "Newest": "最新版本",
    "behind": "落后",
    "{metric} over {count} versions": "{count} 个版本的 {metric}",
    "not set": "未设置",
    "Pages of the list": "列表分页",
    "before": "上一页",
    "next": "下一页",
    "Nothing fits.": "没有符合条件的适配器。",
    "A condition on a metric is written as auc>=0.8, with a metric that these adapters have.": (
        "指标条件写作 auc>=0.8，并使用这些适配器具有的指标。"
    ),
    "Show all": "显示全部",
    "There is no adapter yet that this key sees. One that is published appears here by itself:": (
        "此密钥还看不到任何适配器。发布之后会自动出现在这里："
    ),
    "Version {a} beside version {b}": "版本 {a} 与版本 {b} 对照",
    "Their files are equal to the byte.": "两者的文件逐字节相同。",
    "Publication": "发布",
    "Weights": "权重",
    "How far the change that each version makes to a layer is from the other's, by its own size; 0 is the same.": (
        "两个版本对各层的改动相差多远，以改动自身的大小为单位；0 表示相同。"
    ),
    "Layer": "层",
    "difference": "差异",
    "cosine": "余弦",
    "and {count} more": "另有 {count} 层",
    "Skip to the content": "跳到正文",
    "Pages": "页面",
    "Load": "负载",
    "Log out": "退出",
    "Residency and load": "驻留与负载",
    "Slots": "槽位",
    "{used} of {all} slots": "{all} 个槽位中已用 {used} 个",
    "Host memory": "主机内存",
    "Waiting": "等待中",
    "Being written": "生成中",
    "Replicas": "副本",
    "Replica": "副本",
    "Machine": "机器",
    "Heard of, seconds ago": "上次汇报（秒前）",
    "Tokens a second": "每秒词元",
    "Clients": "客户",
    "In slots": "在槽位中",
    "Rows that run": "运行中的行",
    "Tokens read": "读入词元",
    "Tokens written": "写出词元",
    "Nothing was asked yet.": "还没有任何请求。",
    "Adapters nearer than the hub": "已载入的适配器",
    "Where": "位置",
    "Size": "大小",
    "slot {number}": "槽位 {number}",
    "host memory": "主机内存",
    "on its way": "载入中",
    "pinned": "已固定",
    "Log in": "登录",
    "With the key that whoever runs this server made for you. It is not kept in the browser.": (
        "请使用服务器管理者为您创建的密钥。密钥不会保存在浏览器中。"
    ),
    "Key": "密钥",
    "This key is not known, is over or was revoked.": "此密钥不存在、已过期或已撤销。",
    "Roll back": "回退",
    "Roll {alias} back": "回退 {alias}",
    "Move {alias}": "移动 {alias}",
    "This alias meant no other version before, so there is nothing to go back to.": (
        "此别名以前没有指向过其他版本，因此无可回退。"
    ),
    "This alias means version {number} already.": "此别名已经指向版本 {number}。",
    "What will change": "会改变什么",
    "becomes": "变为",
    "Whoever asks by this alias is answered by the other version within about a second. No request waits.": (
        "载入完成后约一秒内，通过此别名的请求将由新版本回答。没有请求需要等待。"
    ),
    "This version did not pass its gates.": "此版本没有通过门槛。",
    "now": "现在",
    "afterwards": "之后",
    "Message": "说明",
    "All differences of the two versions": "两个版本的全部差异",
    "Why? The hub keeps it.": "理由（会保存在库中）",
    "Roll back to version {number}": "回退到版本 {number}",
    "Point it at version {number}": "指向版本 {number}",
    "Leave it": "不改变",
    "Not found": "没有找到",
    "Not allowed": "没有权限",
    "Somebody was faster": "有人抢先一步",
    "Not now": "暂时不可用",
    "That did not work": "未能完成",
    "To the list of adapters": "回到适配器列表",
    "Try": "试用",
    "beside it": "对照版本",
    "none": "无",
    "User: what is known of them": "用户：已知信息",
    "Product": "产品",
    "Ads, one a line": "广告，每行一条",
    "Texts, one a line": "文本，每行一条",
    "How many texts": "文案条数",
    "Characters at most": "最多字符",
    "More": "更多",
    "Tokens at most": "最多词元",
    "Temperature": "温度",
    "Seed": "随机种子",
    "Rank": "排序",
    "Label them": "标注",
    "Write": "撰写",
    "Answers": "结果",
    "Answers appear here.": "结果显示在这里。",
    "{count} tokens were over the limit and not read": "有 {count} 个词元超出限制，没有读入",
    "Download CSV": "下载 CSV",
    "say why: which field or phrase moved each probability": "说明原因：哪个字段或短语影响了概率",
    "Why": "原因",
    "the model's reason, not the customer's": "这是模型的理由，不是顾客的理由。",
    "In points of the probability: of a field its Shapley value, of a phrase what goes when it alone is left out.": (
        "以概率的百分点计：字段为其 Shapley 值，短语为单独去掉它时的变化。"
    ),
    "Live": "实况",
    "What is true now": "现状",
    "Outcome": "结果类型",
    "Of the last": "时间范围",
    "{number} days": "{number} 天",
    "all days": "全部",
    "Show": "显示",
    "Nothing of this is logged yet. A request with log: true writes what was shown.": (
        "还没有任何记录。请求中带 log: true 时会记录展示的内容。"
    ),
    "An outcome counts within {hours} hours. The intervals hold however often one looks.": (
        "{hours} 小时之内的结果计入。无论查看多少次，区间都成立。"
    ),
    "{count} impressions are younger than that, and not counted.": "{count} 次展示还太新，没有计入。",
    "{came} came so far, after {hours} hours in the mean; {more} more are to be expected.": (
        "目前有 {came} 个结果，平均在 {hours} 小时之后到来；预计还有 {more} 个。"
    ),
    "Alarms": "警报",
    "Nothing moved, as far as these rows can say.": "就这些数据所能说明的，没有变化。",
    "Canary": "金丝雀版本",
    "version {number} for {share} of the users, against version {other}": (
        "版本 {number}，占用户的 {share}，对照版本 {other}"
    ),
    "a shadow: nobody sees its answers": "影子：没有人看到它的回答",
    "held: a person decides": "已保留：由人决定",
    "it would be promoted now": "现在会升级为生产版本",
    "it would be rolled back now": "现在会被撤回",
    "production would stay now": "现在会保留生产版本",
    "it goes on": "继续进行",
    "No canary runs.": "没有金丝雀版本在运行。",
    "Day": "日期",
    "Days": "按天",
    "Impressions": "展示",
    "Rate": "比率",
    "Off": "偏差",
    "Normalized entropy": "归一化熵",
    "AUC": "AUC",
    "Off: what happened minus what was predicted; 0 is calibrated.": "偏差：实际减去预测；0 表示校准。",
    "Normalized entropy below 1 is better than always saying the mean rate.": (
        "归一化熵低于 1 表示优于总是给出平均比率。"
    ),
    "base alone": "仅基座",
    "with the adapter": "加适配器",
    "adapter and baseline blended": "适配器与基线混合",
    "best reachable": "可达到的最佳",
    # Verdicts and gates, as recipes.judge makes them.
    "Better than every baseline by {by}: {values}.": "比每个基线都好 {by}：{values}。",
    "{other} beats this adapter by {by}: {values}; {advice}.": "{other} 比此适配器好 {by}：{values}；{advice}。",
    "{other} beats this blend by {by}: {values}; {advice}.": "{other} 比此混合好 {by}：{values}；{advice}。",
    "Cannot be told apart from {other}: {by}, {values}; {more}.": "与 {other} 分不出高下：{by}，{values}；{more}。",
    "{more}; a blend would reach {reach}": "{more}；混合可达到 {reach}",
    "a blend would reach {reach}: train with `blend: true` and publish that, or do not publish": (
        "混合可达到 {reach}：请用 `blend: true` 训练并发布混合结果，否则不要发布"
    ),
    "do not publish it as it is": "不要就这样发布",
    "they are about as good, and no test within reach would decide": "两者大致相当，可行的测试都分不出高下",
    "about {rows} more test rows would decide": "大约再有 {rows} 行测试数据就能分出高下",
    "{metric} {own} against {theirs} of {other}": "{metric} {own}，{other} 为 {theirs}",
    "{amount} ({low} to {high})": "{amount}（{low} 至 {high}）",
    "{number} nats": "{number} 奈特",
    "{number} point": "{number} 个百分点",
    "{number} points": "{number} 个百分点",
    "the gain in {metric} over {over} is {gain} (95 %: {low} to {high}); wanted {by} or more, "
    "and an interval above 0": (
        "{metric} 比 {over} 提高 {gain}（95%：{low} 至 {high}）；要求至少 {by}，且区间高于 0"
    ),
    "the gain in {metric} over {over} is {gain} (95 %: {low} to {high}); wanted {by} or more, and an interval above 0"
    "; it is inside the noise, more test rows would tell": (
        "{metric} 比 {over} 提高 {gain}（95%：{low} 至 {high}）；要求至少 {by}，且区间高于 0；"
        "差异在噪声范围内，需要更多测试数据"
    ),
    "could not be checked: {why}": "无法检查：{why}",
    "no {metric} of {wanted}; it was measured against {known}": "没有 {wanted} 的 {metric}；对照测量的有：{known}",
    "{what} was not measured": "没有测量{what}",
    "{what} is {found}; wanted {most} or less": "{what}为 {found}；要求不超过 {most}",
    "the calibration error": "校准误差",
    "the gap in {metric} between the groups of {column}": "{column} 各组之间 {metric} 的差距",
    "texts_within_policy was not measured; give the recipe a policy": (
        "没有测量 texts_within_policy；请在配方中给出规则"
    ),
    "{share} of the texts are within the policy; wanted {asked} or more": (
        "{share} 的文本符合规则；要求至少 {asked}"
    ),
}


def words_in(language: str) -> Callable[..., str]:
    """What tells a text in a language: `t("version {number}", number=3)`."""
    known = CHINESE if language == "zh" else {}

    def told(text: str, **named: Any) -> str:
        found = known.get(text, text)
        return found.format(**named) if named else found

    return told


def asked_for(accepted: str) -> str:
    """The language that a browser likes best of those there are. accepted: its `Accept-Language`."""
    best, most = "en", 0.0
    for part in accepted.split(",")[:20]:
        code, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        language = code.partition("-")[0].lower()
        if language in LANGUAGES and weight > most:
            best, most = language, weight
    return best
