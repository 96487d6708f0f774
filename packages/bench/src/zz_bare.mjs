import { spawn } from "node:child_process"
const [, prompt, , exe] = process.argv.slice(2)
const c = spawn(exe, ["app-server", "--listen", "stdio://"], { stdio: ["pipe", "pipe", "ignore"] })
const pipe = process.env.PIPELINE === "1"
let buf = ""
const send = (m) => c.stdin.write(JSON.stringify(m) + "\n")
send({ id: 1, method: "initialize", params: { clientInfo: { name: "bare", title: "b", version: "1" } } })
const start = () => { send({ method: "initialized" }); send({ id: 2, method: "thread/start", params: { approvalPolicy: "never", cwd: process.cwd() } }) }
if (pipe) start()
c.stdout.setEncoding("utf8").on("data", (d) => { buf += d; const ls = buf.split("\n"); buf = ls.pop(); for (const l of ls) { const m = JSON.parse(l)
  if (m.id === 1 && !pipe) start()
  if (m.id === 2) send({ id: 3, method: "turn/start", params: { threadId: m.result.thread.id, input: [{ type: "text", text: prompt }] } })
  if (m.method === "turn/completed") { c.stdin.end(); if (process.env.KILL) c.kill("SIGTERM") } } })
