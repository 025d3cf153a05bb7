"""An ordinary program with Python's httpx: it sends no key at all."""
import httpx

body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
answer = httpx.post("https://api.openai.com/v1/chat/completions", json=body)
print(answer.json()["choices"][0]["message"]["content"])
