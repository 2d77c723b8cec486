"""What does the page look like?  By day and by night, on a wide screen and on a phone."""

STYLE = """
:root{color-scheme:light dark;--paper:#f6f6f3;--card:#fff;--ink:#1a1c22;--soft:#5b6070;
--line:#e3e3dd;--accent:#1f5fd0;--good:#1b7a4b;--bad:#b8321f;--wash:#eef2fb;
--s0:#1f5fd0;--s1:#c2540a;--s2:#0b7d72;--s3:#8a3fb0;--s4:#77694a}
@media (prefers-color-scheme:dark){:root{--paper:#121317;--card:#1b1d23;--ink:#eceef3;
--soft:#a3a9b8;--line:#30333c;--accent:#7fb0ff;--good:#5fce94;--bad:#ff8e7a;--wash:#212a3b;
--s0:#7fb0ff;--s1:#ffa860;--s2:#4fd0c2;--s3:#d79cf2;--s4:#cdbd97}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
main{max-width:1060px;margin:0 auto;padding:28px 20px 60px}
header{padding:20px 4px 8px}
h1{font-size:clamp(26px,5vw,38px);line-height:1.15;letter-spacing:-.02em;margin:0 0 6px}
h2{font-size:21px;letter-spacing:-.01em;margin:0 0 12px}
h2+.lead{margin-top:-8px}
p:last-child{margin-bottom:0}
h3{font-size:15px;margin:26px 0 10px}
.kind{color:var(--accent);font-weight:650;font-size:13px;letter-spacing:.08em;
text-transform:uppercase;margin:0 0 6px}
.lead,header p{color:var(--soft);margin:0 0 18px;max-width:72ch}
header p.kind{color:var(--accent);margin-bottom:6px}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;
padding:24px;margin:18px 0}
nav{display:flex;flex-wrap:wrap;gap:6px;margin:6px 4px 22px}
nav a{color:var(--soft);text-decoration:none;font-size:14px;border:1px solid var(--line);
border-radius:99px;padding:3px 12px;background:var(--card)}
nav a:hover{color:var(--accent);border-color:var(--accent)}
.hero{display:grid;grid-template-columns:minmax(0,1.3fr) minmax(0,1fr);gap:28px;align-items:center}
.big{font-size:clamp(46px,9vw,68px);font-weight:700;letter-spacing:-.035em;line-height:1}
.big+p{margin:8px 0 14px;color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}
.tile{border:1px solid var(--line);border-radius:10px;padding:10px 14px}
.tile b{display:block;font-size:20px;letter-spacing:-.01em}
.tile span{color:var(--soft);font-size:13px}
.span{position:relative;height:10px;border-radius:99px;background:var(--wash);margin:6px 0;
max-width:520px}
.span span{position:absolute;top:0;bottom:0;border-radius:99px;background:var(--accent);opacity:.45}
.span i{position:absolute;top:-4px;bottom:-4px;width:4px;margin-left:-2px;border-radius:2px;
background:var(--accent)}
.ends{display:flex;justify-content:space-between;max-width:520px;color:var(--soft);font-size:12px}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:22px}
figure{margin:0;min-width:0}
.plot figcaption{display:flex;flex-wrap:wrap;gap:2px 14px;justify-content:space-between;
font-size:14px;margin-bottom:4px}
.keys{display:flex;flex-wrap:wrap;gap:2px 12px;color:var(--soft);font-size:13px}
.key::before{content:"";display:inline-block;width:12px;height:3px;border-radius:2px;
margin-right:5px;vertical-align:middle;background:var(--c)}
.s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}.s4{--c:var(--s4)}
svg.chart{display:block;width:100%;height:auto;font-size:11.5px}
svg.chart line{stroke:var(--line)}
svg.chart text{fill:var(--soft)}
svg.chart .own{fill:var(--ink);font-weight:650}
svg.chart .line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}
svg.chart .dot{fill:var(--c);stroke:var(--card);stroke-width:1}
svg.chart .star{fill:var(--bad);stroke:var(--card);stroke-width:1.5}
svg.chart line.at{stroke:var(--bad);stroke-dasharray:4 4}
.scroll{overflow-x:auto;margin:0 -4px;padding:0 4px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:right;padding:6px 10px;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}
thead th{color:var(--soft);font-size:12.5px}
th:first-child,td:first-child{text-align:left;padding-left:0;white-space:normal}
tbody th{font-weight:500;white-space:normal;min-width:96px}
tbody tr:last-child>*{border-bottom:0}
th small{display:block;font-weight:400}
td.wide{width:34%;min-width:90px}
.bar{display:block;height:8px;border-radius:99px;background:var(--wash);overflow:hidden}
.bar span{display:block;height:100%;border-radius:99px;background:var(--accent)}
.matrix{width:auto;border-collapse:separate;border-spacing:2px;font-size:12px}
.matrix th,.matrix td{border:0;padding:0 3px;text-align:center}
.matrix tbody th{text-align:right;padding-right:8px;white-space:nowrap;max-width:150px;
overflow:hidden;text-overflow:ellipsis}
.matrix thead th{vertical-align:bottom;height:auto;padding-bottom:4px}
.matrix thead th:not(:first-child) span{writing-mode:vertical-rl;transform:rotate(180deg);
max-height:120px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis}
.matrix td{height:34px;min-width:34px;border-radius:5px;
background:color-mix(in srgb,var(--c,var(--bad)) var(--v),var(--wash))}
.matrix td.right{--c:var(--accent)}
.matrix td.deep{color:var(--card)}
.matrix.small td{height:18px;min-width:18px;font-size:0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:16px}
.cards.large{grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr))}
.large .pair img{aspect-ratio:5/4}
.card{border:1px solid var(--line);border-radius:12px;overflow:hidden;background:var(--paper)}
.pair{display:flex;gap:2px;background:var(--line)}
.pair>*{flex:1 1 0;min-width:0;background:var(--paper)}
.pair img{display:block;width:100%;height:auto;aspect-ratio:1;object-fit:contain}
.pair.five img{aspect-ratio:1/2}
.pair .label{display:block;font-size:11px;line-height:1;padding:8px 4px 2px;text-align:center;
color:var(--soft)}
.pair .ok .label{box-shadow:inset 0 4px var(--good)}
.pair .no .label{box-shadow:inset 0 4px var(--bad)}
.card figcaption{padding:10px 14px 12px;font-size:14px}
.card figcaption b{display:block}
.card figcaption small{color:var(--soft);font-size:12.5px;display:block}
.good{color:var(--good)}.bad{color:var(--bad)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);
margin:0 0 14px;padding:0;list-style:none}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
details{margin-top:14px}
summary{cursor:pointer;color:var(--accent);font-size:14px;font-weight:600}
details>:not(summary){margin-top:12px}
ul.plain{margin:0;padding-left:18px;font-size:14px}
ul.plain li{margin:3px 0}
.note{border-left:3px solid var(--accent);background:var(--wash);border-radius:0 8px 8px 0;
padding:10px 14px;font-size:14px;margin:14px 0 0}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));
gap:0 40px;font-size:15px}
.columns h3{margin:18px 0 6px}
.columns p{margin:0 0 8px}
p.sure{margin:10px 0 0}
small{color:var(--soft)}
code,pre{font:13px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
pre{background:var(--wash);border-radius:8px;padding:12px 14px;white-space:pre-wrap;margin:0}
footer{color:var(--soft);font-size:13px;padding:8px 4px}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:4px 16px;margin:0;
font-size:14px}
dt{color:var(--soft)}dd{margin:0}
@media (max-width:700px){main{padding:14px 12px 40px}section{padding:18px 16px;border-radius:12px}
.hero{grid-template-columns:minmax(0,1fr);gap:20px}
dl{grid-template-columns:minmax(0,1fr);gap:0}dd{margin-bottom:8px}
th,td{padding:6px 5px}thead th{white-space:normal;overflow-wrap:normal}tbody th{min-width:72px}
td.wide{width:20%;min-width:40px}}
@media print{nav{display:none}section{break-inside:avoid}}
"""
