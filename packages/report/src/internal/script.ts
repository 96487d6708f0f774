/**
 * The one script of a page: keys to go from turn to turn, and to open what is folded. The page is whole without it.
 *
 * Links into something folded open it, and printing opens everything.
 */
export const script = `
const turns=()=>[...document.querySelectorAll("main>section.turn")];
const go=(by)=>{const all=turns();const top=(t)=>t.getBoundingClientRect().top;
const at=by>0?all.find((t)=>top(t)>60):all.findLast((t)=>top(t)<40);at?.scrollIntoView();at?.focus({preventScroll:true})};
const open=(is)=>{for(const d of document.querySelectorAll("main details"))d.open=is};
const reveal=()=>{const id=location.hash.slice(1);let e=id===""?null:document.getElementById(id);const to=e;
for(;e!==null&&e!==undefined;e=e.parentElement)if(e.tagName==="DETAILS")e.open=true;to?.scrollIntoView()};
addEventListener("hashchange",reveal);addEventListener("beforeprint",()=>open(true));reveal();
let isOpen=false;
addEventListener("keydown",(e)=>{if(e.ctrlKey||e.metaKey||e.altKey||e.target.closest("input,textarea"))return;
if(e.key==="j")go(1);else if(e.key==="k")go(-1);else if(e.key==="o")open(isOpen=!isOpen)});
`
