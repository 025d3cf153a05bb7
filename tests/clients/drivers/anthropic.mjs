// SPDX-License-Identifier: Apache-2.0
// One call with an unmodified Anthropic SDK: node anthropic.mjs PACKAGE MODE [MODEL]. The key comes
// from the environment, as the SDK itself takes it. Prints what a program sees, as one JSON line.
import { createRequire } from "node:module";

const [, , name, mode, model = "claude-3-5-haiku-latest"] = process.argv;
const require = createRequire(`${process.env.SDK_DIR}/`);
const Anthropic = require(name).Anthropic ?? require(name);

const messages = [{ role: "user", content: "hi" }];
const max_tokens = 64;

const modes = {
  messages: async (c) => ({ text: (await c.messages.create({ model, max_tokens, messages })).content[0].text }),
  stream: async (c) => {
    let text = "", events = 0;
    for await (const event of await c.messages.create({ model, max_tokens, messages, stream: true })) {
      events++;
      text += event.delta?.text ?? "";
    }
    return { text, events };
  },
  count: async (c) => ({ text: `${(await c.messages.countTokens({ model, messages })).input_tokens} tokens` }),
  models: async (c) => ({ text: (await c.models.list()).data.map((m) => m.id).join(" ") }),
};

const started = performance.now();
let out;
try {
  out = await modes[mode](new Anthropic());
} catch (e) {
  out = { error: { class: e.constructor.name, status: e.status ?? null, message: e.message,
    type: e.error?.error?.type ?? null, code: e.code ?? e.cause?.code ?? null } };
}
console.log(JSON.stringify({ ...out, ms: Math.round(performance.now() - started) }));
