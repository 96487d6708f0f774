/** How a page looks: on a phone, on a wide screen, in the dark, and on paper. */
export const style = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2024;--quiet:#5c6570;--line:#d9dee4;--soft:#f4f6f8;--accent:#0b5cad;
--good:#1a7f4b;--bad:#b3261e;--warn:#8a5a00;--add:#e3f6ea;--del:#fbe6e5;
--model:#7b61c9;--command:#0b84a5;--file:#3f8f3f;--tool:#c77d0a;--sub:#b0568f;--wait:#d1495b;--mcp:#8d99a6}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e8ec;--quiet:#98a3ae;--line:#2f363d;--soft:#1d2227;
--accent:#78b4f0;--good:#63c98f;--bad:#f28b82;--warn:#e0b060;--add:#143322;--del:#3d1b1b;
--model:#a48ff0;--command:#49b6d6;--file:#7ac77a;--tool:#e8ab4f;--sub:#dd8fc0;--wait:#f0808e;--mcp:#75818d}}
*{box-sizing:border-box}
html{scroll-padding-top:3rem}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:anywhere}
main,header{max-width:60rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1.05rem;margin:0;display:flex;gap:.75rem;align-items:baseline;flex-wrap:wrap}
h4{font-size:.8rem;margin:0 0 .25rem;color:var(--quiet);font-weight:600;display:flex;gap:.6rem;align-items:baseline}
a{color:var(--accent)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86em}
code{overflow-wrap:anywhere}
pre{margin:.25rem 0;padding:.6rem .75rem;background:var(--soft);border-radius:6px;white-space:pre-wrap;
overflow-wrap:anywhere;max-height:32rem;overflow:auto}
time,.time,.quiet,.label{color:var(--quiet);font-size:.85rem;font-weight:400}
.overview{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.75rem 1.25rem;margin:0;
padding:.9rem 1rem;background:var(--soft);border-radius:8px}
.overview dt{color:var(--quiet);font-size:.75rem}.overview dd{margin:0;overflow-wrap:anywhere}
.turn{border-top:1px solid var(--line);padding:1.25rem 0 .5rem;margin-top:1.25rem;content-visibility:auto;
contain-intrinsic-size:auto 40rem}
.item{margin:.9rem 0;content-visibility:auto;contain-intrinsic-size:auto 6rem}
.item:target,.turn:target{outline:2px solid var(--accent);outline-offset:6px;border-radius:4px}
.userMessage{background:var(--soft);border-radius:8px;padding:.7rem .9rem}
.prompt{white-space:pre-wrap;overflow-wrap:anywhere;margin:.1rem 0}
.facts{display:flex;flex-wrap:wrap;gap:.3rem .7rem;align-items:baseline;margin:.25rem 0;color:var(--quiet);
font-size:.85rem}
.badge{font-size:.75rem;line-height:1.5;padding:0 .5em;border-radius:99px;border:1px solid currentColor;
min-width:0}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.badge.quiet{color:var(--quiet)}
.added{color:var(--good)}.removed{color:var(--bad)}
summary{cursor:pointer;font-size:.9rem;padding:.15rem 0;overflow-wrap:anywhere}
.line{border-left:3px solid var(--command)}
.md>:first-child{margin-top:0}.md>:last-child{margin-bottom:0}.md{overflow-wrap:anywhere}
.md table{border-collapse:collapse;display:block;overflow:auto}.md td,.md th{border:1px solid var(--line);padding:.2rem .5rem}
.diff{overflow:auto;border:1px solid var(--line);border-radius:6px;max-height:40rem}
.diff table{border-collapse:collapse;width:100%;font:.8em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.diff td{padding:0 .5rem;white-space:pre-wrap;overflow-wrap:anywhere;vertical-align:top}
.diff td:nth-child(-n+2){color:var(--quiet);text-align:right;width:3rem;user-select:none}
.diff td:nth-child(3){width:1rem;padding:0;user-select:none}
.diff .add{background:var(--add)}.diff .del{background:var(--del)}.diff .hunk{color:var(--quiet);background:var(--soft)}
.ask{border:1px solid var(--line);border-left:3px solid var(--wait);border-radius:6px;padding:.5rem .75rem;margin:.5rem 0}
.problem{border-left:3px solid var(--bad);padding:.25rem .75rem;margin:.75rem 0}.problem p{margin:.25rem 0;
overflow-wrap:anywhere}
.advice{color:var(--quiet)}
.subagent{border-left:3px solid var(--sub);padding-left:.9rem;margin:.5rem 0}
.plan ul,.notices ul{list-style:none;padding:0;margin:.25rem 0}.plan .done{color:var(--quiet)}
.chart{margin:1.5rem 0}.chart figcaption{font-size:.85rem;color:var(--quiet);margin-bottom:.4rem}
.row{display:grid;grid-template-columns:14rem 1fr;gap:.5rem;align-items:center;font-size:.8rem}
.row svg{width:100%;height:20px;background:var(--soft);border-radius:3px}
.tokens{width:100%;height:120px;background:var(--soft);border-radius:4px}
.break{stroke:var(--line);stroke-dasharray:2 2}
.model{fill:var(--model)}.command rect,rect.command{fill:var(--command)}rect.fileChange{fill:var(--file)}
rect.tool{fill:var(--tool)}rect.subagent{fill:var(--sub)}rect.waiting{fill:var(--wait)}rect.mcpStart{fill:var(--mcp)}
rect.cached{fill:var(--mcp)}rect.input{fill:var(--command)}rect.reasoning{fill:var(--model)}rect.output{fill:var(--file)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.8rem;margin:.4rem 0 0}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em}
i.cached{background:var(--mcp)}i.input{background:var(--command)}i.reasoning{background:var(--model)}
i.output{background:var(--file)}
nav{position:sticky;top:0;background:var(--bg);border-bottom:1px solid var(--line);z-index:1;font-size:.85rem}
nav div{max-width:60rem;margin:0 auto;padding:.4rem 1rem;display:flex;gap:1rem;overflow-x:auto;white-space:nowrap}
footer{max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--quiet);font-size:.8rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media (max-width:40rem){.row{grid-template-columns:1fr;gap:.1rem}.overview{grid-template-columns:1fr 1fr}
.diff td:nth-child(1){display:none}}
@media print{nav{display:none}body{font-size:11pt}pre,.diff{max-height:none;overflow:visible}
.turn,.item{content-visibility:visible}.item{break-inside:avoid-page}a{color:inherit;text-decoration:none}}
`
