"""The packaged SmolLM2-135M by PyTorch: the same weights as LocalChatModel's, sooner done.

llama.cpp has no matrix kernels for weights of four bits on processors with AMX; PyTorch has them
for bfloat16, and reads a prompt some nine times as fast on one thread of such a processor.
Needs torch and transformers (the `retrieval` extra), and `pip install gguf==0.19.0 accelerate==1.15.0` to
read the file.
"""

from collections.abc import Sequence

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from shoestring.models.local.chat import packaged_model

ENDS = ("<|im_end|>", "<|endoftext|>")


class SmolLM2:
    """Answers as LocalChatModel does at temperature 0, rounding apart.

    Args:
        max_tokens: The longest answer.
        threads: Processor cores to use.
    """

    def __init__(self, max_tokens: int, threads: int) -> None:
        torch.set_num_threads(threads)
        file = packaged_model()
        self._max_tokens = max_tokens
        self._tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        self._ends = self._tokenizer.convert_tokens_to_ids(list(ENDS))
        self._model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        ).eval()

    @torch.inference_mode()
    def ask(self, messages: Sequence[BaseMessage]) -> str:
        """Answer a conversation by the likeliest tokens."""
        prompt = self._tokenizer.apply_chat_template(
            convert_to_openai_messages(list(messages)),
            add_generation_prompt=True,
            return_tensors="pt",
        )
        ids = self._model.generate(
            **prompt,
            max_new_tokens=self._max_tokens,
            do_sample=False,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
        )
        answer = ids[0, prompt["input_ids"].shape[1] :]
        return str(self._tokenizer.decode(answer, skip_special_tokens=True))
