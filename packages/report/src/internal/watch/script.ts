/**
 * The one script of a live page: it puts the parts that the server sends in their places, sends decisions, and says
 * when nothing new comes. It changes only what differs, so that what a person has opened, selected or focused stays so.
 *
 * When the program was started again, its threads are others under the same numbers: then it goes to the list.
 *
 * A button cannot be pressed right after the approvals have changed, or the page has appeared: a click that was meant
 * for something else must not decide.
 */
export const script = `
const base="/"+location.pathname.split("/")[1]+"/";
const state=document.getElementById("state"),main=document.querySelector("main");
const say=(text,bad)=>{state.textContent=text;state.className=bad?"bad":"quiet"};
const morph=(o,n)=>{
if(o.nodeName!==n.nodeName||(o.id||"")!==(n.id||"")){o.replaceWith(n);return}
if(o.nodeType!==1){if(o.data!==n.data)o.data=n.data;return}
for(const {name} of [...o.attributes])if(name!=="open"&&name!=="disabled"&&!n.hasAttribute(name))o.removeAttribute(name);
for(const {name,value} of n.attributes)if(name!=="open"&&o.getAttribute(name)!==value)o.setAttribute(name,value);
if(o.nodeName!=="OUTPUT")children(o,n)};
const children=(o,n)=>{
const known=new Map([...o.children].filter((c)=>c.id!=="").map((c)=>[c.id,c]));
let at=o.firstChild;
for(const next of [...n.childNodes]){
const same=next.id?known.get(next.id):undefined;
if(same){if(same===at)at=at.nextSibling;else o.insertBefore(same,at);morph(same,next)}
else if(at&&!at.id&&!next.id){const was=at;at=at.nextSibling;morph(was,next)}
else o.insertBefore(next,at)}
while(at){const was=at;at=at.nextSibling;was.remove()}};
let calm;
const settle=()=>{const all=()=>document.querySelectorAll("button[data-offer]");
for(const b of all())b.disabled=true;clearTimeout(calm);
calm=setTimeout(()=>{for(const b of all())if(!b.closest(".sent"))b.disabled=false},500)};
const put=({id,html,order})=>{
let into=document.getElementById(id);
if(into===null){into=document.createElement("div");into.id=id;into.className="part";main.append(into)}
const t=document.createElement("template");t.innerHTML=html;children(into,t.content);
if(id==="offers"){settle();const n=into.querySelectorAll(".offer").length;
document.title=(n>0?"("+n+") ":"")+document.title.replace(/^\\(\\d+\\) /,"")}
};
const only=(ids)=>{const keep=new Set(ids);for(const part of [...main.querySelectorAll(":scope>.part")])if(!keep.has(part.id))part.remove()};
let source,run;
const connect=()=>{
source=new EventSource(base+"events"+location.search);
source.addEventListener("parts",(e)=>{const {ids,parts,of}=JSON.parse(e.data);
if(run!==undefined&&run!==of)return location.replace(base);
run=of;for(const part of parts)put(part);only(ids);say("live",false)});
source.addEventListener("ended",(e)=>{say("The connection to codex has ended: "+JSON.parse(e.data),true)});
source.onerror=()=>{if(!state.textContent.startsWith("The connection to codex"))say("Not connected: this page is as it was. Trying again…",true);
if(source.readyState===2)setTimeout(()=>location.search===""?connect():location.replace(base),2000)}};
addEventListener("click",(e)=>{
const b=e.target.closest("button[data-offer]");if(b===null||b.disabled)return;
const card=b.closest(".offer"),out=card.querySelector("output");
const buttons=[...card.querySelectorAll("button")];card.classList.add("sent");for(const one of buttons)one.disabled=true;
out.textContent="Sending…";
fetch(base+"decide",{method:"POST",headers:{"content-type":"application/json"},
body:JSON.stringify({id:b.dataset.offer,decision:b.dataset.decision})}).then((r)=>{
out.textContent=r.ok?"Sent.":r.status===410?"No longer open: it was decided elsewhere, or its turn has ended.":"Refused ("+r.status+").";
},()=>{out.textContent="It could not be sent. Try again.";card.classList.remove("sent");for(const one of buttons)one.disabled=false})});
addEventListener("pagehide",()=>source.close());
addEventListener("pageshow",(e)=>{if(e.persisted){settle();connect()}});
settle();connect();
`
