"""Stages of SPL, one or more of every command and function that takes a field: no answer hangs on a column's type."""

from __future__ import annotations

STAGES = r"""
eval r=u | table k r
where u=s
where NOT (u=s)
where u!=s
where NOT (u!=s)
where u<s
where NOT (n<m)
where n<=m
where n=m
where n>1
where NOT (n>1)
where u="x"
where NOT u="x"
where u IN ("x","1")
where NOT u IN ("x","1")
where in(u,"x",s)
where NOT in(u,"x",s)
where like(u,"%x%")
where NOT like(u,s)
where match(u,"^\d")
where NOT match(u,"^\d")
where NOT match(u,s)
where cidrmatch("10.0.0.0/8",u)
where NOT cidrmatch("10.0.0.0/8",u)
where isnull(u)
where isnotnull(u)
where isnum(u)
where isstr(u)
where isint(n)
where NOT isnum(u)
where searchmatch("u=x*")
where NOT searchmatch("u=x* OR n>2")
where u=s OR n=m
where NOT (u=s AND n=m)
where (u=s) XOR (n=m)
where NOT (u=s OR isnull(s))
search u=x
search u!=x
search NOT u=x
search u=x*
search u!=x*
search n>1
search NOT n>1
search n>=1 n<5
search u IN (x,y,1)
search u IN (x,y,*1)
search NOT u IN (x,y,1)
search u=*
search NOT u=*
search u!=*
search u="10.0.0.0/8"
search u=CASE(X)
search u=TERM(x)
search n=1.5
search n!=1
search host=x OR u=y
eval r=n+m
eval r=u+s
eval r=u+n
eval r=u.s
eval r=n*m
eval r=n-m
eval r=n/m
eval r=n%m
eval r=-n
eval r=u." ".n
eval r=if(u=s,"y","n")
eval r=if(u!=s,"y","n")
eval r=if(NOT u=s,"y","n")
eval r=case(u="x",1,s="x",2,true(),u)
eval r=case(n>1,n,m>1,m)
eval r=validate(isnotnull(u),"nou",isnum(n),"non")
eval r=coalesce(u,s)
eval r=coalesce(u,n,"z")
eval r=coalesce(n,m)
eval r=nullif(u,s)
eval r=nullif(n,m)
eval r=nullif(u,"x")
eval r=len(u)
eval r=upper(u), q=lower(u)
eval r=trim(u), q=ltrim(u,"x"), w=rtrim(u,"x")
eval r=substr(u,1,1)
eval r=substr(u,n)
eval r=replace(u,"x","Q")
eval r=replace(u,s,"Q")
eval r=split(u,",")
eval r=mvcount(split(u,","))
eval r=urldecode(u)
eval r=spath(u,"a")
eval r=printf("%s-%d",u,n)
eval r=tonumber(u)
eval r=tonumber(u,16)
eval r=tostring(u)
eval r=tostring(n)
eval r=tostring(n,"hex")
eval r=tostring(n,"commas")
eval r=tostring(n,"duration")
eval r=tomv(u)
eval r=toarray(u)
eval r=toobject(u)
eval r=tojson_array(u)
eval r=abs(n), q=ceil(n), w=floor(n), e=round(n), f=round(n,1)
eval r=sqrt(n), q=pow(n,m), w=exp(n), e=ln(n), f=log(n), g=log(n,m)
eval r=exact(n*m), q=sigfig(n*m)
eval r=max(n,m), q=min(n,m)
eval r=max(u,s), q=min(u,s)
eval r=max(u,n,3), q=min(u,n,3)
eval r=sum(n,m), q=avg(n,m)
eval r=bit_and(n,m), q=bit_or(n,m), w=bit_xor(n,m), e=bit_not(n), f=bit_shift_left(n,1)
eval r=hypot(n,m), q=atan2(n,m), w=sin(n)
eval r=mvappend(u,s)
eval r=mvappend(n,m)
eval r=mvcount(u)
eval r=mvcount(mvappend(u,s))
eval r=mvdedup(mvappend(u,s,u))
eval r=mvdedup(u)
eval r=mvsort(mvappend(u,s))
eval r=mvsort(n)
eval r=mvreverse(u)
eval r=mvindex(u,0), q=mvindex(u,-1), w=mvindex(u,1), e=mvindex(u,0,1)
eval r=mvindex(mvappend(u,s),n)
eval r=mvjoin(u,";")
eval r=mvjoin(mvappend(u,s),n)
eval r=mvzip(u,s)
eval r=mvzip(u,s,n)
eval r=mvrange(1,n)
eval r=mvrange(n,m)
eval r=mvfind(u,"x")
eval r=mvfind(u,s)
eval r=mvfilter(u="x")
eval r=mvfilter(u!="x")
eval r=mvfilter(n>1)
eval r=mvfilter(match(u,"x"))
eval r=mvfilter(isnull(u))
eval r=mvmap(u,u."z")
eval r=mvmap(n,n*2)
eval r=mvmap(n,n+m)
eval r=mvmap(u,if(u=s,"a",u))
eval r=if(ismv(u),1,0)
eval r=if(isbool(u),1,0), q=if(isdouble(n),1,0), w=if(isobject(u),1,0), e=if(isarray(u),1,0)
eval r=typeof(u), q=typeof(n)
eval r=md5(u), q=sha1(n)
eval r=strftime(n,"%H:%M"), q=strptime(u,"%d"), w=relative_time(n,"-1d")
eval r=json_object("a",u,"b",n)
eval r=json_array(u,n)
eval r=json_extract(u,"a")
eval r=if(json_valid(u),1,0)
eval r=json_set(u,"b",s)
eval r=json_keys(u)
eval r=json_append("{}","a",u)
eval r=mv_to_json_array(u)
eval r=mv_to_json_array(n)
eval r=json_array_to_mv(u)
eval r=commands(u)
eval r=ipmask("255.255.0.0",u)
eval {u}=n
eval "a_{k}"=u
stats count by u
stats count by u, s
stats count by n
stats count(u) dc(u) values(u) list(u) first(u) last(u) by k
stats min(u) max(u) mode(u) by k
stats sum(n) avg(n) min(n) max(n) range(n) median(n) p90(n) stdev(n) var(n) stdevp(n) varp(n) sumsq(n) by k
stats earliest(u) latest(u) earliest_time(u) latest_time(u) rate(n)
stats count(eval(u="x")) as a sum(eval(n*m)) as b values(eval(u.s)) as c
stats count(eval(NOT u="x")) as a dc(eval(n+1)) as b
stats allnum=t sum(u) avg(n)
stats count
stats sum(u) avg(u)
stats list(eval(if(u=s,n,m))) as l by k
stats estdc(u) estdc_error(u) by k
stats delim=";" values(u) as v by k | nomv v
stats count by k, u dedup_splitvals=t
eventstats count by u
eventstats values(u) as v by s
eventstats sum(n) as t avg(m) as a by u
eventstats max(n) as t | where n=t
eventstats dc(u) as d by k, s
streamstats count by u
streamstats sum(n) as t by u
streamstats current=f last(u) as p by k
streamstats window=2 avg(n) as a
streamstats window=2 values(u) as a
streamstats window=2 list(n) as a first(n) as b
streamstats reset_on_change=t count by u
streamstats count(eval(n>1)) as c
streamstats reset_after=(n>2) sum(n) as t
streamstats time_window=2m sum(n) as t
streamstats window=3 dc(u) as d min(n) as mi max(n) as ma
chart count by u
chart count over k by u
chart sum(n) over u by k
chart values(u) over k by s
chart count by k, n
chart avg(n) by u span=2
chart count over n span=2
timechart span=2m count by u
timechart span=2m sum(n) by k
timechart span=2m values(u)
timechart span=2m avg(n) max(m)
top u
top limit=2 u by k
top u, s
rare u
rare n by k
sort u
sort - u
sort n
sort - n
sort num(u)
sort str(n)
sort ip(u)
sort - u, n
sort 3 u
dedup u
dedup u, s
dedup 2 k sortby -n
dedup u keepempty=t
dedup u keepevents=t
dedup u consecutive=t
replace x WITH Z IN u
replace x* WITH Z* IN u, s
replace "" WITH empty
replace 1 WITH one IN n, m
replace x WITH Z
fillnull
fillnull value=0 u
fillnull value=NA u n
fillnull value=0 n m
fillnull value=x | where u=s
filldown
filldown u n
rename u AS v
rename u AS s
rename nosuch AS u
rename * AS z_*
table u n
fields u n
fields - u
fields k u | where u="x"
rex field=u "(?<a>x)(?<b>y)?"
rex field=n "(?<a>\d)"
rex field=u max_match=0 "(?<a>.)"
rex field=u mode=sed "s/x/Z/g"
rex field=u mode=sed "y/xy/ab/"
rex field=u "(?<a>.)" offset_field=o
rex field=u "(?<s>x)"
rex field=u "(?<u>.)"
regex u="x"
regex u!="x"
regex n="^\d$"
regex "x"
makemv delim="," u
makemv tokenizer="(\w)" u
makemv delim="," allowempty=t u | mvexpand u
makemv delim="," u | stats count by u
mvexpand u
mvexpand u limit=1
mvexpand n | eval r=n+1
mvcombine u
fields k u | mvcombine u
fields k u | mvcombine delim=";" u | nomv u
fields k u s | mvcombine u
fields k n | mvcombine n
nomv u
strcat u "-" s d
strcat allrequired=t u s d
strcat u n d
rangemap field=n low=0-1 high=2-20 default=none
rangemap field=u low=0-1 mid=1-3
setfields z="1"
xmlunescape
convert num(n) as r
convert auto(u)
convert auto(n) | eval r=n+1
convert none(u) auto(*)
convert rmcomma(u) as r rmunit(s) as q
convert ctime(n) as r
convert mktime(u) as r dur2sec(s) as q memk(u) as w mstime(u) as e
convert timeformat="%H" ctime(n)
bin n
bin n span=2
bin n span=2 as b
bin u span=2
bin bins=3 n
bucket _time span=2m | stats count by _time u
addtotals
addtotals n m
addtotals col=t n m
addtotals row=f col=t labelfield=k
addcoltotals
addcoltotals n labelfield=u label=Sum
accum n
accum n as t
delta n as d
delta n p=2
autoregress n p=1-2
autoregress u
trendline sma2(n) as a wma2(n) as b ema2(n) as c
outlier n
outlier action=remove n
outlier action=tf mark=t n
outlier
anomalydetection method=iqr n
join k [search n=* | table k n m]
join u [search u=* | table u m]
join type=left u [search u=* | stats count by u]
join type=left n [search n=* | stats max(m) as mm by n]
join type=left k u [search u=x | stats values(s) as vs by k u]
join type=outer u max=0 [search u=* | table u m]
join type=left overwrite=f u [search u=* | table u s]
join [search u=x | table k u]
selfjoin u
selfjoin k max=0
append [search u=x | eval z=n]
append [search u=x | stats values(n) as n]
append [search n=* | stats sum(n) as n by u] | where n>1
append [search n=* | stats max(n) as n] | stats sum(n)
appendcols [search u=* | table s n]
appendcols override=t [search u=* | table s n]
appendpipe [stats sum(n) as n by u]
appendpipe [stats count | where count=0]
union [search u=x] [search n=1]
set union [search u=x | table u n] [search n=* | table u n]
set diff [search u=* | table u] [search n=* | table u]
set intersect [search u=* | table u n] [search n=* | table u n]
lookup tab u OUTPUT v
lookup tab u AS s OUTPUTNEW v AS n
lookup tab u
lookup tab n OUTPUT v
lookup tab u, k OUTPUT v w
lookup local=t tab u OUTPUT v AS u
eval r=lookup("tab",json_object("u",u),json_array("v"))
inputlookup append=t tab
transaction k
transaction u
transaction k maxspan=2m
transaction k u mvlist=t
transaction k startswith="u=x" endswith=(n=1)
transaction k startswith=eval(u="x")
transaction k maxpause=1m mvlist=u
xyseries k u n
xyseries k s u
untable k f v
table k u n | untable k f v
table k u n | transpose
transpose header_field=k 3
stats count by k, u | xyseries k u count
stats values(u) as u by k | untable k f v
makecontinuous n span=1
contingency k u
cofilter k u
fieldsummary
fieldsummary u n
foreach u s [eval <<FIELD>>_x=<<FIELD>>."z"]
foreach n m [eval t=coalesce(t,0)+<<FIELD>>]
foreach mode=multivalue u [eval t=mvappend(t,<<ITEM>>)]
foreach u s [eval "c_<<FIELD>>"=if('<<FIELD>>'="x",1,0)]
format
table u n | format
search [search u=x | table u]
search [search u=* | table u n | head 2]
search [search u=* | fields s]
where u IN ([search u=x | return $u])
search [search u=x | return u]
search [search u=x | return 3 u n]
return 3 u
return 2 n $u
map search="search u=$u$ | table k"
head (u!="x")
head 2
head (n<3) null=t
tail 2
reverse
uniq
table u n | uniq
extract
kv
spath input=u
spath input=u path=a output=r
spath input=u output=r a
iplocation u
iplocation prefix=q_ u
eval _raw=u | rex "(?<z>x)"
eval _raw=u | search x
eval _raw=u | spath
eval _raw=u | extract pairdelim="," kvdelim=":"
eval _raw=u | multikv
eval _raw=u | xmlkv
tojson
tojson u n
table u n | tojson
fromjson u
fieldformat n=n*2
gauge n 0 1 2
eval _time=n | bin _time span=1m
eval _time=n | timechart span=1m count
eval _time=u | stats earliest(k)
timewrap 1d
tags
typer
addinfo | where n<info_max_time
rename n as count | outlier count
multisearch [search u=x] [search n=1]
eval n=n | chart sum(n) by k
stats sum(n) as n by k u | sort - n | head 2
stats values(u) as u by k | where u="x"
stats values(u) as u by k | search u=x
stats values(u) as u values(s) as s by k | where NOT (u=s)
stats values(u) as u by k | replace x WITH Z IN u
stats values(u) as u by k | mvexpand u
stats values(n) as n by k | addtotals n
stats values(n) as n by k | eval r=n*2
stats values(u) as u by k | stats count by u
stats values(u) as u by k | sort u
stats values(u) as u by k | dedup u
collect index=x
outputlookup x.csv
concurrency duration=n
eval d=n | concurrency duration=d start=_time
eval e=u | eventstats count(eval(e=s)) as c by e
streamstats count as c by e global=f window=2
eval u=mvappend(u,s) | stats count by u
eval u=mvappend(u,s) | search u=x
eval u=mvappend(u,s) | search NOT u=x
eval u=mvappend(u,s) | where u="x"
eval u=mvappend(u,s) | where NOT u="x"
eval u=mvappend(u,s) | replace x WITH Z IN u
eval u=mvappend(u,s) | table u
eval r=toint(n), q=todouble(n)
eval r=if(tobool(u),1,0)
eval r=if(ismv(u),1,0), q=typeof(u), w=typeof(n)
lookup tab u AS k OUTPUT v
lookup pat u OUTPUT v
lookup net u OUTPUT v
stats values(s) as s by u | join type=left u [search u=* | table u s]
join type=left u [search u=* | stats values(s) as s by u]
join u [search u=* | stats values(n) as n by u] | where n>1
eval s=split(u,",") | join type=left k [search u=x | table k s]
abstract
ctable k u
counttable k u
reltime timefield=n
xpath field=u "//a" outfield=r
discretize n span=2
maketable k u n
transam k
sichart count by u
sirare u
sistats sum(n) by k
sitimechart span=2m count by u
sitop u
outputcsv x
rtorder
require
highlight u
noop
localize
eval r=acos(n), q=acosh(n), w=asin(n), e=asinh(n), f=atan(n), g=atanh(n)
eval r=cos(n), q=cosh(n), w=sinh(n), e=tan(n), f=tanh(n), g=ceiling(n)
eval r=bit_shift_right(n,1), q=ifnull(u,s)
eval r=sha256(u), q=sha512(n)
eval r=json(u), q=json_delete(u,"a"), w=json_entries(u)
eval r=json_extend("{}","a",u), q=json_extract_exact(u,"a"), w=json_set_exact(u,"b",s)
eval r=if(json_has_key_exact(u,"a"),1,0)
stats distinct_count(u) mean(n) rate_avg(n) rate_sum(n) by k
stats sparkline(sum(n),2m) as l by k
stats exactperc50(n) upperperc50(n) perc25(n) by k
"""
