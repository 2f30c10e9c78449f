"""The bilingual vocabulary of the made-up market: what is sold, what it is made of, and whom it is for.

Every line is written by hand for this project. An entry reads `english=chinese`; a category reads
`english|chinese|usual price|features`, with a plus after plural English names, and a material ends in its
grade: 0 plain, 1 good, 2 precious, and, where it suits only some products of its group, in `@` and their names.
"""

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Word:
    """One notion in both languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class Material(Word):
    """What a product is made with; grade: 0 plain, 1 good, 2 precious."""

    grade: int


@dataclass(frozen=True)
class Category(Word):
    """A kind of product: price is its usual price in dollars."""

    group: str
    plural: bool
    price: int
    features: tuple[Word, ...]
    materials: tuple[Material, ...]


_MARKET = """
# sport | materials: recycled mesh=再生网布:0@trail shoes,running shorts; nylon=尼龙:0@running shorts,wool socks,swim goggles; bamboo jersey=竹纤维针织:1@running shorts,wool socks; merino wool=美利奴羊毛:2@wool socks,running shorts; carbon fibre=碳纤维:2@road bike,trail shoes,sports watch; stretch cotton=弹力棉:1@running shorts,wool socks,yoga mat; natural rubber=天然橡胶:1@yoga mat,trail shoes,swim goggles; titanium=钛金属:2@road bike,sports watch; recycled rubber=再生橡胶:0@yoga mat; crystal glass=水晶玻璃:2@swim goggles; steel=钢材:0@road bike,sports watch | people: runners=跑步爱好者; beginners=新手; gym lovers=健身爱好者; weekend athletes=周末运动者; commuters=通勤族
trail shoes+|越野跑鞋|95|a grippy sole=抓地鞋底; a wide toe box=宽鞋头; a padded heel=加厚鞋跟; quick laces=快速系带
running shorts+|跑步短裤|38|a zipped pocket=拉链口袋; reflective seams=反光接缝; a soft waistband=柔软腰带
yoga mat|瑜伽垫|45|a non-slip surface=防滑表面; a carry strap=背带; extra cushioning=加倍缓震
road bike|公路自行车|890|smooth gears=顺滑变速; disc brakes=碟刹; a light frame=轻量车架
sports watch|运动手表|180|heart rate tracking=心率监测; a bright screen=明亮屏幕; two weeks of battery=两周续航
wool socks+|羊毛袜|18|a cushioned heel=缓震后跟; flat seams=平整接缝; odour control=防臭处理
swim goggles+|泳镜|26|anti-fog lenses=防雾镜片; a soft seal=柔软密封圈; a wide view=宽阔视野
# outdoor | materials: ripstop nylon=防撕裂尼龙:1@tent,backpack,sleeping bag,rain jacket; polyester=涤纶:0@tent,backpack,sleeping bag,rain jacket; waxed canvas=打蜡帆布:2@tent,backpack,rain jacket; aluminium=铝合金:1@camp stove,water bottle,headlamp; titanium=钛金属:2@camp stove,water bottle,headlamp; goose down=鹅绒:2@sleeping bag; plastic=塑料:0@water bottle,headlamp,camp stove | people: hikers=徒步者; campers=露营者; families=家庭; climbers=登山者; anglers=钓鱼爱好者
tent|帐篷|220|a waterproof floor=防水地垫; a fast setup=快速搭建; two doors=双门设计; good airflow=良好通风
backpack|双肩背包|85|a rain cover=防雨罩; a laptop sleeve=电脑隔层; padded straps=加厚肩带; many pockets=多个口袋
sleeping bag|睡袋|130|warmth below zero=零下保暖; a snug hood=贴合头罩; a small pack size=小巧收纳
rain jacket|冲锋衣|140|taped seams=压胶接缝; an adjustable hood=可调帽子; pit zips=腋下拉链
camp stove|露营炉|60|a fast boil=快速烧水; a wind shield=挡风板; a steady flame=稳定火焰
water bottle|水壶|24|a leak-proof lid=防漏杯盖; all-day cold=全天保冷; an easy grip=易握瓶身
headlamp|头灯|35|a red night mode=红光夜间模式; a long beam=远射光束; a tilting head=可调角度
# tech | materials: recycled plastic=再生塑料:0; brushed aluminium=拉丝铝:1; tempered glass=钢化玻璃:1; anodised steel=阳极钢:1; walnut wood=胡桃木:2@headphones,wireless speaker,keyboard,phone case; ceramic=陶瓷:2 | people: students=学生; music lovers=音乐爱好者; gamers=游戏玩家; remote workers=远程办公者; creators=创作者
headphones+|耳机|150|noise cancelling=主动降噪; deep bass=浑厚低音; soft ear cups=柔软耳罩; a folding frame=可折叠设计
wireless speaker|无线音箱|90|room-filling sound=饱满音质; a splash-proof shell=防泼溅外壳; stereo pairing=立体声配对
keyboard|键盘|75|quiet switches=静音轴体; backlit keys=背光按键; a compact layout=紧凑布局
phone case|手机壳|22|drop protection=防摔保护; a raised edge=加高边框; a magnetic back=磁吸后壳
tablet|平板电脑|320|a sharp display=清晰屏幕; a fast chip=高速芯片; split screen=分屏功能
power bank|充电宝|40|fast charging=快速充电; two ports=双接口; a slim body=纤薄机身
camera|相机|640|steady video=防抖视频; a flip screen=翻转屏; fast focus=快速对焦
# home | materials: linen=亚麻:2@duvet cover,armchair,throw blanket,table lamp; solid oak=实橡木:2@wall shelf,armchair,table lamp; hand-blown glass=手工吹制玻璃:2@table lamp,dinner plates,scented candle; pine=松木:1@wall shelf,armchair,table lamp; chipboard=刨花板:0@wall shelf; stoneware=粗陶:1@dinner plates,scented candle,table lamp; polypropylene=聚丙烯:0@dinner plates,wall shelf,armchair; brass=黄铜:2@table lamp,scented candle,wall shelf; washed cotton=水洗棉:1@duvet cover,throw blanket,armchair; polyester fleece=涤纶绒:0@duvet cover,throw blanket; beeswax=蜂蜡:2@scented candle; paraffin=石蜡:0@scented candle | people: small flats=小户型; new homes=新居; hosts=好客之家; readers=爱书人; night owls=夜猫子
table lamp|台灯|70|a warm dimmer=暖光调节; a fabric shade=布艺灯罩; a touch switch=触摸开关
duvet cover|被套|80|hidden buttons=隐藏纽扣; a cool touch=清凉触感; easy washing=易洗耐用
armchair|扶手椅|340|a deep seat=宽深座位; curved arms=弧形扶手; removable covers=可拆洗外套
dinner plates+|餐盘|55|a matte glaze=哑光釉面; stackable rims=可叠放边沿; oven safety=可进烤箱
wall shelf|置物架|65|hidden brackets=隐形支架; rounded corners=圆润边角; simple assembly=简单安装
scented candle|香薰蜡烛|30|a slow burn=缓慢燃烧; a cedar scent=雪松香气; a cotton wick=棉芯
throw blanket|盖毯|60|a woven border=编织镶边; a soft drape=柔软垂感; year-round warmth=四季保暖
# beauty | materials: rose oil=玫瑰精油:2; shea butter=乳木果油:1; green tea=绿茶:1; mineral oil=矿物油:0; silk protein=蚕丝蛋白:2; aloe vera=芦荟:1; plain glycerin=普通甘油:0 | people: dry skin=干性肌肤; sensitive skin=敏感肌肤; busy mornings=忙碌早晨; night routines=夜间护理; city skin=都市肌肤
face cream|面霜|48|day-long moisture=全天保湿; a light texture=轻盈质地; gentle care=温和呵护
hand soap|洗手液|14|a soft foam=绵密泡沫; a fresh scent=清新香气; a refill pouch=补充装
hair oil|护发油|32|a silky shine=丝滑光泽; heat protection=隔热保护; frizz control=抚平毛躁
lipstick|口红|26|rich colour=浓郁显色; a velvet finish=丝绒质感; all-day wear=持久不脱色
sunscreen|防晒霜|28|high protection=高倍防护; no white cast=不泛白; water resistance=防水配方
body lotion|身体乳|25|fast absorption=快速吸收; a calm scent=宁静香气; a pump bottle=按压瓶
eye serum|眼部精华|55|fewer fine lines=淡化细纹; a cooling tip=清凉滚珠; brighter eyes=提亮眼周
# food | materials: single-origin beans=单一产地豆:2@coffee; house-blend beans=拼配豆:0@coffee; roasted arabica=烘焙阿拉比卡豆:1@coffee; spring leaves=春茶嫩叶:2@green tea bags; garden leaves=茶园叶片:1@green tea bags; tea dust=碎茶:0@green tea bags; whole grain=全谷物:1@granola,crackers; raw honey=生蜂蜜:2@granola,chocolate bar; cane sugar=蔗糖:0@granola,chocolate bar; dark cocoa=黑可可:1@chocolate bar; palm oil=棕榈油:0@chocolate bar,crackers; wild berries=野生莓果:2@granola,chocolate bar; hand-picked olives=手摘橄榄:2@olive oil,crackers; ripe olives=熟橄榄:1@olive oil; blended olives=混合橄榄:0@olive oil | people: early risers=早起的人; sharing=分享时刻; office breaks=办公茶歇; picnics=野餐; slow Sundays=慵懒周日
coffee|咖啡|16|a nutty aroma=坚果香气; a smooth finish=顺滑余味; a low acidity=低酸口感
green tea bags+|绿茶包|12|a clean taste=清爽口味; no bitterness=不苦不涩; compostable bags=可降解茶袋
chocolate bar|巧克力|6|a crisp snap=清脆口感; a melting centre=流心夹层; less sugar=减糖配方
granola|燕麦脆|9|big crunchy clusters=大块酥脆; slow energy=持久能量; real fruit=真实果粒
olive oil|橄榄油|19|a peppery note=胡椒余韵; cold pressing=冷榨工艺; a dark bottle=避光瓶
crackers+|饼干|5|a thin crunch=薄脆口感; sea salt=海盐调味; a resealable pack=可封口包装
# fashion | materials: cashmere=羊绒:2@winter coat,sweater,scarf; silk=真丝:2@summer dress,scarf; organic cotton=有机棉:1@sweater,summer dress,jeans,scarf,sneakers; acrylic=腈纶:0@winter coat,sweater,scarf; full-grain leather=头层牛皮:2@leather bag,sneakers; suede leather=麂皮:1@leather bag,sneakers; split leather=二层牛皮:0@leather bag,sneakers; raw denim=原色丹宁:2@jeans; denim=丹宁布:1@jeans,summer dress; viscose=粘胶纤维:0@summer dress,jeans; boiled wool=煮制羊毛:1@winter coat | people: office days=上班日; evenings out=晚间聚会; travellers=旅行者; students=学生; cool weather=微凉天气
winter coat|冬季大衣|210|a warm lining=保暖内衬; deep pockets=深口袋; a clean cut=利落剪裁
leather bag|皮包|190|an inner zip=内层拉链; a long strap=长肩带; a magnetic clasp=磁扣设计
sweater|毛衣|78|a ribbed collar=罗纹领口; a relaxed fit=宽松版型; a brushed touch=磨毛手感
summer dress|连衣裙|68|side pockets=侧边口袋; a flowing hem=飘逸裙摆; an airy weave=透气织法
jeans+|牛仔裤|72|a high waist=高腰设计; gentle stretch=微弹面料; strong stitching=牢固走线
scarf|围巾|40|a soft fringe=柔软流苏; a generous size=宽大尺寸; a light weave=轻薄织法
sneakers+|休闲鞋|88|a cushioned insole=缓震鞋垫; a clean outline=简洁轮廓; a rubber toe=橡胶鞋头
# kids | materials: beech wood=榉木:2@building blocks,puzzle,night light; soft felt=柔软毛毡:1@picture book,school bag,plush bear; safe silicone=安全硅胶:1@night light,building blocks; foam=泡棉:0@building blocks,puzzle; cardboard=纸板:0@picture book,puzzle; brushed cotton=磨毛棉:1@school bag,plush bear; mohair=马海毛:2@plush bear; thin polyester=薄涤纶:0@school bag,plush bear; washable paper=可洗纸:2@picture book,school bag; plain plastic=普通塑料:0@night light | people: toddlers=幼儿; curious minds=好奇宝宝; bedtime=睡前时光; rainy days=下雨天; young builders=小小建造师
building blocks+|积木|35|rounded edges=圆润边缘; bright colours=鲜艳颜色; a storage box=收纳盒
picture book|绘本|15|thick pages=厚实书页; gentle rhymes=温柔童谣; hidden flaps=翻翻小机关
night light|小夜灯|24|a soft glow=柔和光线; a sleep timer=定时关闭; a cordless base=无线底座
puzzle|拼图|18|large pieces=大块拼片; a clear picture=清晰图案; a sturdy tray=结实托盘
school bag|书包|42|reflective strips=反光条; a wipe-clean lining=易擦内衬; light straps=轻便背带
plush bear|毛绒熊|28|a huggable size=可抱尺寸; stitched eyes=缝制眼睛; machine washing=可机洗
# garden | materials: terracotta=陶土:1@flower pot; galvanised steel=镀锌钢:1@watering can,garden shears,folding chair; teak=柚木:2@folding chair,flower pot,garden shears; resin=树脂:0@flower pot,watering can,folding chair,garden shears; forged iron=锻铁:2@flower pot,garden shears,folding chair; copper plate=铜板:2@watering can,flower pot; coir=椰棕:0@seed kit,flower pot; peat-free soil=无泥炭土:1@seed kit; heirloom seeds=传家宝种子:2@seed kit | people: balconies=阳台; patient gardeners=耐心园丁; herb lovers=香草爱好者; sunny terraces=阳光露台; first gardens=第一座花园
flower pot|花盆|22|a drainage hole=排水孔; a matching saucer=配套托盘; a frost-proof wall=抗冻壁
garden shears+|园艺剪|34|a sharp bevel=锋利刀口; a safety catch=安全锁扣; a soft handle=柔软手柄
watering can|洒水壶|27|a long spout=长壶嘴; a fine rose=细密花洒; a balanced grip=平衡握感
folding chair|折叠椅|58|a flat fold=平整折叠; a high back=高靠背; weather resistance=耐候表面
seed kit|种子套装|13|clear instructions=清晰说明; strong germination=高发芽率; six varieties=六个品种
# office | materials: recycled paper=再生纸:0@notebook; cotton paper=棉浆纸:2@notebook; vegan leather=人造皮革:1@notebook,desk chair,desk organiser; ash wood=白蜡木:2@desk chair,desk organiser,monitor stand,fountain pen; steel=钢材:1@desk chair,monitor stand,fountain pen; cork=软木:1@notebook,desk organiser; lacquered brass=漆面黄铜:2@fountain pen,desk organiser; thin plastic=薄塑料:0@fountain pen,desk chair,desk organiser,monitor stand | people: planners=爱做计划的人; teachers=老师; designers=设计师; exam weeks=考试周; home offices=家庭办公室
notebook|笔记本|14|lay-flat binding=平铺装订; dotted pages=点阵内页; numbered pages=页码编号
fountain pen|钢笔|46|a fine nib=细笔尖; steady ink=出墨均匀; a metal clip=金属笔夹
desk chair|办公椅|230|lumbar support=腰部支撑; a breathable back=透气靠背; quiet wheels=静音滚轮
desk organiser|桌面收纳盒|29|six compartments=六个格子; a cable slot=理线槽; a small drawer=小抽屉
monitor stand|显示器支架|49|a better height=舒适高度; a phone groove=手机凹槽; space below=下方收纳
# pets | materials: hemp rope=麻绳:1@cat tree,dog leash,chew toy; memory foam=记忆棉:2@dog bed; fleece=抓绒:0@dog bed,cat tree; natural rubber=天然橡胶:1@chew toy,dog leash; olive wood=橄榄木:2@chew toy,cat tree; saddle leather=马鞍皮:2@dog leash; woven nylon=编织尼龙:0@dog leash,chew toy; quilted cotton=绗缝棉:1@dog bed; salmon=三文鱼:2@cat food; chicken=鸡肉:1@cat food; rice meal=大米粉:0@cat food | people: puppies=小狗; indoor cats=室内猫; older dogs=老年犬; playful kittens=贪玩小猫; long walks=长时间散步
dog bed|狗窝|62|a washable cover=可洗外套; a raised rim=加高边缘; a non-slip base=防滑底
cat tree|猫爬架|84|three levels=三层平台; a scratching post=抓柱; a hanging toy=悬挂玩具
dog leash|狗绳|23|a padded loop=加厚手环; a strong clip=结实挂扣; night stitching=夜光缝线
chew toy|磨牙玩具|11|a squeaky core=发声内芯; a treat pocket=藏食口袋; tough walls=耐咬外壁
cat food|猫粮|21|high protein=高蛋白; a grain-free recipe=无谷配方; small kibble=小颗粒
# travel | materials: polycarbonate=聚碳酸酯:1@suitcase; waterproof canvas=防水帆布:1@suitcase,wash bag,travel umbrella; calf leather=小牛皮:2@suitcase,wash bag,passport holder; woven polyester=涤纶织带:0@suitcase,wash bag,passport holder,travel umbrella; microfibre=超细纤维:0@travel pillow; brushed jersey=磨毛针织:1@travel pillow; mulberry silk=桑蚕丝:2@travel pillow,travel umbrella; pressed cork=压制软木:1@passport holder | people: weekend trips=周末旅行; frequent flyers=常飞旅客; road trips=自驾游; light packers=轻装旅行者; honeymoons=蜜月旅行
suitcase|行李箱|160|silent wheels=静音轮; a coded lock=密码锁; an inner divider=内部隔层
travel pillow|旅行枕|27|neck support=颈部支撑; a snap closure=按扣设计; a pouch=收纳袋
wash bag|洗漱包|24|a hanging hook=挂钩; a wet pocket=干湿分离; a wide opening=大开口
passport holder|护照夹|31|card slots=卡槽; a pen loop=笔插; a slim profile=纤薄外形
travel umbrella|旅行伞|29|a windproof frame=抗风伞骨; one-touch opening=一键开合; a light shaft=轻巧伞杆
"""

_COLOURS = """black=黑色; white=白色; navy=藏青色; forest green=森林绿; sand=沙色; coral=珊瑚色; sky blue=天蓝色;
silver=银色; charcoal=炭灰色; olive=橄榄色; cream=奶油色; ruby red=宝石红; mustard=芥末黄; lilac=丁香紫; copper=铜色;
slate grey=石板灰; blush pink=浅粉色; ivory=象牙白; teal=蓝绿色; amber=琥珀色; mint=薄荷绿; plum=梅紫色; gold=金色"""


def _word(entry: str) -> Word:
    en, zh = entry.strip().split("=")
    return Word(en.strip(), zh.strip())


def _words(line: str) -> tuple[Word, ...]:
    return tuple(_word(entry) for entry in line.split(";") if entry.strip())


def _material(entry: str) -> tuple[Material, frozenset[str]]:
    """The material, and the English names of the products that it suits (none named: all of its group)."""
    head, _, suits = entry.partition("@")
    names, grade = head.rsplit(":", 1)
    word = _word(names)
    return Material(word.en, word.zh, int(grade)), frozenset(filter(None, map(str.strip, suits.split(","))))


def _read_market() -> tuple[tuple[Category, ...], dict[str, tuple[Word, ...]]]:
    categories: list[Category] = []
    people: dict[str, tuple[Word, ...]] = {}
    materials: list[tuple[Material, frozenset[str]]] = []
    group = ""
    for line in _MARKET.strip().splitlines():
        if line.startswith("#"):
            head, made, whom = line[1:].split("|")
            group = head.strip()
            materials = [_material(entry) for entry in made.split("materials:")[1].split(";")]
            people[group] = _words(whom.split("people:")[1])
            continue
        en, zh, price, features = line.split("|")
        plural, en = en.endswith("+"), en.rstrip("+")
        suited = tuple(material for material, suits in materials if not suits or en in suits)
        categories.append(Category(en, zh, group, plural, int(price), _words(features), suited))
    return tuple(categories), people


CATEGORIES, PEOPLE = _read_market()
COLOURS = _words(_COLOURS)
GROUPS = tuple(PEOPLE)
GROUP_NAMES = {
    "sport": Word("sport", "运动"), "outdoor": Word("outdoor", "户外"), "tech": Word("electronics", "数码"),
    "home": Word("home", "家居"), "beauty": Word("beauty", "美妆"), "food": Word("food", "食品"),
    "fashion": Word("fashion", "服饰"), "kids": Word("kids", "儿童"), "garden": Word("garden", "园艺"),
    "office": Word("office", "办公"), "pets": Word("pets", "宠物"), "travel": Word("travel", "旅行"),
}  # fmt: skip

# Syllables of the made-up names: a brand is two or three of them, a model one or two and perhaps a number.
STARTS = """Nor Vel Kal Ari Bel Cor Dan Eli Fen Gal Hol Iri Jun Kes Lum Mar Nim Oro Pel Qui Ras Sol Tam Uri Ver
Wil Xan Yor Zel Bri Cla Dra Fro Gle Kri Pla Sta Tri Swe Ash Oak Moss Star Fox Lark Pine Reed Wren Hazel Ember Cedar
Alo Bran Cas Dor Esk Fal Gri Hev Ilm Jas Kov Lor Mil Nev Osk Pri Rov Sab Tov Umb Vand Wes Yel Zor""".split()
MIDDLES = (
    """a e i o u ar en il on ul an er is or um ade ela ino ora ume av ek im ot ub la ri no ta ve""".split()
)
ENDS = """vik ra dor lin mere sen ton ia ova elle ex is um ax ora ly no ta ri mo field brook worth ley stone wick
burg well holm gate dale ko zu mi na vo sa tek lab co ne ron das mar lis tor bee fy go""".split()
MODELS = """Tal Rio Nova Echo Luna Peak Drift Sprint Glow Halo Vibe Pulse Flow Core Edge Wave Zen Arc Dune Mist Dawn
Comet Ridge Summit Harbor Willow Breeze Spark Orbit Atlas Coast Delta Fjord Grove Haven Indigo Juno Karma Lyra Meadow
Nectar Onyx Prism Quartz River Sage Tundra Unity Velvet Whisper Yonder Zephyr Aero Bolt Cloud""".split()
HAN = """诺维卡丽贝科丹芬嘉荷艾君凯露玛宁欧佩奇兰索塔优薇萨雅泽布克德弗格林普斯特云山海星月风木石溪禾竹松梅桐青白
安和乐美康华新远航天地一禾舒朗悦清尚品良润达锐博思睿捷恒盛隆永信诚德明光彩虹梦幻晨曦暖阳微澜静谧小大元初"""
HAN = "".join(dict.fromkeys(HAN.replace("\n", "")))
