"""headroom: a tool's output in a conversation is compressed; it is asked for no number of tokens."""

from headroom import compress
from trimming import Passage, main


def trimmed(question: str, room: int, passages: list[Passage]) -> str:  # noqa: ARG001 - it takes none
    """Compress the passages as results of one tool."""
    call = {"id": "call", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call", "content": "\n".join(p.text for p in passages)},
    ]
    return str(compress(messages, model="gpt-4o", protect_recent=0).messages[-1]["content"])


main("headroom-ai", trimmed)
