package people

import "strings"

// Surnames by rank, with the weight of the first twenty in per mille of the people; the rest fall evenly from 10 to 1.5.
var (
	surnames = weigh(strings.Split("王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常", ""), surnameWeight)
	// beyond the hundred
	fewer    = letters("温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷曲盛冉翁蓝骆路游辛靳管柴蒙鲍华喻祁房蒲滕屈饶解牟艾尤时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝封官谈匡鞠惠荆乐冀胥郁")
	compound = []string{"欧阳", "欧阳", "欧阳", "上官", "上官", "司马", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐", "司徒", "端木", "南宫"}
	rare     = []rune("淼玥彧翀祎垚骉赟喆犇旻昇堃燚翾谞晞璟珺婧媱曌瑄禛沄茆妤甯頔䶮㛃㻏𬀩𬭎")

	menOld   = letters("国建志文明德华玉福金永庆春生林海树云长成军振荣清学忠义贵全兴宝新忠根有发万才元连光东平水良先启家仁善正祥俊安凤友山富昌道胜景双大土木火")
	menMid   = letters("伟强军勇磊斌涛超明刚平辉健鹏华飞波建志海峰俊亮杰文国东小龙鑫浩宁永成林峰洪晓晨凯彬旭江松栋阳武雷毅振宏宇义光泉春帅锋金兵庆良")
	menNew   = letters("宇浩轩子俊泽涵睿梓豪博一文皓晨天奕铭佳宸辰嘉瑞然明昊航逸翔阳诺恒景煜霖晟星言睿安林沐承尧禹旭阳哲瀚彦")
	womenOld = letters("秀玉英兰桂珍凤芳华梅莲荣花芝香琴美月春素云菊霞金翠红淑爱秋巧仙银莉娥妹彩清莲英连贞文雪会转改小")
	womenMid = letters("丽敏静艳娟燕霞红玲芳梅莉英华玉萍晓洁雪婷琳琴蓉慧春娜凤倩海云秀颖璐晶欢瑶欣佳文莹小媛菲丹蕾岚珊薇平利")
	womenNew = letters("子涵欣梓怡诗雨佳雅可思嘉语一梦诺悦彤妍琪萱馨瑶依宁静心雪紫若桐熙婷文睿颖晨安然果沐伊瑾柔苒芸汐乐")
	fashion  = [2]weighted{
		ranked(strings.Fields("梓涵 一诺 子涵 诗涵 欣怡 雨桐 可馨 欣妍 雨欣 佳怡 梦琪 语嫣 思彤 若曦 梓萱 雨涵")),
		ranked(strings.Fields("浩宇 子轩 梓轩 宇轩 浩然 俊杰 子豪 博文 奕辰 宇航 沐宸 浩轩 子墨 铭泽 天佑 一鸣")),
	}

	// surname-less names of peoples who write a dot between own and father's name, and some that are translated whole
	ethnicMen     = []string{"买买提", "艾力", "阿卜杜", "吐尔逊", "玉素甫", "库尔班", "艾合买提", "阿不力孜", "依明", "热合曼", "巴图", "扎西", "多吉", "次仁", "达瓦"}
	ethnicWomen   = []string{"阿依古丽", "古丽娜尔", "帕提古丽", "阿孜古丽", "热孜万古丽", "玛依拉", "卓玛", "央金", "拉姆", "其其格", "萨仁", "努尔比娅"}
	ethnicFathers = []string{"买买提", "艾力", "吐尔逊", "玉素甫", "库尔班", "艾合买提", "阿不都拉", "依明", "热合曼", "司马义", "哈斯木", "托合提"}

	foreignGiven    = [2][]string{{"Anna", "Maria", "Olga", "Emily", "Sarah", "Julia", "Fatima", "Yuki", "Linh", "Sofia", "Katherine", "Elena"}, {"John", "Michael", "Ivan", "David", "Ahmed", "Sergei", "Thomas", "Kenji", "Minh", "Carlos", "Alexander", "Stephen"}}
	foreignSurnames = []string{"Smith", "Johnson", "Ivanov", "Petrov", "Garcia", "Müller", "Nguyen", "Tanaka", "Khan", "Hassan", "O'Brien", "Dubois", "Rossi", "Kowalski", "Brown", "van Dijk", "Macdonald", "Okafor"}
)

func surnameWeight(rank int) float64 {
	first := []float64{72, 71, 68, 52, 46, 33, 24, 23, 22, 21, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11}
	if rank < len(first) {
		return first[rank]
	}
	return 10 - 8.5*float64(rank-len(first))/80
}

func surname(d dice) string {
	switch x := d.Float64(); {
	case x < 0.003:
		return compound[d.IntN(len(compound))]
	case x < 0.12:
		return fewer.one(d)
	}
	return surnames.one(d)
}

// given name in the fashion of the year of birth. shared is the character that brothers and sisters have in common.
func given(d dice, man bool, year int, shared string) string {
	pool, single := [2]weighted{womenMid, menMid}, 0.28
	switch {
	case year < 1962:
		pool, single = [2]weighted{womenOld, menOld}, 0.10
	case year >= 1996:
		pool, single = [2]weighted{womenNew, menNew}, 0.12
	}
	at := 0
	if man {
		at = 1
	}
	if shared != "" {
		return shared + pool[at].one(d)
	}
	if year >= 2000 && d.is(0.12) {
		return fashion[at].one(d)
	}
	last := pool[at].one(d)
	if d.is(0.004) {
		last = string(d.rune(rare))
	}
	if d.is(single) {
		return last
	}
	first := pool[at].one(d)
	if first == last && !d.is(0.1) {
		first = pool[at].one(d)
	}
	return first + last
}
