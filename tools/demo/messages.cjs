// An ordinary program with Anthropic's own SDK: no base URL, no proxy, no key of value.
//   node messages.cjs [--stream] [MODEL]
const Anthropic = require("@anthropic-ai/sdk");
const args = process.argv.slice(2);
const stream = args.includes("--stream");
const model = args.find((a) => !a.startsWith("--")) ?? "claude-3-5-haiku-latest";
const ask = { model, max_tokens: 100, messages: [{ role: "user", content: "Say hello." }], stream };

async function main() {
  const answer = await new Anthropic().messages.create(ask);
  if (!stream) return console.log(answer.content[0].text);
  for await (const event of answer) if (event.delta?.text) process.stdout.write(`[${event.delta.text}]`);
  console.log();
}
main().catch((e) => { console.log(String(e)); process.exitCode = 1; });
