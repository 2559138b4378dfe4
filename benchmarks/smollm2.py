"""The packaged SmolLM2-135M by PyTorch: the same weights as LocalChatModel's, sooner done.

llama.cpp has no matrix kernels for weights of four bits on processors with AMX; PyTorch has them
for bfloat16, and reads a prompt some nine times as fast on one thread of such a processor.
Needs torch and transformers (the `retrieval` extra), and `pip install gguf==0.19.0 accelerate==1.15.0` to
read the file.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from shoestring.models.local.chat import packaged_model

ENDS = ("<|im_end|>", "<|endoftext|>")
BATCH = 12_288  # tokens of the prompts that are answered together, padding included


class SmolLM2:
    """Answers as LocalChatModel does at temperature 0, rounding apart, several prompts at a time.

    Args:
        max_tokens: The longest answer.
        threads: Processor cores to use.
    """

    def __init__(self, max_tokens: int, threads: int) -> None:
        torch.set_num_threads(threads)
        file = packaged_model()
        self._max_tokens = max_tokens
        self._tokenizer = AutoTokenizer.from_pretrained(
            file.parent, gguf_file=file.name, padding_side="left", pad_token=ENDS[0]
        )
        self._ends = self._tokenizer.convert_tokens_to_ids(list(ENDS))
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        ).eval()

    def ask(self, prompts: Sequence[Sequence[BaseMessage]]) -> Iterator[str]:
        """Answer conversations by the likeliest tokens, in their order."""
        read = [
            self._tokenizer.apply_chat_template(
                convert_to_openai_messages(list(prompt)),
                add_generation_prompt=True,
                return_dict=False,
            )
            for prompt in prompts
        ]
        start = 0
        while start < len(read):
            end = start + 1
            while (
                end < len(read)
                and (end + 1 - start) * max(map(len, read[start : end + 1])) <= BATCH
            ):
                end += 1
            yield from self._batch(read[start:end])
            start = end

    @torch.inference_mode()
    def _batch(self, prompts: list[list[int]]) -> list[str]:
        padded = self._tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        ids = self._model.generate(
            **padded,
            max_new_tokens=self._max_tokens,
            do_sample=False,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
        )
        answers: list[str] = self._tokenizer.batch_decode(
            ids[:, padded["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return answers
