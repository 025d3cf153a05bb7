# SPDX-License-Identifier: Apache-2.0
"""Policies of the tests."""

CHAT_MODELS = ["gpt-4o*", "text-embedding-3-*", "claude-*"]


RUN = {"match": [{"run": True}]}  # what `egret run --workload NAME` starts


def agent(world, **more):
    """The workload `agent`: whatever runs in the world's `load` cgroup and below."""
    path = "/" + str(world.load.relative_to(world.cgroup.parent))
    return {"match": [{"cgroup": path}, {"cgroup": path + "/**"}], **more}


def agent_policy(world, *rules, workloads=None, agent_has=None, **top):
    """`agent` may ask OpenAI and Anthropic for a few models; more rules come before that one."""
    return {"workloads": {"agent": agent(world, **(agent_has or {})), **(workloads or {})},
            "rules": [*rules,
                      {"id": "agent-models", "when": {"workload": "agent", "provider": ["openai", "anthropic"],
                                                      "model": CHAT_MODELS}, "allow": {}},
                      {"id": "agent-lists", "when": {"workload": "agent", "operation": ["models"]}, "allow": {}}],
            **top}
