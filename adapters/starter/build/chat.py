"""How the corpus writes an exchange, and where a document ends."""

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"


def chat(user: str, assistant: str) -> str:
    """One exchange, as the tokenizer's chat template renders it (the stream adds the end)."""
    return f"{USER}{user}{ASSISTANT}{assistant}"
