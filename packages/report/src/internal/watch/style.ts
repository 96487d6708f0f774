/** How live pages look, beside what they share with a report. */
import { style as shared } from "../style.ts"

export const style = `${shared}
main{padding-top:1.25rem;padding-bottom:3rem}
.threads{list-style:none;padding:0;margin:1rem 0}
.threads>li{border:1px solid var(--line);border-radius:8px;padding:.6rem .9rem;margin:.6rem 0}
.threads h3 a{text-decoration:none}
.doing{margin:.25rem 0;font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.offer{border:1px solid var(--line);border-left:3px solid var(--wait);border-radius:8px;padding:.7rem .9rem;margin:.75rem 0}
.offer p,.offer ul{margin:.3rem 0}
.buttons{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}
button{font:inherit;font-size:.9rem;padding:.3rem .9rem;border-radius:6px;border:1px solid var(--line);
background:var(--soft);color:var(--fg);cursor:pointer;min-height:2.4rem}
button[data-decision=accept]{border-color:var(--good);color:var(--good)}
button[data-decision=decline]{border-color:var(--bad);color:var(--bad)}
button:disabled{opacity:.55;cursor:default}
output{font-size:.85rem;color:var(--quiet)}
nav a{white-space:nowrap}
nav #state{overflow:hidden;text-overflow:ellipsis}
`
