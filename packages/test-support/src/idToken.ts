/** The token of a person who has logged in. codex reads its claims and leaves the signature to the backend. */
const part = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url")

export const idToken = [
  part({ alg: "none", typ: "JWT" }),
  part({
    email: "someone@example.com",
    "https://api.openai.com/auth": {
      chatgpt_account_id: "ws-1",
      chatgpt_plan_type: "pro",
      chatgpt_user_id: "user-1"
    }
  }),
  "c2ln"
].join(".")
