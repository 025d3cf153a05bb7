// SPDX-License-Identifier: Apache-2.0
// One call with an unmodified OpenAI SDK: node openai.mjs PACKAGE MODE [MODEL]. The key comes from
// the environment, as the SDK itself takes it. Prints what a program sees, as one JSON line.
import { createRequire } from "node:module";

const [, , name, mode, model = "gpt-4o-mini"] = process.argv;
const require = createRequire(`${process.env.SDK_DIR}/`);
const OpenAI = require(name).OpenAI ?? require(name);

const messages = [{ role: "user", content: "hi" }];

async function streamed(stream, text) {
  let said = "", events = 0;
  for await (const event of stream) {
    events++;
    said += text(event) ?? "";
  }
  return { text: said, events };
}

const modes = {
  chat: async (c) => ({ text: (await c.chat.completions.create({ model, messages })).choices[0].message.content }),
  stream: async (c) =>
    streamed(await c.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } }),
      (e) => e.choices[0]?.delta?.content),
  responses: async (c) => ({ text: (await c.responses.create({ model, input: "hi" })).output_text }),
  "responses-stream": async (c) =>
    streamed(await c.responses.create({ model, input: "hi", stream: true }),
      (e) => (e.type === "response.output_text.delta" ? e.delta : "")),
  embeddings: async (c) => ({ text: `${(await c.embeddings.create({ model, input: "hi" })).data[0].embedding.length} numbers` }),
  models: async (c) => ({ text: (await c.models.list()).data.map((m) => m.id).join(" ") }),
};

const started = performance.now();
let out;
try {
  out = await modes[mode](new OpenAI());
} catch (e) {
  out = { error: { class: e.constructor.name, status: e.status ?? null, message: e.message, type: e.type ?? null,
    code: e.code ?? e.cause?.code ?? null } };
}
console.log(JSON.stringify({ ...out, ms: Math.round(performance.now() - started) }));
