// An ordinary program with OpenAI's own SDK: no base URL, no proxy, no key of value.
//   node chat.cjs [--stream] [MODEL]
const OpenAI = require("openai");
const args = process.argv.slice(2);
const stream = args.includes("--stream");
const model = args.find((a) => !a.startsWith("--")) ?? "gpt-4o-mini";
const messages = [{ role: "user", content: "Say hello." }];

async function main() {
  const answer = await new OpenAI().chat.completions.create({ model, messages, stream });
  if (!stream) return console.log(answer.choices[0].message.content);
  for await (const event of answer) process.stdout.write(`[${event.choices[0].delta.content ?? ""}]`);
  console.log();
}
main().catch((e) => { console.log(String(e)); process.exitCode = 1; });
